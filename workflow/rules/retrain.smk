# Networks that are trained on with corrected crops, and whether they are still as good on the groups that test them.


rule retrain:
    """Train networks on with corrected crops, and say whether they are recommended."""
    input:
        result("retrained/retrained.html"),


rule judge_retrained:
    """Compare networks that were trained on with those before, on the same held-out groups."""
    input:
        frames=scored_frames,
        changes="<results>/correct/changes.tsv",
    output:
        differences=report(
            "<results>/retrained/differences.tsv",
            caption="../report/retrained.rst",
            category="Comparison",
            subcategory="Retrained",
            labels={"table": "before and after"},
        ),
        page=report(
            "<results>/retrained/retrained.html",
            caption="../report/retrained.rst",
            category="Comparison",
            subcategory="Retrained",
            labels={"page": "before and after"},
        ),
    log:
        "<results>/logs/judge_retrained.log",
    benchmark:
        "<results>/benchmarks/judge_retrained.tsv"
    container:
        IMAGES["report"]
    resources:
        **MEDIUM,
    params:
        pairs={name: before for name, before in STARTS.items() if before in BEFORE},
        options=lookup(dpath="comparison", within=config),
        pages=pages("retrained", "page"),
    message:
        "Compare the networks before and after"
    script:
        "../scripts/judge_retrained.py"
