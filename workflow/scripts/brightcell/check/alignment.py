"""Say how well a mask lies on the structures of its image, and where it would lie better.

Cells have more local contrast than the background in bright field and in phase contrast alike. So the map of local
contrast is correlated with the mask over all shifts up to a quarter of the frame, by Fourier transforms; the best
shift of a right mask is zero.
"""

from typing import NamedTuple

import numpy as np
from scipy import fft, ndimage

from .frames import TURNS, block_mean, grey

SIDE = 512  # frames are reduced to at most this, so that any frame costs 0.1 s
WINDOW_PX = 2  # of the local contrast, in reduced pixels
BACKGROUND_PX = 121  # side of the window whose mean is taken for uneven light, in reduced pixels
SIGNIFICANT = 4  # correlations above this many standard deviations of chance are believed, and
LEAST = 0.3  # above this: a dense layer of cells has hardly any background to compare with
FARTHER_PX = 2  # a shift is larger than this, in reduced pixels


class Fit(NamedTuple):
    """Correlations (−1 to 1) of mask and local contrast.

    here: where the mask lies; best: at the best shift; rows, columns: that shift in px; turned: of the best turn;
    turn: its name; chance: standard deviation of the correlation of things that have nothing to do with each other.
    """

    here: float
    best: float
    rows: int
    columns: int
    turned: float
    turn: str
    chance: float


def measure_fit(image: np.ndarray, labels: np.ndarray) -> Fit | None:
    """Correlate a frame (height, width[, channels]) with its labels (height, width); None where one is even."""
    size = max(1, -(-max(labels.shape) // SIDE))
    reduced = grey(block_mean(image, size))
    foreground = block_mean(labels > 0, size)
    if min(reduced.shape) < 16 or foreground.min() == foreground.max() or reduced.min() == reduced.max():
        return None
    contrast, mask = _standard(_local_contrast(reduced)), _standard(_smooth(foreground))
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
    turn = max(turns, key=turns.get)
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
    """Say what a fit means, in words by the finding's name; `frame_px` is the frame's longer side in px."""
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


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(values.std(), 1e-12)


def _chord(foreground: np.ndarray) -> float:
    """Return the mean length of rows' runs within cells or between them, whichever is shorter, in px."""
    changes = np.count_nonzero(foreground[:, 1:] != foreground[:, :-1])
    share = foreground.mean()
    return max(WINDOW_PX, 2 * foreground.size * min(share, 1 - share) / max(changes, 1))
