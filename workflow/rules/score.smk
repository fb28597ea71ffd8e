# Scores of pixels, boundaries and cells, frame by frame; and the floor that a network must beat.


rule score:
    """Score the test frames of every training."""
    input:
        every_model("frames.tsv"),


rule score_frames:
    """Score the test frames of one training."""
    input:
        labels="<model>/labels.tif",
        probabilities="<model>/predictions/test.tif",
        calibration="<model>/calibration.json",
        truth=every_group("truth.tif"),
        samples="<results>/samples.tsv",
    output:
        frames=report(
            "<model>/frames.tsv",
            caption="../report/frames.rst",
            category="Scores of frames",
            subcategory="{network}",
            labels={
                "network": "{network}",
                "scheme": "{scheme}",
                "fold": "{fold}",
                "seed": "{seed}",
            },
        ),
        cells="<model>/cells.tsv",
        curves="<model>/curves.tsv",
        reliability="<model>/reliability.tsv",
        watersheds="<model>/watersheds.tsv",
    log:
        "<model>/score.log",
    benchmark:
        "<model>/score.benchmark.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    message:
        "Score {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/score.py"


rule baseline:
    """Score a plain threshold, the floor for the networks."""
    input:
        frames=every_group("frames.tif"),
        truth=every_group("truth.tif"),
        samples="<results>/samples.tsv",
    output:
        "<results>/baseline.tsv",
    log:
        "<results>/logs/baseline.log",
    benchmark:
        "<results>/benchmarks/baseline.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    message:
        "Score a threshold, for comparison"
    script:
        "../scripts/baseline.py"
