"""Record how a report was made: when, where, from what, and how to repeat it."""

from datetime import UTC, datetime

import pandas as pd

from brightcell import provenance


def describe(recipes: list[dict], scores: pd.DataFrame, finding: dict | None = None) -> dict:
    """Return the facts by name; the page shows lists with commas and dictionaries indented.

    `recipes` are those of the runs, `scores` the table of all runs, `finding` the preflight's JSON.
    """
    contestants = {recipe["network"]: recipe for recipe in recipes if "title" in recipe}
    recipes = [recipe for recipe in recipes if "train_seconds" in recipe]
    trained = next((recipe for recipe in recipes if "title" not in recipe), {})
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
        **({"equal for all networks": fairness(trained)} if "budget" in trained else {}),
        "training, hours": round(sum(recipe["train_seconds"] for recipe in recipes) / 3600, 2),
        "backend": trained.get("backend", "–"),
        **({"container images": images_used} if images_used else {}),
        "versions, training": trained.get("versions", {}),
        **{f"contestant {name}": told_of(recipe) for name, recipe in contestants.items()},
        "versions, report": provenance.versions("numpy", "pandas", "plotly"),
        "report made on": {name: value for name, value in provenance.machine().items() if value},
    }


def told_of(recipe: dict) -> dict:
    """Return what the report says of a contestant, by one of its recipes: labels or tool, budget, weights, versions."""
    if not recipe["tool"]:
        return {"labels": recipe["labels"], "held out": "yes" if recipe["held_out"] else "not known"}
    own = ("python", "brightcell")
    return {
        "tool": recipe["tool"],
        recipe["budget"]: recipe[recipe["budget"]],
        **({"weights": recipe["weights"]} if recipe["weights"] else {}),
        **{name: version for name, version in recipe["versions"].items() if name not in own},
    }


def fairness(recipe: dict) -> str:
    """Return in words what all networks of a study were given alike, by the recipe of one of them.

    >>> fairness({"budget": "minutes", "rates_tried": [[0.001, 0.3], [0.01, 0.2]]})
    'the minutes of a training; each took the best of the learning rates 0.001, 0.01 on validation frames'
    """
    alike = (
        "the steps of a training, however long they take"
        if recipe["budget"] == "steps"
        else "the minutes of a training"
    )
    tried = ", ".join(f"{rate:g}" for rate, _ in recipe["rates_tried"])
    chosen = (
        f"each took the best of the learning rates {tried} on validation frames"
        if tried
        else "the learning rate"
    )
    return f"{alike}; {chosen}"


def gpu_sentence(told: dict) -> str:
    """Return in words what the preflight found (its JSON).

    >>> gpu_sentence({"device": "gpu", "host": "n1", "seen": ["NVIDIA H200"], "cuda_driver": [12, 4]})
    'NVIDIA H200 on n1, its driver runs CUDA 12.4'
    """
    if told["device"] != "gpu":
        return f"none on {told['host']}: {told['reason']}"
    version = ".".join(map(str, told["cuda_driver"] or ["?"]))
    return f"{', '.join(told['seen'])} on {told['host']}, its driver runs CUDA {version}"
