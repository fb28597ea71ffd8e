# The networks: one job a scheme, network, fold and seed.


rule preflight:
    output:
        "<results>/preflight.json",
    log:
        "<results>/logs/preflight.log",
    benchmark:
        "<results>/benchmarks/preflight.tsv"
    container:
        image("train")
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(10),
    params:
        device=lookup(dpath="compute/device", within=config),
        code=code("preflight.py"),
    message:
        "Look for a GPU"
    script:
        "../scripts/preflight.py"


rule train:
    input:
        frames=every_group("frames.tif"),
        labels=every_group("truth.tif"),
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
        init=first_weights,
        checked=ancient("<results>/check/passed.txt"),
        preflight=device_is_known(),
    output:
        model="<model>/model.keras",
        history=report(
            "<model>/history.csv",
            caption="../report/history.rst",
            category="Training",
            subcategory="{network}",
            labels={
                "network": "{network}",
                "scheme": "{scheme}",
                "fold": "{fold}",
                "seed": "{seed}",
            },
        ),
        recipe="<model>/recipe.json",
    log:
        "<model>/train.log",
    benchmark:
        "<model>/train.benchmark.tsv"
    container:
        image("train")
    threads: 8
    resources:
        mem_mb=megabytes(8000),
        runtime=minutes(480),
    params:
        network=lookup(dpath="network", within=config),
        training=lookup(dpath="training", within=config),
        compute=lookup(dpath="compute", within=config),
        percentiles=lookup(dpath="images/percentiles", within=config),
        chosen_channels=lookup(dpath="images/channels", within=config),
        preprocess=preprocessing(),
        code=code("train.py"),
    message:
        "Train {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/train.py"


rule predict:
    input:
        model="<model>/model.keras",
        recipe="<model>/recipe.json",
        frames=every_group("frames.tif"),
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
        image("train")
    threads: 4
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(60),
    params:
        prediction=lookup(dpath="prediction", within=config),
        compute=lookup(dpath="compute", within=config),
        code=code("predict.py"),
    message:
        "Predict with {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/predict.py"


# Only on request, for tools of others: `snakemake export`.
rule export:
    input:
        every_model("model.onnx"),
    localrule: True
    message:
        "All models are there as ONNX"


rule export_onnx:
    input:
        model="<model>/model.keras",
    output:
        "<model>/model.onnx",
    log:
        "<model>/export.log",
    benchmark:
        "<model>/export.benchmark.tsv"
    container:
        image("train")
    threads: 1
    resources:
        mem_mb=megabytes(4000),
        runtime=minutes(15),
    params:
        code=code("export_onnx.py"),
    message:
        "Export {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/export_onnx.py"
