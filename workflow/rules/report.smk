# The page that answers.


rule report:
    """Write the report."""
    input:
        summary="<results>/comparison/summary.tsv",
        differences="<results>/comparison/differences.tsv",
        scores="<results>/scores.tsv",
        histories=every_model("history.csv"),
        recipes=every_run("recipe.json"),
        speeds=every_run("predictions/speed.json", [*config["networks"], *RUNNING]),
        labels=every_run("labels.tif"),
        calibrations=every_model("calibration.tsv"),
        cells=every_run("cells.tsv"),
        curves="<results>/comparison/curves.tsv",
        reliability="<results>/comparison/reliability.tsv",
        leakage="<results>/comparison/leakage.tsv",
        published="<results>/comparison/published.tsv",
        watersheds="<results>/comparison/watersheds.tsv",
        expected=every_ensemble("expected.tsv"),
        jobs="<results>/jobs.tsv",
        accounting="<results>/accounting.tsv",
        preflight=device_is_known(),
        findings="<results>/check/findings.tsv",
        folds="<results>/folds.tsv",
        samples="<results>/samples.tsv",
        baseline="<results>/baseline.tsv",
        prepared="<results>/prepared.tsv",
    output:
        page=report(
            "<results>/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"page": "the whole report"},
        ),
        figures=report(
            directory("<results>/figures"),
            patterns=["{figure}.tsv"],
            caption="../report/figures.rst",
            category="Report",
            subcategory="Data of the figures",
            labels={"figure": "{figure}"},
        ),
    log:
        "<results>/logs/report.log",
    benchmark:
        "<results>/benchmarks/report.tsv"
    container:
        IMAGES["report"]
    resources:
        **MEDIUM,
    params:
        dataset=DATASET,
        pages=pages("page"),
        config=config,
        whole=WHOLE_PLAN._asdict() if config["short"] else None,
    message:
        "Write the report"
    script:
        "../scripts/report.py"
