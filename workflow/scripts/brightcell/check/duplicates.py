"""Find frames that are twice in a data set: equal ones by a digest, similar ones by small pictures of them."""

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from scipy import ndimage
from skimage import transform

from brightcell.sheets.names import without_times

from .findings import finding_row
from .frames import TURNS, block_mean, grey

SIDE = 48  # of the small pictures
ALIKE = 0.85  # correlation of the small pictures of frames that show the same cells
SAME = 0.985  # … and of copies that were saved again: compressed, scaled, denoised or with another brightness
SAME_CELLS = 0.8  # Dice coefficient of the masks of such copies
SHOWN = 10  # frames that one finding names
FITTING = 0.3  # correlation of mask and image from which the mask is of this image
BLOCK = 512  # frames compared with all others at once


def pixel_digest(array: np.ndarray) -> str:
    """Return a text that only equal arrays share (BLAKE2, 128 bits)."""
    digest = hashlib.blake2b(f"{array.shape}{array.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def small_picture(image: np.ndarray) -> np.ndarray:
    """Reduce a frame (height, width[, channels]) to a small picture for comparisons, float32 (SIDE, SIDE).

    Uneven light is removed; the mean is 0 and the sum of squares 1, so that the sum of products of two pictures is
    their correlation. A frame without structure becomes 0.
    """
    picture = _small(grey(block_mean(image, max(1, min(image.shape[:2]) // (4 * SIDE)))))
    picture = picture - ndimage.gaussian_filter(picture, SIDE / 12)
    picture = np.clip(picture, *np.percentile(picture, [1, 99]))
    picture = picture - picture.mean()
    return (picture / max(np.linalg.norm(picture), 1e-12)).astype(np.float32)


def small_mask(labels: np.ndarray) -> np.ndarray:
    """Reduce int labels (height, width) to the share of cells in each field, float32 (SIDE, SIDE)."""
    return _small(block_mean(labels > 0, max(1, min(labels.shape) // (4 * SIDE))))


def repeat_findings(samples: pd.DataFrame) -> list[dict]:
    """Look for equal frames and equal masks.

    `samples` has sample, group, split and the digests `image_print` and `mask_print`, "" if the frame is constant or
    the mask empty. An equal frame in another group or split is leakage; so is an equal mask, if it fits (`fit`) all of its
    pictures: the same field.
    """
    found = []
    for _, same in _repeated(samples, "image_print"):
        leaks = same["group"].nunique() > 1 or same["split"].nunique() > 1
        found.append(_repeat("leakage" if leaks else "duplicate", "picture", same))
    for _, same in _repeated(samples, "mask_print"):
        if same["image_print"].nunique() < 2:
            continue
        if same[["group", "split"]].nunique().max() > 1 and "fit" in same and (same["fit"] >= FITTING).all():
            found.append(_repeat("leakage", "mask, which fits all of these pictures, so one field", same))
        else:
            found.append(_repeat("duplicate_mask", "mask", same))
    return found


def name_findings(groups: Iterable[str]) -> list[dict]:
    """Look for groups whose names differ by a time only, such as well3_24h and well3_48h."""
    fields: dict[str, list[str]] = {}
    for group in dict.fromkeys(groups):
        field = without_times(group)
        if field != group:
            fields.setdefault(field, []).append(group)
    return [
        finding_row("same_field", f"by their names one field at {len(same)} times: {_few(same)}", "", same[0])
        for same in fields.values()
        if len(same) > 1
    ]


def _few(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def likeness_findings(samples: pd.DataFrame, pictures: np.ndarray, masks: np.ndarray) -> list[dict]:
    """Look for similar but unequal frames in different groups or splits; one row per pair of groups.

    `samples` as for `repeat_findings`; `pictures` and `masks` (frames, SIDE, SIDE) from `small_picture` and
    `small_mask`. A copy in another group with the same cells is leakage; other similar frames, such as neighbours in a
    time-lapse, are near-duplicates.
    """
    pairs = pd.DataFrame(alike(samples, pictures), columns=["one", "other", "correlation", "turn", "pairs"])
    found = []
    for pair in pairs.itertuples():
        one, other = samples.iloc[pair.one], samples.iloc[pair.other]
        same_cells = _dice(TURNS[pair.turn](masks[pair.one]), masks[pair.other]) >= SAME_CELLS
        copy = one["group"] != other["group"] and pair.correlation >= SAME and same_cells
        turn = f", the first {pair.turn}" if pair.turn else ""
        more = f"; and {pair.pairs - 1:,} more pairs of these groups" if pair.pairs > 1 else ""
        text = f"similar: {place(one['sample'], one)}, {place(other['sample'], other)}{turn} (correlation {pair.correlation:.3f}){more}"
        row = finding_row("leakage" if copy else "near_duplicate", text, one["sample"], one["group"])
        found.append(row | {"others": [other["sample"]]})
    return found


def alike(samples: pd.DataFrame, pictures: np.ndarray) -> list[tuple[int, int, float, str, int]]:
    """Find frames of different groups or splits whose pictures correlate although they are not equal.

    Returns the most similar pair for each two groups (and splits): two positions in the table, the correlation, the
    name of the turn of the first (a key of TURNS), and the number of pairs. Blocks of frames are compared with all
    others at once: 5,000 frames take seconds.
    """
    flat = pictures.reshape(len(pictures), -1)
    image = pd.factorize(samples["image_print"])[0]
    home = samples.groupby(["group", "split"], sort=False).ngroup().to_numpy()
    best: dict[tuple[int, int], tuple] = {}
    for start in range(0, len(flat), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(flat)))
        likeness = np.full((len(rows), len(flat)), -1, np.float32)
        turns = np.zeros(likeness.shape, np.int8)
        for number, turn in enumerate(TURNS.values()):
            product = np.stack([turn(pictures[row]).ravel() for row in rows]) @ flat.T
            turns[product > likeness] = number
            np.maximum(likeness, product, out=likeness)
        wanted = (
            (home[rows, None] != home) & (image[rows, None] != image) & (rows[:, None] < np.arange(len(flat)))
        )
        ones, others = np.nonzero(wanted & (likeness >= ALIKE))
        hits = pd.DataFrame({"one": ones, "other": others, "correlation": likeness[ones, others]})
        homes = [np.minimum(home[rows[ones]], home[others]), np.maximum(home[rows[ones]], home[others])]
        for key, pairs in hits.groupby(homes, sort=False):
            top = pairs.loc[pairs["correlation"].idxmax()]
            one, other = int(top["one"]), int(top["other"])
            known = best.get(key, (0, 0, 0.0, "", 0))
            pair = (start + one, other, float(top["correlation"]), list(TURNS)[turns[one, other]])
            best[key] = (*max(known[:4], pair, key=lambda each: each[2]), known[4] + len(pairs))
    return list(best.values())


def _small(picture: np.ndarray) -> np.ndarray:
    return transform.resize(picture, (SIDE, SIDE), order=1, anti_aliasing=min(picture.shape) > SIDE)


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    """Return the Dice coefficient of two maps of shares; 0 if both are empty."""
    return float(2 * np.minimum(one, other).sum() / max(one.sum() + other.sum(), 1e-12))


def _repeated(samples: pd.DataFrame, column: str) -> Iterator[tuple[str, pd.DataFrame]]:
    known = samples[samples[column] != ""]
    return iter(known[known[column].duplicated(keep=False)].groupby(column, sort=False))


def _repeat(finding: str, what: str, same: pd.DataFrame) -> dict:
    where = [place(row["sample"], row) for _, row in same.iterrows()]
    first = same.iloc[0]
    row = finding_row(finding, f"the same {what}: {_few(where)}", first["sample"], first["group"])
    return row | {"others": list(same["sample"][1:SHOWN])}


def place(sample: str, row: pd.Series) -> str:
    """Return in words where a sample stands."""
    return f"{sample} (group {row['group']}{', ' + row['split'] if row['split'] else ''})"
