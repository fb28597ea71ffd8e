# Which groups train, validate and test in each fold.


rule folds:
    """Share the groups out over folds."""
    input:
        samples="<results>/samples.tsv",
    output:
        report(
            "<results>/folds.tsv",
            caption="../report/folds.rst",
            category="Data",
            subcategory="Folds",
            labels={"result": "roles of the frames"},
        ),
    log:
        "<results>/logs/folds.log",
    benchmark:
        "<results>/benchmarks/folds.tsv"
    container:
        IMAGES["image"]
    resources:
        **SMALL,
    params:
        folds=lookup(dpath="folds", within=config),
    message:
        "Divide the groups into folds"
    script:
        "../scripts/folds.py"
