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
from brightcell.recordings import ensemble

logger = logging.getLogger("brightcell")


def main(rows, first_rows, models, recipe_files, calibration_files, network, settings, out, threads):
    """Write what `out` names: labels, doubt, cells, frames and made_of, and the probability where it is asked for.

    rows : of the chunk; first_rows : of the recording, by which grey values are mapped where they are mapped alike
    settings : the config's images, preprocess, prediction, precision, device and border
    """
    chosen, made_of = ensemble.load(models, recipe_files, calibration_files, network, settings)
    logger.info("%d × %s; watershed with %s", len(chosen.members), chosen.network, chosen.parameters)

    precision = backend.start(threads, settings["device"], settings["precision"])
    from brightcell.inference.engines import load_predictor
    from brightcell.recordings import segmentation

    for difference in segmentation.unlike_training(settings, chosen.recipe, chosen.calibration):
        logger.warning("%s. Correct the config, unless the recording needs it.", difference)
    prediction = settings["prediction"]
    prepared = segmentation.prepare_all(rows, first_rows, settings, chosen.recipe)
    first = next(prepared)  # what is wrong with a recording is told before networks are loaded
    pixels = math.prod(first.image.shape[:2]) * len(rows) * (8 if prediction["symmetries"] else 1)
    predict = ensemble.Averaged(
        [
            load_predictor(models[index], precision, prediction["engine"], pixels, recipe=chosen.recipe)
            for index in chosen.members
        ]
    )
    prepared = itertools.chain([first], prepared)
    del first

    parts = {
        "labels": lambda each: each.labels,
        "probability": lambda each: stacks.to_uint16(each.foreground),
        "doubt": lambda each: each.doubt,
    }
    cells, frames = [], []
    with ExitStack() as stack:
        writers = {name: stack.enter_context(stacks.stack_writer(out[name])) for name in parts if name in out}
        for each in segmentation.segment(prepared, predict, chosen, prediction, len(rows)):
            for name, write in writers.items():
                write(each.summary["sample"], parts[name](each))
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
