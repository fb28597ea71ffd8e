# From probabilities to single cells: a watershed, calibrated on validation frames.


rule calibrate:
    """Choose the watershed's settings for every training."""
    input:
        every_model("calibration.json"),


rule label:
    """Separate the cells in the test frames of every training."""
    input:
        every_run("labels.tif"),


rule calibrate_watershed:
    """Choose the watershed's settings on the validation frames of one training."""
    input:
        validation="<model>/predictions/validate.tif",
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
    output:
        parameters="<model>/calibration.json",
        table=report(
            "<model>/calibration.tsv",
            caption="../report/calibration.rst",
            category="Watershed",
            subcategory="{network}",
            labels={
                "network": "{network}",
                "scheme": "{scheme}",
                "fold": "{fold}",
                "seed": "{seed}",
            },
        ),
    log:
        "<model>/calibrate.log",
    benchmark:
        "<model>/calibrate.benchmark.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        watershed=lookup(dpath="watershed", within=config),
        symmetries=lookup(dpath="prediction/symmetries", within=config),
    message:
        "Calibrate the watershed of {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/calibrate.py"


rule label_frames:
    """Separate the cells in the test frames of one training."""
    input:
        test="<model>/predictions/test.tif",
        calibration="<model>/calibration.json",
    output:
        labels="<model>/labels.tif",
        published="<model>/watersheds/published.tif",
        foreground="<model>/watersheds/foreground.tif",
    log:
        "<model>/label.log",
    benchmark:
        "<model>/label.benchmark.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    message:
        "Separate the cells of {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/label.py"
