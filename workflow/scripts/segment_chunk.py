"""Segment a chunk of the frames of a recording with an ensemble of trained networks."""

import itertools
import logging
import math
from contextlib import ExitStack

import pandas as pd

from brightcell import files
from brightcell.compute import backend
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.preprocessing.loader import FrameLoader
from brightcell.recordings import ensemble

logger = logging.getLogger("brightcell")


def tell_of_size(told: set, row: dict, pixel_um: float, factor: float, recipe: dict) -> None:
    """Log once what becomes of the pixel size of a recording's frames."""
    if factor in told:
        return
    told.add(factor)
    if math.isnan(pixel_um):
        logger.warning(
            "%s: pixel size unknown, taken to be that of the training images. Write it into the sheet's column "
            "pixel_size_um, or into images.pixel_size_um, if it is not.",
            row["image"],
        )
    elif factor != 1:
        logger.info(
            "%s: rescaled from %.4g µm a pixel to the networks' %.4g µm for the prediction",
            *(row["image"], pixel_um, recipe["working_pixel_size_um"]),
        )


def main(rows, first_rows, models, recipe_files, calibration_files, network, settings, out, threads):
    """Write what `out` names: labels, cells, frames and made_of, and the probability where it is asked for.

    rows : of the chunk; first_rows : of the recording, by which grey values are mapped where they are mapped alike
    settings : the config's images, preprocess, prediction, precision, device and border
    """
    chosen, made_of = ensemble.load(models, recipe_files, calibration_files, network, settings)
    models = [models[index] for index in chosen.members]
    logger.info("%d × %s; watershed with %s", len(models), chosen.network, chosen.parameters)

    precision = backend.start(threads, settings["device"], settings["precision"])
    from brightcell.inference import streaming
    from brightcell.inference.engines import load_predictor
    from brightcell.recordings import segmentation

    for difference in segmentation.unlike_training(settings, chosen.recipe, chosen.calibration):
        logger.warning("%s. Correct the config, unless the recording needs it.", difference)
    told, cells, frames = set(), [], []

    def prepared():
        loader = FrameLoader(first_rows, settings["images"], settings["preprocess"])
        for row in rows:
            frame = segmentation.prepare(row, loader.frame(row), chosen.recipe)
            tell_of_size(told, row, frame.pixel_size_um, frame.factor, chosen.recipe)
            yield frame, frame.image
        loader.close()

    prediction, pairs = settings["prediction"], prepared()
    first = next(pairs)  # what is wrong with a recording is told before networks are loaded
    pixels = math.prod(first[1].shape[:2]) * len(rows) * (8 if prediction.get("symmetries") else 1)
    predict = ensemble.Averaged(
        [
            load_predictor(path, precision, prediction.get("engine", "keras"), pixels, recipe=chosen.recipe)
            for path in models
        ]
    )
    maps_of = streaming.predict_maps(
        predict, itertools.chain([first], pairs), chosen.recipe, prediction, len(rows)
    )
    del first

    wanted = {"labels": lambda each: each.labels}
    if "probability" in out:
        wanted["probability"] = lambda each: stacks.to_uint16(each.foreground)
    with ExitStack() as stack:
        writers = {name: stack.enter_context(stacks.stack_writer(out[name])) for name in wanted}
        for frame, maps in maps_of:
            each = segmentation.separate(frame, maps, chosen.parameters, len(models))
            for name, part in wanted.items():
                writers[name](each.summary["sample"], part(each))
            cells.append(each.cells)
            frames.append(each.summary)
            logger.info("%s: %d cells", each.summary["sample"], len(each.cells))
    files.write_table(pd.concat(cells, ignore_index=True), out["cells"])
    files.write_json(made_of | {"rows": rows}, out["made_of"])
    files.write_table(pd.DataFrame(frames), out["frames"])


if __name__ == "__main__":
    with (
        job(snakemake.log[0]),
        backend.memory_advice("prediction", snakemake.params.settings["prediction"]),
    ):
        main(
            snakemake.params.rows,
            snakemake.params.first_rows,
            snakemake.input.models,
            snakemake.input.recipes,
            snakemake.input.calibrations,
            snakemake.params.network,
            snakemake.params.settings,
            dict(snakemake.output.items()),
            snakemake.threads,
        )
