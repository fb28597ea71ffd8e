# Scores of pixels, boundaries and cells, frame by frame; and the floor that a network must beat.


rule score:
    """Score the test frames of every training, and the trainings that segment together."""
    input:
        every_run("frames.tsv"),
        every_ensemble("expected.tsv"),
        every_ensemble("card.md"),


rule score_frames:
    """Score the test frames of one training."""
    input:
        labels="<model>/labels.tif",
        probabilities=if_made("<model>/predictions/test.tif", WITH_PROBABILITIES),
        calibration=if_made("<model>/calibration.json", NETWORKS),
        published=if_made("<model>/watersheds/published.tif", NETWORKS),
        foreground=if_made("<model>/watersheds/foreground.tif", NETWORKS),
        prepared="<results>/prepared.tsv",
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
    wildcard_constraints:
        network=one_of([*NETWORKS, *config["contestants"]]),
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    message:
        "Score {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    script:
        "../scripts/score.py"


rule score_ensemble:
    """Score the averaged trainings of one network on groups that none of them has seen."""
    input:
        probabilities=lambda wildcards: [
            f"{MODEL.format(**training)}/predictions/test.tif"
            for training in trainings_of(wildcards)
        ],
        calibrations=lambda wildcards: [
            f"{MODEL.format(**training)}/calibration.json"
            for training in trainings_of(wildcards)
        ],
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
    output:
        scores=report(
            "<network>/expected.tsv",
            caption="../report/expected.rst",
            category="Scores of frames",
            subcategory="{network}",
            labels={
                "network": "{network}",
                "scheme": "{scheme}",
                "fold": "all",
                "seed": "averaged",
            },
        ),
        frames="<network>/ensemble.tsv",
    log:
        "<results>/logs/score_ensemble/{scheme}-{network}.log",
    benchmark:
        "<results>/benchmarks/score_ensemble/{scheme}-{network}.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        trainings=trainings_of,
        confidence=lookup(dpath="comparison/confidence", within=config),
    message:
        "Score the trainings of {wildcards.network} together: {wildcards.scheme}"
    script:
        "../scripts/score_ensemble.py"


rule describe_network:
    """Describe a network for those who use it."""
    input:
        recipes=lambda wildcards: [
            f"{MODEL.format(**training)}/recipe.json"
            for training in trainings_of(wildcards)
        ],
        expected="<network>/expected.tsv",
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
    output:
        "<network>/card.md",
    log:
        "<results>/logs/describe_network/{scheme}-{network}.log",
    benchmark:
        "<results>/benchmarks/describe_network/{scheme}-{network}.tsv"
    container:
        IMAGES["report"]
    resources:
        **SMALL,
    message:
        "Describe the network {wildcards.network}: {wildcards.scheme}"
    script:
        "../scripts/describe_network.py"


rule baseline:
    """Score a plain threshold, the floor for the networks."""
    input:
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
    output:
        "<results>/baseline.tsv",
    log:
        "<results>/logs/baseline.log",
    benchmark:
        "<results>/benchmarks/baseline.tsv"
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    message:
        "Score a threshold, for comparison"
    script:
        "../scripts/baseline.py"
