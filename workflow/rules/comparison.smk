# Which network is better, by how much, and how sure; and the report that says so.


rule compare:
    input:
        every_model("frames.tsv"),
    output:
        scores="<results>/scores.tsv",
        summary=report(
            "<results>/comparison/summary.tsv",
            caption="../report/summary.rst",
            category="Comparison",
        ),
        differences=report(
            "<results>/comparison/differences.tsv",
            caption="../report/differences.rst",
            category="Comparison",
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
        code=code("compare.py"),
    message:
        "Compare the networks"
    script:
        "../scripts/compare.py"


rule report:
    input:
        summary="<results>/comparison/summary.tsv",
        differences="<results>/comparison/differences.tsv",
        scores="<results>/scores.tsv",
        histories=every_model("history.csv"),
        recipes=every_model("recipe.json"),
        labels=every_model("labels.tif"),
        findings="<results>/check/findings.tsv",
        folds="<results>/folds.tsv",
        samples="<results>/samples.tsv",
        baseline="<results>/baseline.tsv",
        frames=every_group("frames.tif"),
        truth=every_group("labels.tif"),
        template=[
            workflow.source_path(f"../report/report.{suffix}")
            for suffix in ("html.j2", "css", "js")
        ],
    output:
        page=report(
            "<results>/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
        figures=directory("<results>/figures"),
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
