"""Measure how well a mask lies on the structures of its image, and where it would fit better.

In bright field and in phase contrast, cells have more local contrast than the background. The map of local contrast is
therefore correlated with the mask over all shifts up to a quarter of the frame, by Fourier transforms; for a correct
mask the best shift is zero.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from .frames import TURNS, block_mean, grey

SIDE = 512  # larger frames are reduced to this, so that any frame takes 0.1 s
WINDOW_PX = 2  # of the local contrast, in reduced pixels
BACKGROUND_PX = 121  # side of the window whose mean is subtracted as uneven light, in reduced pixels
SIGNIFICANT = 4  # a correlation counts above this many standard deviations of chance, and
LEAST = 0.3  # above this: a dense layer of cells has hardly any background to compare with
FARTHER_PX = 2  # a shift counts above this, in reduced pixels


class Fit(NamedTuple):
    """Correlations (−1 to 1) of mask and local contrast.

    here: of the mask as it is; best: at the best shift; rows, columns: that shift in px; turned: of the best turn;
    turn: its name; chance: standard deviation of the correlation between unrelated pictures.
    """

    here: float
    best: float
    rows: int
    columns: int
    turned: float
    turn: str
    chance: float


def measure_fit(image: np.ndarray, labels: np.ndarray) -> Fit | None:
    """Correlate a frame (height, width[, channels]) with its labels (height, width); None if either is uniform.

    Pixels with labels below 0 do not count.
    """
    size = max(1, -(-max(labels.shape) // SIDE))
    reduced = grey(block_mean(image, size))
    foreground = block_mean(labels > 0, size)
    if min(reduced.shape) < 16 or foreground.min() == foreground.max() or reduced.min() == reduced.max():
        return None
    counted = block_mean(labels < 0, size) < 0.5
    contrast, mask = (_standard(each, counted) for each in (_local_contrast(reduced), _smooth(foreground)))
    shape = [fft.next_fast_len(2 * length, real=True) for length in mask.shape]
    spectra = fft.rfft2(contrast, shape) * np.conj(fft.rfft2(mask, shape))
    shifts = [np.r_[0 : length // 4 + 1, -(length // 4) : 0] for length in mask.shape]
    surface = fft.irfft2(spectra, shape)[np.ix_(*shifts)] / mask.size
    row, column = np.unravel_index(surface.argmax(), surface.shape)
    turns = {
        name: float((contrast * turn(mask)).mean())
        for name, turn in TURNS.items()
        if name and turn(mask).shape == mask.shape
    }
    turn = max(turns, key=lambda name: turns[name])
    return Fit(
        float(surface[0, 0]),
        float(surface[row, column]),
        int(shifts[0][row]) * size,
        int(shifts[1][column]) * size,
        turns[turn],
        turn,
        _chord(foreground > 0.5) / np.sqrt(mask.size),
    )


def fit_findings(fit: Fit | None, frame_px: int) -> dict[str, str]:
    """Return the findings that a fit means, in words by name; `frame_px` is the frame's longer side in px."""
    if fit is None:
        return {}
    believed = max(LEAST, SIGNIFICANT * fit.chance)
    shift = float(np.hypot(fit.rows, fit.columns))
    if -fit.here > max(believed, fit.best, fit.turned):
        return {"inverted": f"the image has its structures where the mask is 0 (correlation {fit.here:.2f})"}
    if fit.turned > max(believed, 2 * fit.here, fit.best + fit.chance):
        return {"turned": f"the mask fits {fit.turn} (correlation {fit.turned:.2f}; as it is {fit.here:.2f})"}
    if fit.best > believed and shift > FARTHER_PX * max(1, -(-frame_px // SIDE)):
        text = (
            f"the mask fits best when moved by {_way(fit.rows, 'down', 'up')} and "
            f"{_way(fit.columns, 'right', 'left')} (correlation {fit.best:.2f}; as it is {fit.here:.2f})"
        )
        if fit.here < 0.5 * fit.best:
            return {"shifted": text}
        if fit.here < 0.93 * fit.best:
            return {"offset": text}
    return {}


def _way(pixels: int, ahead: str, back: str) -> str:
    return f"{abs(pixels)} px {ahead if pixels >= 0 else back}"


def _local_contrast(image: np.ndarray) -> np.ndarray:
    """Return the logarithm of the local standard deviation of a grey frame."""
    image = image - image.mean(dtype=np.float64)
    mean, square = (ndimage.gaussian_filter(values, WINDOW_PX) for values in (image, image * image))
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return _level(np.log(spread + 1e-3 * image.std() + 1e-12))


def _smooth(foreground: np.ndarray) -> np.ndarray:
    return _level(ndimage.gaussian_filter(foreground, WINDOW_PX))


def _level(values: np.ndarray) -> np.ndarray:
    return values - ndimage.uniform_filter(values, BACKGROUND_PX)


def _standard(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Subtract the mean and divide by the standard deviation of the pixels that count; 0 elsewhere."""
    if not counted.any():
        return np.zeros_like(values)
    values = np.where(counted, values - values[counted].mean(), 0)
    return values / max(float(np.sqrt(np.mean(values**2))), 1e-12)


def _chord(foreground: np.ndarray) -> float:
    """Return the mean length of the rows' runs inside cells or between them, whichever is shorter, in px."""
    changes = np.count_nonzero(foreground[:, 1:] != foreground[:, :-1])
    share = foreground.mean()
    return max(WINDOW_PX, 2 * foreground.size * min(share, 1 - share) / max(changes, 1))
