"""Predict the validation and test frames of one trained network."""

import time

from brightcell import backend, files, images
from brightcell.jobs import job


def main(model, recipe, frames, samples, folds, outputs: dict, settings, precision, device, threads, log):
    """Write one stack of maps a role: uint16 pages (height, width, 1 or 2), see `images.to_uint16`."""
    recipe = files.read_json(recipe)
    backend.prepare(threads, device)
    from brightcell import inference

    precision, reason = backend.choose_precision(precision)
    log.info("precision %s: %s", precision, reason)
    network = inference.load_model(model, precision)
    tile = inference.fitting_tile(settings["tile"], recipe["levels"])

    folds = files.read_table(folds)
    folds = folds[(folds["scheme"] == recipe["scheme"]) & (folds["fold"] == recipe["fold"])]
    samples = files.read_table(samples)
    for role, path in outputs.items():
        rows = samples[samples["sample"].isin(folds.loc[folds["role"] == role, "sample"])]
        start = time.perf_counter()
        images.write_stack(
            path,
            (
                (
                    name,
                    images.to_uint16(
                        inference.predict_tiled(
                            network.predict_on_batch,
                            images.normalise(frame, recipe["percentiles"]),
                            tile,
                            settings["overlap"],
                            settings["batch_size"],
                        )
                    ),
                )
                for name, frame in images.iterate_named(frames, rows)
            ),
        )
        seconds = time.perf_counter() - start
        log.info("%s: %d frames, %.2f frames/s", role, len(rows), len(rows) / seconds)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(
            snakemake.input.model,
            snakemake.input.recipe,
            snakemake.input.frames,
            snakemake.input.samples,
            snakemake.input.folds,
            dict(snakemake.output.items()),
            snakemake.params.prediction,
            snakemake.params.precision,
            snakemake.params.device,
            snakemake.threads,
            log,
        )
