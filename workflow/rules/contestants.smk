# Whole tools, each in an environment of its own, and labels that were made elsewhere: rows beside the networks.


rule train_contestant:
    """Train another tool on one fold with one seed."""
    input:
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
        weights=weights_of,
        tool=file_of_tool,
        packages=lists_of_packages,
        checked=ancient("<results>/check/passed.txt"),
        preflight=device_is_known(),
    output:
        recipe="<model>/recipe.json",
    log:
        "<model>/train_contestant.log",
    benchmark:
        "<model>/train_contestant.benchmark.tsv"
    wildcard_constraints:
        network=one_of(RUNNING),
    container:
        image_of
    threads: 8
    resources:
        **LONG,
    params:
        job=described("train_contestant", {"recipe": "recipe.json"}),
        python=python_of,
        runner=os.path.relpath(RUNNER),
        code=lambda wildcards: code_digest(RUNNER),
    message:
        "Train {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    shell:
        "{params.python:q} -I {params.runner:q} train {params.job:q} {threads}"


rule predict_contestant:
    """Label the test frames of one fold by another tool."""
    input:
        recipe="<model>/recipe.json",
        prepared="<results>/prepared.tsv",
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
        tool=file_of_tool,
        packages=lists_of_packages,
        preflight=device_is_known(),
    output:
        labels="<model>/labels.tif",
        probabilities="<model>/predictions/test.tif",
        speed="<model>/predictions/speed.json",
    log:
        "<model>/predict_contestant.log",
    benchmark:
        "<model>/predict_contestant.benchmark.tsv"
    wildcard_constraints:
        network=one_of(RUNNING),
    container:
        image_of
    threads: 4
    resources:
        **LARGE,
    params:
        job=described(
            "predict_contestant",
            {
                "labels": "labels.tif",
                "probabilities": "predictions/test.tif",
                "speed": "predictions/speed.json",
            },
        ),
        python=python_of,
        runner=os.path.relpath(RUNNER),
        code=lambda wildcards: code_digest(RUNNER),
    message:
        "Label with {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}, seed {wildcards.seed}"
    shell:
        "{params.python:q} -I {params.runner:q} predict {params.job:q} {threads}"


rule import_labels:
    """Take the labels of the test frames of one fold that were made elsewhere."""
    input:
        labels=lambda wildcards: list(dict.fromkeys(LABELS[wildcards.network].values())),
        images=list(dict.fromkeys(samples["image"])),
        references=list(REFERENCES.values()),
        samples="<results>/samples.tsv",
        folds="<results>/folds.tsv",
    output:
        labels="<model>/labels.tif",
        recipe="<model>/recipe.json",
    log:
        "<model>/import_labels.log",
    benchmark:
        "<model>/import_labels.benchmark.tsv"
    wildcard_constraints:
        network=one_of(GIVEN),
    container:
        IMAGES["image"]
    resources:
        **MEDIUM,
    params:
        rows=lambda wildcards: [
            row
            | {
                "mask": LABELS[wildcards.network][row["sample"]],
                "turn": (0, 1),
                "database": "",
            }
            for row in TESTED.to_dict("records")
        ],
        images=lookup(dpath="images", within=config),
        preprocess=PREPROCESS,
        entry=lambda wildcards: GIVEN[wildcards.network],
        run=lambda wildcards: {
            "dataset": DATASET,
            "scheme": wildcards.scheme,
            "network": wildcards.network,
            "fold": int(wildcards.fold),
            "seed": int(wildcards.seed),
        },
    message:
        "Take the labels {wildcards.network}: {wildcards.scheme} fold {wildcards.fold}"
    script:
        "../scripts/import_labels.py"
