# Which network is better, by how much, and how sure.


rule compare:
    """Compare the networks, the protocols and the watersheds."""
    input:
        frames=every_run("frames.tsv"),
        curves=every_run("curves.tsv"),
        reliability=every_run("reliability.tsv"),
        watersheds=every_run("watersheds.tsv"),
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
        IMAGES["report"]
    resources:
        **MEDIUM,
    params:
        options=lookup(dpath="comparison", within=config),
        trainings=RUNS,
        contestants=config["contestants"],
        order=list(samples["sample"]),
    message:
        "Compare the networks"
    script:
        "../scripts/compare.py"
