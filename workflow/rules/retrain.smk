# Networks that are trained on with corrected crops, and whether they are still as good on the groups that test them.

# The networks before: those that the config names, or the one that segments, or all.
BEFORE = config["retrain"]["networks"] or [
    network
    for network in config["networks"]
    if config["segment"]["network"] in (None, network, f"{network}{networks.RETRAINED}")
]


def scored_frames(wildcards):
    """The scores of the networks before and after."""
    if not TRAININGS or not SHEET:
        raise WorkflowError(
            "retrain: this config trains no networks, so that there are none to train on, and no groups to test them. Expected the "
            "config of the study that the networks come from. With a colleague's networks: docs/fine-tuning.md."
        )
    scheme = config["folds"]["schemes"][0]
    after = [name for name, before in STARTS.items() if before in BEFORE]
    return [
        f"{MODEL.format(**training)}/frames.tsv"
        for training in TRAININGS + RETRAININGS
        if training["scheme"] == scheme and training["network"] in [*BEFORE, *after]
    ]


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
