# Which network is better, by how much, and how sure; and the report that says so.


rule compare:
    input:
        frames=every_model("frames.tsv"),
        curves=every_model("curves.tsv"),
        reliability=every_model("reliability.tsv"),
        watersheds=every_model("watersheds.tsv"),
        folds="<results>/folds.tsv",
    output:
        scores="<results>/scores.tsv",
        summary=report(
            "<results>/comparison/summary.tsv",
            caption="../report/summary.rst",
            category="Comparison",
            subcategory="Scores",
            labels={"table": "means and intervals"},
        ),
        differences=report(
            "<results>/comparison/differences.tsv",
            caption="../report/differences.rst",
            category="Comparison",
            subcategory="Scores",
            labels={"table": "paired differences"},
        ),
        leakage=report(
            "<results>/comparison/leakage.tsv",
            caption="../report/leakage.rst",
            category="Comparison",
            subcategory="Protocols",
            labels={"table": "what leakage adds"},
        ),
        published=report(
            "<results>/comparison/published.tsv",
            caption="../report/published.rst",
            category="Comparison",
            subcategory="Protocols",
            labels={"table": "published against sound"},
        ),
        curves=report(
            "<results>/comparison/curves.tsv",
            caption="../report/curves.rst",
            category="Comparison",
            subcategory="Probabilities",
            labels={"table": "scores by threshold"},
        ),
        reliability=report(
            "<results>/comparison/reliability.tsv",
            caption="../report/reliability.rst",
            category="Comparison",
            subcategory="Probabilities",
            labels={"table": "reliability"},
        ),
        watersheds=report(
            "<results>/comparison/watersheds.tsv",
            caption="../report/watersheds.rst",
            category="Comparison",
            subcategory="Watershed",
            labels={"table": "published, calibrated, learned"},
        ),
    log:
        "<results>/logs/compare.log",
    benchmark:
        "<results>/benchmarks/compare.tsv"
    container:
        image("report")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(30),
    params:
        draws=lookup(dpath="comparison/draws", within=config),
        confidence=lookup(dpath="comparison/confidence", within=config),
        seed=lookup(dpath="comparison/seed", within=config),
        margin=lookup(dpath="comparison/margin", within=config),
        order=list(samples["sample"]),
        code=code("compare.py"),
    message:
        "Compare the networks"
    script:
        "../scripts/compare.py"


rule gather_jobs:
    input:
        every_model("frames.tsv"),
        "<results>/baseline.tsv",
        "<results>/comparison/summary.tsv",
    output:
        report(
            "<results>/jobs.tsv",
            caption="../report/jobs.rst",
            category="Jobs",
            labels={"table": "what ran where"},
        ),
    log:
        "<results>/logs/gather_jobs.log",
    benchmark:
        "<results>/benchmarks/gather_jobs.tsv"
    container:
        image("image")
    threads: 1
    resources:
        mem_mb=megabytes(500),
        runtime=minutes(5),
    params:
        jobs=jobs_of_the_results,
        code=code("gather_jobs.py"),
    message:
        "Tell where every job ran"
    script:
        "../scripts/gather_jobs.py"


rule report:
    input:
        summary="<results>/comparison/summary.tsv",
        differences="<results>/comparison/differences.tsv",
        scores="<results>/scores.tsv",
        histories=every_model("history.csv"),
        recipes=every_model("recipe.json"),
        speeds=every_model("predictions/speed.json"),
        labels=every_model("labels.tif"),
        calibrations=every_model("calibration.tsv"),
        cells=every_model("cells.tsv"),
        curves="<results>/comparison/curves.tsv",
        reliability="<results>/comparison/reliability.tsv",
        leakage="<results>/comparison/leakage.tsv",
        published="<results>/comparison/published.tsv",
        watersheds="<results>/comparison/watersheds.tsv",
        jobs="<results>/jobs.tsv",
        accounting="<results>/accounting.tsv",
        preflight=device_is_known(),
        findings="<results>/check/findings.tsv",
        folds="<results>/folds.tsv",
        samples="<results>/samples.tsv",
        baseline="<results>/baseline.tsv",
        frames=every_group("frames.tif"),
        truth=every_group("truth.tif"),
        template=[
            workflow.source_path(f"../report/page/{name}")
            for name in (
                "page.html.j2",
                "macros.html.j2",
                "verdict.html.j2",
                "differences.html.j2",
                "learning.html.j2",
                "gallery.html.j2",
                "cells.html.j2",
                "data.html.j2",
                "provenance.html.j2",
                "page.css",
                "page.js",
                "charts.js",
                "gallery.js",
            )
        ],
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
        image("report")
    threads: 1
    resources:
        mem_mb=megabytes(2000),
        runtime=minutes(30),
    params:
        config=config,
        code=code("report.py"),
    message:
        "Write the report"
    script:
        "../scripts/report.py"
