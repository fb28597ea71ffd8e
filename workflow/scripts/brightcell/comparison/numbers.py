"""Write scores as a reader wants them, alike in tables and sentences."""

import numpy as np

from brightcell.metrics.registry import METRICS

# Of a score between 0 and 1 the third decimal is a tenth of the usual margin, 0.01. Pixels, micrometres and cells
# have one: seeds and frames differ by more than a tenth of a pixel.
DECIMALS, DECIMALS_WITH_UNIT = 3, 1


def show(value: float | None, score: str = "") -> str:
    """Write a value of a score, one of `METRICS`, without its unit; any other number has three decimals, none is –.

    >>> show(0.81234), show(float("nan")), show(-0.02), show(-0.0001), show(2.26, "hd95_px")
    ('0.812', '–', '−0.020', '0.000', '2.3')
    """
    if value is None or not np.isfinite(value):
        return "–"
    decimals = DECIMALS_WITH_UNIT if score in METRICS and METRICS[score].unit else DECIMALS
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")  # + 0.0: no "−0.000"


def show_signed(value: float | None, score: str = "") -> str:
    """Write a difference with its sign.

    >>> show_signed(0.0213), show_signed(-0.0213)
    ('+0.021', '−0.021')
    """
    shown = show(value, score)
    return f"+{shown}" if value is not None and value > 0 and float(shown) else shown


def show_interval(low: float | None, high: float | None, score: str = "") -> str:
    """Write an interval; nothing where an end is missing.

    >>> show_interval(-0.0213, 0.5), show_interval(float("nan"), float("nan"))
    ('−0.021 to 0.500', '')
    """
    shown = show(low, score), show(high, score)
    return "" if "–" in shown else " to ".join(shown)
