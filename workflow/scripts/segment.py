"""Segment the frames of one group of a new recording with an ensemble of trained networks."""

import logging

import numpy as np
import pandas as pd

from brightcell import backend, files, images
from brightcell.errors import InputError
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


def pixel_size(row: dict, options: dict) -> float | None:
    """Return the pixel size of a frame's file in µm: the sheet's, else the config's, else None."""
    size = row["pixel_size_um"] or options["pixel_size_um"]
    if not size:
        logger.warning(
            "%s: pixel size unknown, taken to be that of the training images. Write it into the sheet's column "
            "pixel_size_um if it is not.",
            row["image"],
        )
    return float(size) if size else None


def main(
    rows, models, recipe_files, calibration_files, network, options, settings, precision, device, threads, out
):
    """Write the labels at the frames' own size, and a table of the cells; `out` has labels and cells."""
    recipes = [files.read_json(path) for path in recipe_files]
    calibrations = [files.read_json(path) for path in calibration_files]
    network = network or best_network(recipes, calibrations)
    members = [index for index, recipe in enumerate(recipes) if recipe["network"] == network]
    recipe = recipes[members[0]]
    parameters = common_parameters([calibrations[index] for index in members])
    logger.info("%d × %s; watershed with %s", len(members), network, parameters)

    precision = backend.start(threads, device, precision)
    from brightcell import inference, instances, measure

    networks = [inference.load_model(models[index], precision) for index in members]

    def predict(tiles):
        return np.mean([np.asarray(model.predict_on_batch(tiles)) for model in networks], axis=0)

    tables = []

    def labelled():
        for row in rows:
            frame = images.read_image(row["image"])
            if frame.shape[-1] != recipe["channels"]:
                raise InputError(
                    f"{row['image']}: {frame.shape[-1]} channels; the networks were trained on "
                    f"{recipe['channels']}. Convert the recording, or train networks on images like it."
                )
            pixel_um = pixel_size(row, options)
            try:
                factor = images.scale_factor(pixel_um, recipe["working_pixel_size_um"])
            except InputError as error:
                raise InputError(f"{row['image']}: {error}") from None
            image = images.rescale_image(frame, factor)
            maps = inference.predict_frame(predict, image, recipe, settings)
            labels = images.resize_labels(
                instances.label_cells(*images.split_maps(maps), **parameters), frame.shape[:2]
            )
            table = measure.measure_cells(labels, frame, pixel_um)
            table.insert(0, "sample", row["sample"])
            table.insert(1, "frame", row["frame"])
            tables.append(table)
            logger.info("%s: %d cells", row["sample"], labels.max())
            yield row["sample"], labels

    images.write_stack(out.labels, labelled())
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
            snakemake.params.prediction,
            snakemake.params.precision,
            snakemake.params.device,
            snakemake.threads,
            snakemake.output,
        )
