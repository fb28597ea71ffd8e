"""Segment the frames of one group of a new recording with an ensemble of trained networks."""

import logging
import math

import numpy as np
import pandas as pd

from brightcell import backend, files, images
from brightcell.errors import InputError
from brightcell.intake import Intake
from brightcell.jobs import job

logger = logging.getLogger("brightcell")


def best_network(recipes: list[dict], calibrations: list[dict]) -> str:
    """Name the network whose calibration score, averaged over its trainings, is best."""
    values = pd.DataFrame(
        {"network": recipe["network"], "value": calibration["value"]}
        for recipe, calibration in zip(recipes, calibrations, strict=True)
    )
    return values.groupby("network")["value"].mean().idxmax()


def common_parameters(calibrations: list[dict]) -> dict:
    """Take the median of each watershed parameter over the members of an ensemble."""
    return pd.DataFrame([each["parameters"] for each in calibrations]).median().to_dict()


def main(
    rows,
    models,
    recipe_files,
    calibration_files,
    network,
    options,
    steps,
    settings,
    precision,
    device,
    threads,
    out,
):
    """Write the labels at the size of the preprocessed frames, and a table of the cells; `out` has labels and cells."""
    recipes = [files.read_json(path) for path in recipe_files]
    calibrations = [files.read_json(path) for path in calibration_files]
    network = network or best_network(recipes, calibrations)
    members = [index for index, recipe in enumerate(recipes) if recipe["network"] == network]
    recipe = recipes[members[0]]
    parameters = common_parameters([calibrations[index] for index in members])
    logger.info("%d × %s; watershed with %s", len(members), network, parameters)

    precision = backend.start(threads, device, precision)
    from brightcell import inference, instances, measure
    from brightcell.models import load_model

    networks = [load_model(models[index], precision) for index in members]

    def predict(tiles):
        return np.mean([np.asarray(model.predict_on_batch(tiles)) for model in networks], axis=0)

    intake, tables = Intake(rows, options, steps), []

    def labelled():
        for row in rows:
            frame, pixel_um, _ = intake.frame(row)
            if frame.shape[-1] != recipe["channels"]:
                raise InputError(
                    f"{row['image']}: {frame.shape[-1]} channels; the networks were trained on "
                    f"{recipe['channels']}. Convert the recording, or train networks on images like it."
                )
            if math.isnan(pixel_um):
                logger.warning(
                    "%s: pixel size unknown, taken to be that of the training images. Write it into the sheet's column "
                    "pixel_size_um if it is not.",
                    row["image"],
                )
            try:
                factor = images.scale_factor(pixel_um, recipe["working_pixel_size_um"])
            except InputError as error:
                raise InputError(f"{row['image']}: {error}") from None
            image = images.rescale_image(frame, factor)
            maps = inference.predict_frame(predict, image, recipe, settings)
            labels = images.resize_labels(
                instances.label_cells(*images.split_maps(maps), **parameters), frame.shape[:2]
            )
            table = measure.measure_cells(labels, frame, None if math.isnan(pixel_um) else pixel_um)
            table.insert(0, "sample", row["sample"])
            table.insert(1, "frame", row["frame"] or row.get("page", ""))
            tables.append(table)
            logger.info("%s: %d cells", row["sample"], labels.max())
            yield row["sample"], labels

    images.write_stack(out.labels, labelled())
    intake.close()
    files.write_table(pd.concat(tables, ignore_index=True), out.cells)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.params.rows,
            snakemake.input.models,
            snakemake.input.recipes,
            snakemake.input.calibrations,
            snakemake.params.network,
            snakemake.params.images,
            snakemake.params.preprocess,
            snakemake.params.prediction,
            snakemake.params.precision,
            snakemake.params.device,
            snakemake.threads,
            snakemake.output,
        )
