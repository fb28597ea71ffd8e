"""Show frames with what the networks made of them: a picture once, and outlines as paths above it.

Outlines are paths of SVG rather than pixels, so that a reader can switch kinds of cell on and off and
zoom without blur, and so that a picture is stored once however many networks saw it.
"""

import base64
from dataclasses import dataclass, field

import imagecodecs
import numpy as np
import pandas as pd
from scipy import ndimage
from skimage import measure, transform

from brightcell.io.rasterize import shaded
from brightcell.metrics.matching import match_cells
from brightcell.metrics.objects import merged_pairs, split_pairs
from brightcell.preprocessing.normalisation import normalise

PICTURE_SIDE_PX = 512
SMALLEST_CELL_PX = 28  # on a picture, across: below it outlines run into one another
STEPS_PER_PX = 4  # of the paths' whole numbers
KINDS = {
    "found": "predicted cells that meet a true one with IoU of at least 0.5",
    "missed": "true cells without such a partner",
    "false": "predicted cells without such a partner",
    "split": "the predicted parts of a true cell that fell into two or more",
    "merged": "predicted cells that hold two or more true ones",
}
"""kind → what it is. A cell is of one kind: a split or merged one is not missed or false as well."""


@dataclass
class GalleryFrame:
    """One test frame to show: `image` (height, width[, channels]), truth and predictions as labels."""

    rank: str  # "worst", "median", "best" or "disputed"
    scheme: str
    sample: str
    group: str
    image: np.ndarray
    truth: np.ndarray
    predictions: dict[str, np.ndarray] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    run: str = ""
    instances: bool = True


def choose_frames(scores: pd.DataFrame, number: int) -> list[tuple[str, str]]:
    """Choose (rank, sample) of the worst, median, best and most disputed test frames, a quarter each.

    Ranked by cell IoU, averaged over networks and runs; disputed are frames of which one network makes
    much more than another, and which are not among the others. One network has no disputes.

    >>> table = pd.DataFrame({"sample": list("abcde"), "cell_iou": [0.5, 0.9, 0.7, 0.6, 0.8]})
    >>> choose_frames(table.assign(network="simple"), 3)
    [('worst', 'a'), ('median', 'c'), ('best', 'b')]
    """
    by_network = scores.groupby(["sample", "network"])["cell_iou"].mean().unstack()
    means = by_network.mean(axis=1).dropna().sort_values(kind="stable")
    names = means.index.tolist()
    disputed = 0 if by_network.shape[1] < 2 else min(number // 4, max(0, len(names) - 3))
    chosen = _ranked(names, number - disputed)
    spread = (by_network.max(axis=1) - by_network.min(axis=1)).drop([name for _, name in chosen]).dropna()
    apart = spread.sort_values(ascending=False, kind="stable").index[:disputed]
    return [*chosen, *(("disputed", name) for name in apart)]


def _ranked(names: list[str], number: int) -> list[tuple[str, str]]:
    """Choose `number` of some names in order, a third each from the start, the middle and the end, with their ranks."""
    if len(names) <= number:
        last = len(names) - 1
        return [
            ("worst" if index == 0 else "best" if index == last else "median", name)
            for index, name in enumerate(names)
        ]
    low, high = (number + 2) // 3, (number + 1) // 3
    middle = number - low - high
    start = (len(names) - middle) // 2
    start = min(max(start, low), len(names) - high - middle)
    ranked = (names[:low], names[start : start + middle], names[len(names) - high :])
    return [
        (rank, name) for rank, part in zip(("worst", "median", "best"), ranked, strict=True) for name in part
    ]


def wrong_window(truth: np.ndarray, predictions: list[np.ndarray]) -> tuple[slice, slice]:
    """Choose the part of a frame to show: the whole of it, or where the networks err most.

    A part is a square, chosen where the median cell of `truth` (labels) would be less than
    SMALLEST_CELL_PX across on a picture of the whole frame.
    """
    height, width = truth.shape
    areas = np.unique(truth[truth > 0], return_counts=True)[1]
    across = 2 * np.sqrt(np.median(areas) / np.pi) if areas.size else np.inf
    side = min(PICTURE_SIDE_PX * max(1.0, across / SMALLEST_CELL_PX), max(height, width))
    side = int(side) if side >= max(height, width) else min(int(side), height, width)
    if side >= max(height, width):
        return slice(0, height), slice(0, width)
    wrong = np.zeros(truth.shape, np.float32)
    for predicted in predictions:
        wrong += ((predicted > 0) != (truth > 0)) & (truth >= 0)
    sums = np.pad(wrong, ((1, 0), (1, 0))).astype(np.float64).cumsum(0).cumsum(1)
    within = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    top, left = np.unravel_index(int(within.argmax()), within.shape)
    return slice(int(top), int(top) + side), slice(int(left), int(left) + side)


def sort_cells(truth: np.ndarray, predicted: np.ndarray) -> dict[str, list[int]]:
    """Sort the cells of a prediction, and the missed ones of the truth, into the kinds of `KINDS`.

    Gives the ids of labels (height, width): of the truth for `missed`, of the prediction for the others.
    Split and merged cells are those of `objects.split_pairs` and `objects.merged_pairs`.

    >>> sort_cells(np.array([[1, 1, 1, 0, 2]]), np.array([[3, 3, 0, 4, 0]]))
    {'found': [3], 'missed': [2], 'false': [4], 'split': [], 'merged': []}
    """
    cells = match_cells(truth, predicted)
    (met_truth, met), (split_truth, parts), (swallowed, merged) = (
        (set(cells.row[pairs]), set(cells.column[pairs]))
        for pairs in (cells.matched(0.5), split_pairs(cells), merged_pairs(cells))
    )
    found = met - merged - parts
    missed = set(range(len(cells.truth_ids))) - met_truth - split_truth - swallowed
    false = set(range(len(cells.predicted_ids))) - met - merged - parts
    kinds = {"found": found, "missed": missed, "false": false, "split": parts - merged, "merged": merged}
    return {
        kind: (cells.truth_ids if kind == "missed" else cells.predicted_ids)[sorted(places)].tolist()
        for kind, places in kinds.items()
    }


def outline_path(labels: np.ndarray, ids: list[int] | None = None) -> str:
    """Draw the outlines of the cells of a label image (height, width) as one SVG path.

    Lengths are in steps of 1 / STEPS_PER_PX px from the image's corner; the path is smoothed by less than
    a pixel. `ids` chooses cells.

    >>> outline_path(np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]]))
    'M6 8l-2 -2l2 -2l2 2z'
    """
    return "".join(outline_paths(labels, ids).values())


def outline_paths(labels: np.ndarray, ids: list[int] | None = None) -> dict[int, str]:
    """Draw the outline of each cell of a label image as a path of its own, see `outline_path`; by its number."""
    # numbered from 1 without gaps: the boxes of a label image are a list as long as its largest number
    values, numbered = np.unique(np.pad(labels, 1), return_inverse=True)
    wanted = set(values.tolist()) if ids is None else set(ids)
    paths = {}
    for number, box in enumerate(ndimage.find_objects(numbered), start=1):
        if values[number] not in wanted:
            continue
        rows, columns = (slice(side.start - 1, side.stop + 1) for side in box)
        contours = measure.find_contours((numbered[rows, columns] == number).astype(float), 0.5)
        # contours count from pixel centres, paths from the corner; the padding moves both by one
        corner = np.array([rows.start - 0.5, columns.start - 0.5])
        paths[int(values[number])] = "".join(_path(contour[:-1] + corner) for contour in contours)
    return paths


def _path(points: np.ndarray) -> str:
    """Write a closed contour of (row, column) in px as a path of relative moves, three points in one."""
    if len(points) > 12:
        points = points[: len(points) // 3 * 3].reshape(-1, 3, 2).mean(1)
    steps = np.round(points * STEPS_PER_PX).astype(int)[:, ::-1]
    moves = np.diff(steps, axis=0)
    moves = moves[moves.any(axis=1)].tolist()
    return f"M{steps[0, 0]} {steps[0, 1]}" + "".join(f"l{x} {y}" for x, y in moves) + "z"


def encode_picture(image: np.ndarray, window: tuple[slice, slice]) -> str:
    """Encode the window of a frame (height, width[, channels]) as a JPEG for an `<image href>`.

    Grey unless it has three channels that differ; at most PICTURE_SIDE_PX a side.
    """
    grey = normalise(np.atleast_3d(image))[window]
    if grey.shape[-1] != 3 or (np.ptp(grey, axis=-1) < 1e-3).all():
        grey = grey.mean(-1, keepdims=True)
    # brighter than black and darker than white, so that every outline shows
    picture = 20 + 205 * np.clip(grey, 0, 1)
    factor = PICTURE_SIDE_PX / max(grey.shape[:2])
    if factor < 1:
        size = [max(1, round(side * factor)) for side in grey.shape[:2]]
        picture = transform.resize(picture, (*size, grey.shape[-1]), order=1, anti_aliasing=True)
    pixels = np.ascontiguousarray(
        np.squeeze(picture.round().astype(np.uint8), axis=-1 if grey.shape[-1] == 1 else ())
    )
    encoded = imagecodecs.jpeg8_encode(pixels, level=80)
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")


def draw_frame(frame: GalleryFrame, networks: list[str]) -> dict:
    """Draw what the page shows of a frame: picture, outlines of the truth and, by network, of each kind.

    Of binary masks `missed` and `false` are areas of pixels, and their numbers count pixels.
    """
    names = [name for name in networks if name in frame.predictions]
    window = wrong_window(frame.truth, [frame.predictions[name] for name in names])
    ignored, truth = frame.truth < 0, np.maximum(frame.truth[window], 0)
    height, width = truth.shape
    seen = {}
    for name in names:
        predicted = frame.predictions[name]
        if frame.instances:
            kinds = sort_cells(frame.truth, predicted)
            shown = {"missed": np.unique(truth).tolist(), "": np.unique(predicted[window]).tolist()}
            kinds = {
                kind: [number for number in ids if number in set(shown["missed" if kind == "missed" else ""])]
                for kind, ids in kinds.items()
            }
            paths = {
                kind: outline_path(truth if kind == "missed" else predicted[window], ids)
                for kind, ids in kinds.items()
            }
            counts = {kind: len(ids) for kind, ids in kinds.items()}
        else:
            here = predicted[window] > 0
            areas = {"missed": (truth > 0) & ~here, "false": here & (truth == 0) & ~ignored[window]}
            paths = {"found": outline_path(here.astype(np.int32))}
            paths |= {kind: outline_path(area.astype(np.int32)) for kind, area in areas.items()}
            counts = {kind: int(area.sum()) for kind, area in areas.items()}
        score = frame.scores.get(name, np.nan)
        seen[name] = {"score": None if np.isnan(score) else float(score), "counts": counts, "paths": paths}
    return {
        "rank": frame.rank,
        "scheme": frame.scheme,
        "sample": frame.sample,
        "group": frame.group,
        "run": frame.run,
        "instances": frame.instances,
        "part": None if truth.shape == frame.truth.shape else [width, height, *frame.truth.shape[::-1]],
        "width": width * STEPS_PER_PX,
        "height": height * STEPS_PER_PX,
        "image": encode_picture(shaded(frame.image, ignored), window),
        "truth": outline_path(truth),
        "networks": seen,
    }
