# Whole tools, each in an environment of its own, and labels that were made elsewhere: rows beside the networks.

import json
import os

RUNNING = contestants.running(config)
GIVEN = contestants.given(config)
RUNNER = ROOT / contestants.FOLDER / contestants.RUNNER
TOOLS = {name: contestants.tool_of(name, entry) for name, entry in RUNNING.items()}
IN_CONTAINERS = (
    DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
)
# The rows that have a map of probabilities.
WITH_PROBABILITIES = [
    *config["networks"],
    *(
        name
        for name, tool in TOOLS.items()
        if getattr(
            contestants.load(contestants.tools(ROOT)[tool]), "PROBABILITY", False
        )
    ),
]


def image_of(wildcards):
    """The image in which a contestant's tool runs, if jobs run in images."""
    if not IN_CONTAINERS:
        return None
    return containers.usable(
        containers.address(ROOT, f"contestant-{TOOLS[wildcards.network]}"),
        IN_CONTAINERS,
    )


def python_of(wildcards):
    """The Python that a contestant's tool runs with."""
    if IN_CONTAINERS:
        return "python"
    folder = contestants.environment(ROOT, TOOLS[wildcards.network])
    return os.path.relpath(folder / "bin" / "python")


def file_of_tool(wildcards):
    """The file that says how a contestant's tool is trained and used."""
    return os.path.relpath(contestants.tools(ROOT)[TOOLS[wildcards.network]])


def lists_of_packages(wildcards):
    """The packages of a contestant's tool."""
    return [
        os.path.relpath(path)
        for path in contestants.packages_of(ROOT, TOOLS[wildcards.network])
    ]


def weights_of(wildcards):
    """The weights that a contestant starts from, if there are any."""
    return RUNNING[wildcards.network]["weights"] or []


def described(rule, outputs):
    """What workflow/contestants/run.py is told of a job, as JSON."""

    def job(wildcards, input):
        folder = MODEL.format(**wildcards)
        run = {
            "dataset": DATASET,
            "scheme": wildcards.scheme,
            "network": wildcards.network,
            "fold": int(wildcards.fold),
            "seed": int(wildcards.seed),
        }
        entry = RUNNING[wildcards.network]
        tool = TOOLS[wildcards.network]
        return json.dumps(
            {
                "rule": rule,
                "run": run,
                "entry": entry,
                "training": {
                    key: config["training"][key] for key in contestants.BUDGET
                },
                "title": contestants.title(wildcards.network, entry, ROOT),
                "packages": contestants.main_packages(ROOT, tool),
                "inputs": {
                    name: str(input.get(name) or "")
                    for name in (
                        "recipe",
                        "prepared",
                        "samples",
                        "folds",
                        "weights",
                        "tool",
                        "preflight",
                    )
                }
                | {"packages": list(input.packages)},
                "outputs": {
                    name: f"{folder}/{path}"
                    for name, path in {
                        "folder": "training_state",
                        **outputs,
                    }.items()
                },
                "log": f"{folder}/{rule}.log",
            }
        )

    return job


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
