"""Predict the validation and test frames of one trained network."""

import time

from brightcell import backend, files, images
from brightcell.jobs import job
from brightcell.roles import rows_in_role


def main(
    model, recipe, frames, samples, folds, outputs: dict, speed, settings, precision, device, threads, log
):
    """Write one stack of maps a role: uint16 pages (height, width, 1 or 2), see `images.to_uint16`.

    `speed` tells the frames and seconds of each role, from file to file.
    """
    recipe = files.read_json(recipe)
    precision = backend.start(threads, device, precision)
    from brightcell import inference
    from brightcell.models import load_model

    network = load_model(model, precision)
    assigned, samples = files.read_table(folds), files.read_table(samples)

    def predicted(rows):
        for name, frame in images.iterate_named(frames, rows):
            maps = inference.predict_frame(network.predict_on_batch, frame, recipe, settings)
            yield name, images.to_uint16(maps)

    timed = {}
    for role, path in outputs.items():
        rows = rows_in_role(samples, assigned, recipe["scheme"], recipe["fold"], role)
        start = time.perf_counter()
        images.write_stack(path, predicted(rows))
        seconds = time.perf_counter() - start
        timed[role] = {"frames": len(rows), "seconds": round(seconds, 3)}
        log.info("%s: %d frames, %.2f frames/s", role, len(rows), len(rows) / seconds)
    files.write_json(timed, speed)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(
            snakemake.input.model,
            snakemake.input.recipe,
            snakemake.input.frames,
            snakemake.input.samples,
            snakemake.input.folds,
            {role: snakemake.output[role] for role in ("validate", "test")},
            snakemake.output.speed,
            snakemake.params.prediction,
            snakemake.params.precision,
            snakemake.params.device,
            snakemake.threads,
            log,
        )
