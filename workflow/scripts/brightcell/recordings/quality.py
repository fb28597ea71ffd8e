"""Judge segmented frames without truth: unlike the training frames, unlike their neighbours in time, or doubtful.

A flag is a reason to look, not a verdict. Limits are wide, so that an ordinary recording has none.
"""

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .shifts import typical_diameter

NEIGHBOURS = 3  # frames on either side, whose median is expected
FEWEST_FRAMES = 5  # with fewer frames no median is computed
FAR = 5.0  # in robust standard deviations
DOUBTFUL = 0.2  # standard deviation of the members' foreground in a cell: two of them then differ by 0.4
DOUBTFUL_SHARE = 0.25  # of a frame's cells
FRAGMENT_SIZE = 0.25  # of the training's median area; of true HeLa and NIH/3T3 cells 10 and 4 % are smaller
FRAGMENTS_SHARE = 0.3  # of a frame's cells; in true frames 22 % at most
FULL = 0.98  # share of pixels that are cell
FLAT = 1e-6  # contrast of a frame without a picture
JUMP = 0.5  # cell diameters that all cells move together
LASTING = {"intensity_mean": "gain, exposure or lamp changed", "sharpness": "focus changed"}
"""measure → what a change that lasts means"""
SHIFTS = ["shift_row_px", "shift_column_px"]
COMPARED = {"intensity_mean": "brightness", "contrast": "contrast"}
STEADY = {
    "intensity_mean": ("brightness", 0.02),
    "contrast": ("contrast", 0.04),
    "sharpness": ("sharpness", 0.04),
    "disagreement": ("disagreement of the networks", 0.2),
}
"""measure → its name, and its least standard deviation as a share of the expected value: smaller changes do not count"""


def training_data(recipes: list[dict]) -> dict | None:
    """Return the widest range of the training data in an ensemble's recipes; None if a recipe lacks it."""
    known = [recipe["training_data"] for recipe in recipes if recipe.get("training_data")]
    if len(known) < len(recipes):
        return None
    shared = set.intersection(*(set(each) for each in known))
    joined = {}
    for name in sorted(shared):
        lows, middles, highs = zip(*(each[name] for each in known), strict=True)
        joined[name] = [min(lows), sorted(middles)[len(middles) // 2], max(highs)]
    return joined | {"pixel_size_um": recipes[0]["working_pixel_size_um"]}


def judge(
    frames: pd.DataFrame,
    cells: pd.DataFrame,
    reference: dict | None = None,
    ordered: bool = True,
    shifts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return a table that says what is unusual about each frame.

    Parameters
    ----------
    frames : pandas.DataFrame
        One row per frame, in the order of time: sample, frame, pixel_size_um, scale, cells, cell_share, median_area_px,
        intensity_mean, contrast, sharpness, confidence, disagreement (nan for a single network).
    cells : pandas.DataFrame
        One row per cell: sample, area_px, disagreement.
    reference : dict, optional
        Of the training: `statistics.reference`'s percentiles, and pixel_size_um, that of their pixels or None.
    ordered : bool
        Whether the frames are a time-lapse. Otherwise they are compared with all frames together, without their
        numbers of cells.
    shifts : pandas.DataFrame, optional
        shift_row_px and shift_column_px of each frame, as `shifts.common_shifts` gives them.

    Returns
    -------
    pandas.DataFrame
        One row per frame: sample, frame, cells, cells_expected, doubtful_cells, confidence, disagreement,
        disagreement_expected, cell_share, median_area_px, intensity_mean, contrast, sharpness,
        shift_row_px, shift_column_px (nan if not known), flags (words; empty if none).
    """
    doubtful = cells.groupby("sample")["disagreement"].agg(lambda values: int((values > DOUBTFUL).sum()))
    judged = frames.assign(doubtful_cells=frames["sample"].map(doubtful).fillna(0).astype(int))
    window = NEIGHBOURS if ordered else None
    expected = {name: expect(judged[name], window) for name in ("cells", *STEADY)}
    if not ordered:
        expected["cells"][:] = np.nan
    judged["cells_expected"] = expected["cells"]
    judged["disagreement_expected"] = expected["disagreement"]
    least = {name: share * np.abs(expected[name]) for name, (_, share) in STEADY.items()}
    least["cells"] = np.sqrt(np.maximum(expected["cells"], 1)) / 2  # half of that of counts at random
    changed = lasting_changes(judged) if ordered else [[] for _ in range(len(judged))]
    shifts = pd.DataFrame(np.nan, range(len(judged)), SHIFTS) if shifts is None else shifts
    moves = shifts[SHIFTS].to_numpy(float)
    diameter = typical_diameter(cells["area_px"]) if len(cells) else math.nan
    far = {name: outliers(judged[name], expected[name], least[name]) for name in expected}
    areas = {sample: own.to_numpy(float) for sample, own in cells.groupby("sample")["area_px"]}
    flags = []
    for at, row in enumerate(judged.to_dict("records")):
        faults = blank(row)
        if not faults:
            unusual = {name: values[at] for name, values in expected.items() if far[name][at]}
            faults = [
                *unlike_training(row, reference or {}),
                *fragments(areas.get(row["sample"], np.empty(0)) * row["scale"] ** 2, reference or {}),
                *doubts(row),
                *unlike_others(row, unusual, ordered),
                *changed[at],
                *jumps(moves[at, 0], moves[at, 1], diameter),
            ]
        flags.append("; ".join(faults))
    columns = ["sample", "frame", "cells", "cells_expected", "doubtful_cells", "confidence", "disagreement"]
    columns += [
        "disagreement_expected",
        "cell_share",
        "median_area_px",
        "intensity_mean",
        "contrast",
        "sharpness",
    ]
    for name in SHIFTS:
        judged[name] = shifts[name].to_numpy()
    return judged[[*columns, *SHIFTS]].assign(flags=flags)


def expect(values: pd.Series, window: int | None) -> np.ndarray:
    """Return the median of each value's neighbours, without itself: `window` on either side, or all others.

    nan if there are fewer than FEWEST_FRAMES values, or no neighbour has one.

    >>> expect(pd.Series([4, 5, 60, 5, 6]), 2).tolist()
    [32.5, 5.0, 5.0, 6.0, 32.5]
    """
    given = values.to_numpy(float)
    if len(given) < FEWEST_FRAMES:
        return np.full(len(given), np.nan)
    found = np.full(len(given), np.nan)
    for at in range(len(given)):
        start, end = (0, len(given)) if window is None else (max(0, at - window), at + window + 1)
        others = np.concatenate([given[start:at], given[at + 1 : end]])
        others = others[np.isfinite(others)]
        if others.size:
            found[at] = np.median(others)
    return found


def outliers(values: pd.Series, expected: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Return whether each value is more than FAR robust standard deviations from the expected one; bool.

    The standard deviation is 1.4826 × the median absolute deviation over all values, and at least `least`.
    """
    away = np.abs(values.to_numpy(float) - expected)
    known = away[np.isfinite(away)]
    spread = 1.4826 * np.median(known) if known.size else math.nan
    with np.errstate(invalid="ignore"):
        return away > FAR * np.maximum(spread, least)


def blank(row: dict) -> list[str]:
    """Return the fault of a frame that shows nothing at all, which replaces all others."""
    if row["contrast"] <= FLAT:
        return [f"a constant picture: every pixel is {row['intensity_mean']:.4g}"]
    return []


def unlike_training(row: dict, reference: dict) -> list[str]:
    """Return in what a frame lies outside the training data.

    Grey values may lie beyond the training's 5 to 95 % by the width of that range or a tenth of its median; the median
    cell area may not lie beyond the training's 5 to 95 %.
    """
    faults = []
    for name, words in COMPARED.items():
        if name in reference:
            low, middle, high = reference[name]
            margin = max(high - low, abs(middle) / 10)
            if not low - margin <= row[name] <= high + margin:
                faults.append(f"{words} {row[name]:.3g}, in the training {low:.3g} to {high:.3g}")
    if "cell_area_px" in reference and row["cells"]:
        training_um = reference.get("pixel_size_um") or math.nan
        known = math.isfinite(row["pixel_size_um"] or math.nan) and math.isfinite(training_um)
        unit, size = ("µm²", training_um**2) if known else ("px", 1)
        low, _, high = (value * size for value in reference["cell_area_px"])
        area = row["median_area_px"] * row["scale"] ** 2 * size
        if not low <= area <= high:
            faults.append(f"median cell area {area:.3g} {unit}, in the training {low:.3g} to {high:.3g}")
    return faults


def fragments(areas: np.ndarray, reference: dict) -> list[str]:
    """Return whether many cells are as small as parts of cells are; areas : in px of the networks' frames.

    >>> fragments(np.array([20, 30, 500, 600]), {"cell_area_px": [100, 500, 900]})
    ["2 of 4 cells are smaller than a quarter of the training's median cell: parts of cells, or dirt?"]
    """
    if "cell_area_px" not in reference or not len(areas):
        return []
    small = int((areas < FRAGMENT_SIZE * reference["cell_area_px"][1]).sum())
    what = "smaller than a quarter of the training's median cell: parts of cells, or dirt?"
    return [f"{small} of {len(areas)} cells are {what}"] if small > FRAGMENTS_SHARE * len(areas) else []


def shared_flags(flags: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the flags that all frames of a recording have, given once with the first frame's words, from the rest.

    flags : of each frame, as in the table of `judge`. Flags are of one kind if they differ in numbers alone.

    >>> shared_flags(["dark 3; no cell", "dark 4"])
    (['dark 3'], ['no cell', ''])
    """
    split = [[part for part in text.split("; ") if part] for text in flags]
    kinds = [{_kind(part) for part in parts} for parts in split]
    common = set.intersection(*kinds) if len(kinds) > 1 else set()
    first = [part for part in split[0] if _kind(part) in common] if split else []
    return first, ["; ".join(part for part in parts if _kind(part) not in common) for parts in split]


def _kind(flag: str) -> str:
    """Return what a flag says without its numbers."""
    return re.sub(r"[-−]?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?", "0", flag)


def doubts(row: dict) -> list[str]:
    """Return whether a frame has no cell, almost nothing but cells, or many cells on which the networks disagree."""
    if not row["cells"]:
        return ["no cell"]
    if row["cell_share"] >= FULL:
        return [f"{row['cell_share']:.0%} of the picture is cell"]
    if row["cells"] and row["doubtful_cells"] >= DOUBTFUL_SHARE * row["cells"]:
        return [f"the networks disagree on {row['doubtful_cells']} of {row['cells']} cells"]
    return []


def unlike_others(row: dict, expected: dict[str, float], ordered: bool) -> list[str]:
    """Return in what a frame differs from its neighbours in time, or from the other frames, with the expected values."""
    others = "its neighbours have" if ordered else "the others have"
    return [
        f"{row[name]} cells where {others} {value:g}"
        if name == "cells"
        else f"{STEADY[name][0]} {row[name]:.3g} where {others} {value:.3g}"
        for name, value in expected.items()
    ]


def jumps(row_px: float, column_px: float, diameter: float) -> list[str]:
    """Return whether all cells moved together since the frame before, by JUMP or more.

    >>> jumps(0.0, -20.0, 18.0)
    ['all cells moved together by 0 rows and -20 columns (px), 1.1 cell diameters: did the stage or the plate move?']
    """
    far = math.hypot(row_px, column_px) / diameter
    if not far >= JUMP:
        return []
    way = f"{row_px:.0f} rows and {column_px:.0f} columns (px), {far:.1f} cell diameters"
    return [f"all cells moved together by {way}: did the stage or the plate move?"]


def lasting_changes(frames: pd.DataFrame) -> list[list[str]]:
    """Return for each frame of a time-lapse what is different from here on: brightness or sharpness.

    The next frames, NEIGHBOURS with this one, all differ from the median of as many before by more than FAR robust standard
    deviations of the changes from frame to frame, in one direction.
    """
    found: list[list[str]] = [[] for _ in range(len(frames))]
    for name, meaning in LASTING.items():
        values = frames[name].to_numpy(float)
        words, share = STEADY[name]
        steps = np.abs(np.diff(values))
        spread = 1.4826 * float(np.median(steps)) if len(steps) else math.nan
        last = -NEIGHBOURS
        for at in range(NEIGHBOURS, len(values) - NEIGHBOURS + 1):
            before = float(np.median(values[at - NEIGHBOURS : at]))
            away = values[at : at + NEIGHBOURS] - before
            least = FAR * max(spread, share * abs(before))
            if at - last >= NEIGHBOURS and (away.min() > least or away.max() < -least):
                after = before + float(np.median(away))
                found[at].append(f"{words} {after:.3g} from here on, {before:.3g} before: {meaning}?")
                last = at
    return found
