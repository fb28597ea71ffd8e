"""Record how a report was made: when, where, from what, and how to repeat it."""

from datetime import UTC, datetime

import pandas as pd

from brightcell import provenance


def describe(recipes: list[dict], scores: pd.DataFrame, finding: dict | None = None) -> dict:
    """Return the facts by name; the page shows lists with commas and dictionaries indented.

    `recipes` are those of the runs, `scores` the table of all runs, `finding` the preflight's JSON.
    """
    trained = recipes[0] if recipes else {}
    machines = [recipe.get("machine") or {} for recipe in recipes]
    images_used = sorted({machine["image"] for machine in machines if machine.get("image")})
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "repeat it": "Save the config below as config.yaml in the project's folder, then:",
        "commands": [
            "snakemake --cores all --configfile config.yaml",
            "snakemake --configfile config.yaml --report report.zip",
        ],
        "seeds": sorted(int(seed) for seed in scores["seed"].unique()),
        "folds": sorted(int(fold) for fold in scores["fold"].unique()),
        "trained on": sorted(
            {
                " · ".join(
                    str(part)
                    for part in (
                        machine.get("host", "unknown host"),
                        machine.get("processor"),
                        recipe["device"],
                    )
                    if part
                )
                for recipe, machine in zip(recipes, machines, strict=True)
            }
        ),
        **({"GPU": gpu_sentence(finding)} if finding else {}),
        "training, hours": round(sum(recipe["train_seconds"] for recipe in recipes) / 3600, 2),
        "backend": trained.get("backend", "–"),
        **({"container images": images_used} if images_used else {}),
        "versions, training": trained.get("versions", {}),
        "versions, report": provenance.versions("numpy", "pandas", "plotly"),
        "report made on": {name: value for name, value in provenance.machine().items() if value},
    }


def gpu_sentence(told: dict) -> str:
    """Return in words what the preflight found (its JSON).

    >>> gpu_sentence({"device": "gpu", "host": "n1", "seen": ["NVIDIA H200"], "cuda_driver": [12, 4]})
    'NVIDIA H200 on n1, its driver runs CUDA 12.4'
    """
    if told["device"] != "gpu":
        return f"none on {told['host']}: {told['reason']}"
    version = ".".join(map(str, told["cuda_driver"] or ["?"]))
    return f"{', '.join(told['seen'])} on {told['host']}, its driver runs CUDA {version}"
