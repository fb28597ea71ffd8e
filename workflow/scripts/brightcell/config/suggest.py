"""Suggest settings from the data: the working pixel size, the size of patches, the depth of networks."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import yaml

# Cells about 28 px across were learned faster than cells of 56 px, and from 20 px on their shape is still seen.
TARGET_PX = 28
RANGE_PX = (20, 35)  # cells of this size stay as they are
PLAUSIBLE_UM = (5, 200)  # diameter of a cell
LARGEST_FACTOR = 2  # larger factors add pixels but no detail
PATCHES = (64, 128, 256, 512)
CELLS_ACROSS = 8


def cell_diameters(labels: np.ndarray) -> np.ndarray:
    """Return the diameter in pixels of a circle as large as each cell of a label image (height, width)."""
    areas = np.bincount(labels.ravel())[1:]
    return np.sqrt(4 / math.pi * areas[areas > 0])


def receptive_field(levels: int) -> int:
    """Return the width in pixels of the receptive field of a U-Net with two 3 × 3 convolutions per block.

    A convolution adds twice the spacing of its level, 2^level pixels; pooling adds once the spacing.

    >>> receptive_field(1), receptive_field(4)
    (5, 96)
    """
    down = sum(4 * 2**level for level in range(levels)) + sum(2**level for level in range(levels - 1))
    up = sum(4 * 2**level for level in range(levels - 1))
    return 1 + down + up


def settings(
    diameters_px: Iterable[float], shape: tuple[int, int], groups: int, pixel_size_um: float | None = None
) -> dict:
    """Suggest a config's values, as nested dictionaries, from the cells' diameters and the frames' (height, width).

    Cells are brought to about 28 px, which needs the pixel size; a patch holds about eight cells side by side; the
    network sees three cells across.
    """
    diameters = np.asarray(list(diameters_px), float)
    diameter = float(np.median(diameters)) if len(diameters) else float(TARGET_PX)
    factor = 1.0
    suggested: dict = {}
    if pixel_size_um:
        suggested["images"] = {"pixel_size_um": pixel_size_um}
        if not RANGE_PX[0] <= diameter <= RANGE_PX[1]:
            working = _round(pixel_size_um / min(TARGET_PX / diameter, LARGEST_FACTOR))
            suggested["images"]["working_pixel_size_um"] = working
            factor = pixel_size_um / working
    across, side = diameter * factor, min(shape) * factor
    levels = next((levels for levels in (3, 4, 5, 6) if receptive_field(levels) >= 3 * across), 6)
    wanted = [patch for patch in PATCHES if patch <= max(side, PATCHES[0])]
    patch = min(wanted, key=lambda patch: abs(math.log(patch / (CELLS_ACROSS * across))))
    suggested["network"] = {"levels": levels}
    suggested["training"] = {"patch": patch}
    suggested["prediction"] = {"tile": max(patch, 256)}
    suggested["folds"] = {
        "schemes": ["grouped"] if groups > 1 else ["random"],
        "number": 2 if groups == 2 else 3 if groups < 5 else 5,
    }
    suggested["seeds"] = [1, 2, 3]
    return suggested


def size_in_words(diameters_px: Sequence[float], pixel_size_um: float | None) -> str:
    """Return how large cells are, with a warning where no cell is that large.

    >>> size_in_words([52, 52], 6.5)
    'Cells are about 52 px = 338 µm across (median of 2). Cells are 5 to 200 µm: is the pixel size of 6.5 µm right?'
    """
    diameter = float(np.median(diameters_px))
    um = diameter * pixel_size_um if pixel_size_um else None
    text = f"Cells are about {diameter:.0f} px{f' = {um:.3g} µm' if um else ''} across (median of {len(diameters_px):,})."
    if um and not PLAUSIBLE_UM[0] <= um <= PLAUSIBLE_UM[1]:
        low, high = PLAUSIBLE_UM
        text += f" Cells are {low:g} to {high:g} µm: is the pixel size of {pixel_size_um:g} µm right?"
        text += " Bacteria are smaller: set check.cell_diameter_um." if um < low else ""
    return text


def config_text(dataset: str, samples: str, suggested: dict, remarks: Iterable[str] = ()) -> str:
    """Return suggested settings as the text of a config, which begins with the remarks as comments."""
    lines = [f"# {line}" for remark in remarks for line in remark.splitlines()]
    for key, value in ({"dataset": dataset, "samples": samples} | suggested).items():
        flow = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False, allow_unicode=True)
        lines.append(f"{key}: {flow.removesuffix('...' + chr(10)).strip()}")
    return "\n".join(lines) + "\n"


def without_defaults(values: dict, schema: dict) -> dict:
    """Return a config's values without those that equal the defaults of its schema."""
    kept = {}
    for key, value in values.items():
        entry = schema["properties"][key]
        if isinstance(value, dict):
            value = without_defaults(value, entry)
        if value and value != entry["default"]:
            kept[key] = value
    return kept


def _round(value: float) -> float:
    """Round to two significant digits."""
    return float(f"{value:.2g}")
