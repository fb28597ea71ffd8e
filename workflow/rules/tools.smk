# What the rules of contestants.smk, and those that take their results, are told of tools. No rule is defined here.

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
    *NETWORKS,
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


def if_made(path, networks):
    """An input function: a file of the run, if its network or contestant is one of these."""
    path = path.replace("<model>", MODEL)
    return lambda wildcards: (
        path.format(**wildcards) if wildcards.network in networks else []
    )
