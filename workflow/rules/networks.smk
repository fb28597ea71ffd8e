# The networks: one job a scheme, network, fold and seed.


rule train:
    input:
        frames=every_group("frames.tif"),
        labels=every_group("labels.tif"),
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
        init=first_weights,
        checked=ancient("<results>/check/passed.txt"),
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
        percentiles=lookup(dpath="images/percentiles", within=config),
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
        precision=lookup(dpath="training/precision", within=config),
        device=lookup(dpath="training/device", within=config),
        code=code("predict.py"),
    message:
        "Predict with {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/predict.py"
