"""Start a training from the weights of a trained network."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from brightcell import trained
from brightcell.errors import InputError
from brightcell.nets.loading import load_model

logger = logging.getLogger("brightcell")

OTHER_SIZE = 1.3  # times larger or smaller cells, in diameter, are told


def warm_start(model: keras.Model, path: Path) -> None:
    """Copy the weights of a trained network in a file to a network; InputError if its shape is another."""
    source = load_model(path)
    wanted, found = ([tuple(weight.shape) for weight in network.weights] for network in (model, source))
    if wanted != found:
        first = next(
            (pair for pair in zip(wanted, found, strict=False) if pair[0] != pair[1]),
            (len(wanted), len(found)),
        )
        raise InputError(
            f"training.init_weights {path}: a network of another shape ({source.count_params():,} parameters, "
            f"{source.input_shape[-1]} channels, {source.output_shape[-1]} outputs; first difference: {first[1]} where "
            f"{first[0]} is needed). Expected {model.count_params():,} parameters, {model.input_shape[-1]} channels, "
            f"{model.output_shape[-1]} outputs: take the network, filters, levels and target that it was trained with."
        )
    model.set_weights(source.get_weights())
    logger.info("starts from the weights of %s", path)


def tell_other_images(
    path: Path, percentiles: Sequence[float], pixel_um: float, areas_px: Sequence[float] = ()
) -> None:
    """Warn where a network was trained on images mapped otherwise, or on cells of another size, by the recipe beside it.

    areas_px : of the cells to train on. Where their size or that of the network's cells is unknown, pixel sizes are
    compared.
    """
    recipe = path.with_name("recipe.json")
    known = trained.read_recipe(recipe, needed=()) if recipe.exists() else {}
    mapped, size = known.get("percentiles"), known.get("working_pixel_size_um")
    if mapped and list(mapped) != list(percentiles):
        logger.warning(
            "%s was trained with images.percentiles %s, not %s", path, list(mapped), list(percentiles)
        )
    trained_on = known.get("training_data", {}).get("cell_area_px")
    if trained_on and len(areas_px):
        before, now = (2 * math.sqrt(area / math.pi) for area in (trained_on[1], float(np.median(areas_px))))
        if not 1 / OTHER_SIZE <= now / before <= OTHER_SIZE:
            wanted = f" to {pixel_um * now / before:.3g}" if math.isfinite(pixel_um) else ""
            logger.warning(
                "%s was trained on cells %.0f px across, these are %.0f px: set images.working_pixel_size_um%s, so that "
                "cells are as large as it knows them", path, before, now, wanted,
            )  # fmt: skip
    elif size and math.isfinite(pixel_um) and abs(pixel_um / size - 1) > 0.1:
        logger.warning(
            "%s was trained on pixels of %.3g µm, these are of %.3g µm: set images.working_pixel_size_um, so that cells "
            "are as large as it knows them", path, size, pixel_um,
        )  # fmt: skip
