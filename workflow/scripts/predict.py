"""Predict the validation and test frames of one trained network."""

import time

from brightcell import files, trained
from brightcell.compute import backend
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.sheets.roles import rows_in_role


def main(model, recipe, frames, samples, folds, outputs: dict, speed, settings, compute, threads, log):
    """Write one stack of maps a role: uint16 pages (height, width, 1 or 2), see `stacks.to_uint16`.

    `speed` tells the frames and seconds of each role, from file to file, and what computed: engine and precision.
    """
    recipe = trained.read_recipe(recipe)
    precision = backend.start(threads, **compute)
    from brightcell.inference import streaming
    from brightcell.inference.engines import load_predictor

    assigned, samples = files.read_table(folds), files.read_table(samples)
    rows_of = {
        role: rows_in_role(samples, assigned, recipe["scheme"], recipe["fold"], role) for role in outputs
    }
    turns = 8 if settings["symmetries"] else 1
    pixels = turns * sum(int((rows["height"] * rows["width"]).sum()) for rows in rows_of.values())
    predict = load_predictor(model, precision, settings["engine"], pixels)

    timed = {}
    for role, path in outputs.items():
        rows = rows_of[role]
        start = time.perf_counter()
        read = stacks.iterate_named(frames, rows)
        stacks.write_stack(path, streaming.predict_pages(predict, read, recipe, settings, len(rows)))
        seconds = time.perf_counter() - start
        timed[role] = {"frames": len(rows), "seconds": round(seconds, 3)}
        log.info("%s: %d frames, %.2f frames/s", role, len(rows), len(rows) / seconds)
    files.write_json({**timed, "engine": predict.engine, "precision": predict.precision}, speed)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log, backend.memory_advice("prediction", snakemake.params.prediction):
        main(
            snakemake.input.model,
            snakemake.input.recipe,
            stacks.listed_groups(snakemake.input.prepared, "frames"),
            snakemake.input.samples,
            snakemake.input.folds,
            {role: snakemake.output[role] for role in ("validate", "test")},
            snakemake.output.speed,
            snakemake.params.prediction,
            snakemake.params.compute,
            snakemake.threads,
            log,
        )
