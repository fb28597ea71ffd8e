"""Train one network on one fold with one seed."""

import math
from pathlib import Path

from brightcell import files, provenance
from brightcell.compute import backend
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.sheets.roles import rows_in_role
from brightcell.training import data


def main(inputs, outputs, wildcards, params, threads: int) -> None:
    """Train, then write the model, its history and its recipe; all of them or none.

    What a kill leaves behind in the folder `training_state` beside the model is taken up by the next run. The best
    weights stay there: where the model is lost, because a later job of its SLURM job failed, it is not trained again.
    """
    kinds = ("frames", "truth")
    stacks_of = [stacks.listed_groups(inputs.prepared, kind) for kind in kinds]
    samples, folds = files.read_table(inputs.samples), files.read_table(inputs.folds)
    scheme, network = wildcards.scheme, wildcards.network
    fold, seed, init = int(wildcards.fold), int(wildcards.seed), inputs.get("init")
    rows = {role: rows_in_role(samples, folds, scheme, fold, role) for role in ("train", "validate")}
    target, shape = data.shape_of(params.network, samples)
    pixel_um = float(rows["train"]["pixel_size_um"].median())

    precision = backend.start(threads, **params.compute, deterministic=params.training["deterministic"])
    from brightcell.training import checkpoints, warm_start
    from brightcell.training.run import Run, random_seed

    frames = [data.load_frames(*stacks_of, part, params.percentiles) for part in rows.values()]
    crops = files.read_table(inputs.crops) if inputs.get("crops") else None
    if crops is not None:
        corrected = [stacks.listed_groups(inputs.corrected, kind) for kind in kinds]
        new = [
            data.load_frames(*corrected, crops[crops["split"] == role], params.percentiles) for role in rows
        ]
        frames = [data.together(frames[0], new[0], params.share), frames[1] + new[1]]
    luck = random_seed(seed, scheme, fold, network)
    run = Run(params.architecture, shape, params.training, *frames, luck, precision, init)
    if init:
        areas = [area for frame in frames[0] for area in data.cell_areas(frame.labels)]
        warm_start.tell_other_images(Path(init), params.percentiles, pixel_um, areas)
    model = Path(outputs.model)
    checkpoint = checkpoints.Checkpoint(model.with_name("training_state"), run.made_of(params.code))
    history = run.train(checkpoint, model.with_name("diverged.keras"))
    checkpoint.check_owner()
    run.save(model)
    recipe = {
        "dataset": params.dataset,
        **dict(wildcards.items()),
        "fold": fold,
        "seed": seed,
        "target": target,
        **run.describe(history),
        "device": "gpu" if backend.has_gpu() else "cpu",
        "threads": backend.allotted(threads),
        "percentiles": list(params.percentiles),
        "chosen_channels": params.chosen_channels,
        "preprocess": params.preprocess,
        "working_pixel_size_um": pixel_um if math.isfinite(pixel_um) else None,
        "training_data": data.describe_data(*stacks_of, rows["train"]),
        "corrected_crops": [] if crops is None else list(crops["sample"]),
        "versions": provenance.versions("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy"),
        "machine": provenance.machine(),
    }
    files.write_table(history, outputs.history)
    files.write_json(recipe, outputs.recipe)
    checkpoint.finish()


if __name__ == "__main__":
    settings = snakemake.params
    with (
        job(snakemake.log[0]),
        backend.memory_advice("training", settings.training, settings.network["levels"]),
    ):
        main(snakemake.input, snakemake.output, snakemake.wildcards, settings, snakemake.threads)
