# Foreground probability, and distance to the edge where it was learned, of the validation and test frames.


rule predict:
    """Predict the validation and test frames of every training."""
    input:
        every_run("predictions/test.tif", [*config["networks"], *RUNNING]),


rule predict_frames:
    """Predict the validation and test frames of one training."""
    input:
        model="<model>/model.keras",
        recipe="<model>/recipe.json",
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
    output:
        validate="<model>/predictions/validate.tif",
        test="<model>/predictions/test.tif",
        speed="<model>/predictions/speed.json",
    log:
        "<model>/predict.log",
    benchmark:
        "<model>/predict.benchmark.tsv"
    container:
        IMAGES["train"]
    threads: 4
    resources:
        **LARGE,
    params:
        prediction=lookup(dpath="prediction", within=config),
        compute=lookup(dpath="compute", within=config),
    message:
        "Predict with {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/predict.py"
