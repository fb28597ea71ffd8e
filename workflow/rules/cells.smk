# From foreground probabilities to single cells and their scores.


rule calibrate:
    input:
        validation="<model>/predictions/validate.tif",
        truth=every_group("truth.tif"),
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
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(60),
    params:
        watershed=lookup(dpath="watershed", within=config),
        symmetries=lookup(dpath="prediction/symmetries", within=config),
        code=code("calibrate.py"),
    message:
        "Calibrate the watershed of {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/calibrate.py"


rule label:
    input:
        test="<model>/predictions/test.tif",
        calibration="<model>/calibration.json",
    output:
        labels="<model>/labels.tif",
    log:
        "<model>/label.log",
    benchmark:
        "<model>/label.benchmark.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(30),
    params:
        code=code("label.py"),
    message:
        "Separate the cells of {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/label.py"


rule score:
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
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(30),
    params:
        code=code("score.py"),
    message:
        "Score {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/score.py"


rule baseline:
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
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(1000),
        runtime=minutes(30),
    params:
        code=code("baseline.py"),
    message:
        "Score a plain threshold, the floor for the networks"
    script:
        "../scripts/baseline.py"
