"""Find frames that are cut out of other frames, by matching small pictures of them as templates at many scales.

A coarse picture of every frame is correlated with those of all others (normalised cross-correlation by Fourier transforms; Lewis,
Fast normalized cross-correlation, 1995). What fits there is looked at again, finer.
"""

import logging
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import fft, ndimage
from skimage import transform

from .duplicates import place
from .findings import finding_row
from .frames import block_mean, grey

logger = logging.getLogger("brightcell")

FINE, COARSE = 288, 96  # px of the longest side of a picture
# Longest sides of templates in the coarse picture, px: a side of a part may be 0.26 to 0.97 of that of the whole frame.
SIDES = (*range(93, 40, -3), 38, 35, 32, 29, 27, 25)
LEAST_SIDE = 16  # px of the shorter side
ROUGHLY, PART, SAME = (
    0.5,
    0.7,
    0.78,
)  # correlations: to be looked at again; that are reported; of the same picture
LIGHT = 4  # px, coarse: structures much wider than this are light, not cells
MOST_COMPARISONS = 300_000  # of a template at a scale with a frame: about a minute
MOST_KEPT = 48  # shapes of templates whose surroundings are kept in memory
REFINED = range(-6, 7)  # px, of the longest side of a template in the fine picture


class Part(NamedTuple):
    """A frame that is part of another: their positions in the table, the share of its sides, and the correlation."""

    part: int
    whole: int
    scale: float
    correlation: float


def chosen_frames(samples: pd.DataFrame) -> list[str]:
    """Return the samples to compare: all, or as many, evenly spaced over the table, as there is time for."""
    most = int(np.sqrt(MOST_COMPARISONS / len(SIDES)))
    places = np.unique(np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int))
    return samples["sample"].iloc[places].tolist()


def crop_findings(
    samples: pd.DataFrame, pictures: dict[str, np.ndarray], alike: Sequence[dict] = ()
) -> list[dict]:
    """Look for frames that show a part of a frame in another group or split.

    samples : see `duplicates.repeat_findings`; pictures : of the `chosen_frames`, by sample
    alike : findings of equal and similar frames; pairs of groups and splits that are in them are not reported again
    """
    table = samples.set_index("sample")
    home = dict(zip(samples["sample"], samples.groupby(["group", "split"], sort=False).ngroup(), strict=True))
    known = {
        frozenset((home[one], home[other]))
        for row in alike
        for one, other in combinations((row["sample"], *row["others"]), 2)
    }
    names = [name for name in pictures if table.at[name, "image_print"]]
    found = []
    for each in parts([pictures[name] for name in names], [home[name] for name in names]):
        part, whole = names[each.part], names[each.whole]
        if frozenset((home[part], home[whole])) in known:
            continue
        text = (
            f"{place(part, table.loc[part])} shows a part of {place(whole, table.loc[whole])}: {each.scale:.0%} of its sides "
            f"(correlation {each.correlation:.2f})"
        )
        finding = "leakage" if each.correlation >= SAME else "near_duplicate"
        found.append(finding_row(finding, text, part, table.at[part, "group"]) | {"others": [whole]})
    if len(names) < len(samples):
        logger.info("parts of frames were looked for among %d of %d frames", len(names), len(samples))
    return found


def picture(image: np.ndarray) -> np.ndarray:
    """Reduce a frame (height, width[, channels]) to a grey picture, float32, at most FINE px."""
    small = grey(block_mean(image, max(1, max(image.shape[:2]) // (2 * FINE))))
    return _resized(small, FINE / max(small.shape)) if max(small.shape) > FINE else small


def parts(pictures: Sequence[np.ndarray], homes: Sequence[int]) -> list[Part]:
    """Find pictures that show a part of another one of another home (group and split); the best whole for each.

    A part may have been scaled, compressed or made brighter since, but not turned.
    """
    searched = _Searched(pictures, COARSE)
    home = np.asarray(homes)
    found = []
    for part, own in enumerate(pictures):
        best = np.full(len(pictures), -1.0)
        sides = np.zeros(len(pictures), int)
        for side in SIDES:
            template = _template(own, side)
            if min(template.shape) < LEAST_SIDE or not template.any():
                continue
            fits = searched.correlations(template)
            sides[fits > best] = side
            best = np.maximum(best, fits)
        best[home == home[part]] = -1
        fine = [
            Part(part, int(whole), *_refined(own, pictures[whole], sides[whole]))
            for whole in np.argsort(-best)[:3]
            if best[whole] >= ROUGHLY
        ]
        found += sorted(
            (each for each in fine if each.correlation >= PART), key=lambda each: -each.correlation
        )[:1]
    return found


def _refined(own: np.ndarray, whole: np.ndarray, side: int) -> tuple[float, float]:
    """Return the share of the sides and the correlation of a part that fits coarsely with a longest side of `side` px."""
    searched = _Searched([whole], FINE)
    sides = [side * FINE // COARSE + change for change in REFINED]
    fits = [float(searched.correlations(_template(own, each, FINE / COARSE))[0]) for each in sides]
    return sides[int(np.argmax(fits))] / FINE, max(fits)


class _Searched:
    """Pictures brought to one size, in which templates are searched."""

    def __init__(self, pictures: Sequence[np.ndarray], side: int):
        stack = np.zeros((len(pictures), side, side), np.float32)
        for square, each in zip(stack, pictures, strict=True):
            small = _flat(_resized(each, side / max(each.shape)), side / COARSE)
            square[: small.shape[0], : small.shape[1]] = small
        self.side = side
        self.spectra = fft.rfft2(stack)
        padded = np.pad(stack.astype(np.float64), ((0, 0), (1, 0), (1, 0)))
        self.sums = padded.cumsum(1).cumsum(2), (padded**2).cumsum(1).cumsum(2)
        self.spreads: dict[tuple[int, ...], np.ndarray] = {}

    def correlations(self, template: np.ndarray) -> np.ndarray:
        """Return the largest correlation of a template (mean 0, norm 1) with each picture."""
        height, width = template.shape
        if template.shape not in self.spreads:
            if len(self.spreads) >= MOST_KEPT:
                self.spreads.clear()
            total, squares = (
                (each[:, height:, width:] - each[:, :-height, width:] - each[:, height:, :-width])
                + each[:, :-height, :-width]
                for each in self.sums
            )
            variance = squares - total**2 / (height * width)
            flat = variance < 1e-3 * variance.max(axis=(1, 2), keepdims=True) + 1e-9
            self.spreads[template.shape] = np.where(
                flat, np.inf, np.sqrt(np.maximum(variance, 1e-12))
            ).astype(np.float32)
        spectrum = fft.rfft2(template, (self.side, self.side))
        products = fft.irfft2(self.spectra * spectrum.conj(), (self.side, self.side))
        valid = products[:, : self.side - height + 1, : self.side - width + 1]
        return (valid / self.spreads[template.shape]).max(axis=(1, 2))


def _template(own: np.ndarray, side: int, factor: float = 1) -> np.ndarray:
    small = _flat(_resized(own, side / max(own.shape)), factor)
    small = small - small.mean()
    return small / max(float(np.linalg.norm(small)), 1e-12) if small.any() else small


def _flat(small: np.ndarray, factor: float) -> np.ndarray:
    """Remove uneven light, and limit single bright pixels; mean 0."""
    small = small - ndimage.gaussian_filter(small, LIGHT * factor)
    return np.clip(small, *np.percentile(small, [1, 99]))


def _resized(small: np.ndarray, factor: float) -> np.ndarray:
    shape = [max(1, round(length * factor)) for length in small.shape]
    return transform.resize(small, shape, order=1, anti_aliasing=factor < 1).astype(np.float32)
