"""Draw docs/pictures/scores.svg, a truth and a prediction with an error of each kind, and print their scores.

python docs/pictures/scores.py
"""

import sys
from pathlib import Path

import numpy as np
from skimage.measure import find_contours

sys.path.insert(0, str(Path(__file__).parents[2] / "workflow" / "scripts"))

from brightcell.metrics.matching import match_cells
from brightcell.metrics.registry import METRICS, boundary_scores, instance_scores, pixel_scores
from brightcell.metrics.scoring import list_cells

HEIGHT, WIDTH = 150, 260
PICTURE = Path(__file__).with_suffix(".svg")
TRUE = 'fill="#0072B2" fill-opacity="0.35" stroke="#0072B2"'
DASHED = 'fill="none" stroke="#0072B2" stroke-dasharray="3 2"'
PREDICTED = 'fill="#E69F00" fill-opacity="0.45" stroke="#B36B00"'
SHOWN = (
    *("cell_iou", "cell_dice", "background_iou", "surface_dice_1px", "hd95_px"),
    *("ap50", "ap70", "mean_ap", "f1_50", "pq", "sq", "seg", "det"),
    *("splits", "merges", "count_error", "count_bias", "area_error"),
)


def disc(row: float, column: float, radius: float) -> np.ndarray:
    """A round cell, bool (HEIGHT, WIDTH)."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    return (rows - row) ** 2 + (columns - column) ** 2 < (radius + 0.5) ** 2


def draw_labels() -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction, int32 (HEIGHT, WIDTH): six cells each, of which two agree."""
    truth, predicted = np.zeros((2, HEIGHT, WIDTH), np.int32)
    left = np.arange(WIDTH) < 112
    found, cut, split = disc(42, 36, 24), disc(112, 2, 24), disc(42, 112, 26)
    first, second, missed = disc(42, 186, 20), disc(42, 222, 20), disc(112, 100, 22)
    for number, cell in enumerate((found, cut, split, first, second & ~first, missed), start=1):
        truth[cell] = number
    shifted = disc(45, 39, 24), disc(113, 4, 25), split & left, split & ~left
    for number, cell in enumerate((*shifted, first | second, disc(112, 190, 14)), start=1):
        predicted[cell] = number
    return truth, predicted


def outcomes() -> tuple[tuple[int, int, str], ...]:
    """What became of the cells: row, column, words."""
    iou = list_cells(match_cells(*draw_labels()))["iou"]
    return (
        (84, 36, f"found, IoU {iou[0]:.2f}"),
        (146, 32, f"at the edge, {iou[1]:.2f}"),
        (84, 112, f"split, {iou[2]:.2f}"),
        (84, 204, f"merged, {iou[3]:.2f}"),
        (146, 100, "missed"),
        (146, 190, "invented"),
    )


def outlines(labels: np.ndarray, style: str) -> str:
    """The cells of a label image as SVG polygons."""
    polygons = []
    for number in range(1, labels.max() + 1):
        contour = find_contours(np.pad(labels == number, 1).astype(float), 0.5)[0] - 1
        points = " ".join(f"{column + 0.5:.1f},{row + 0.5:.1f}" for row, column in contour)
        polygons.append(f'<polygon points="{points}" {style}/>')
    return "\n".join(polygons)


def panel(title: str, left: int, *drawn: str, words: tuple[tuple[int, int, str], ...] = ()) -> str:
    """One image with its title and words."""
    texts = "\n".join(
        f'<text x="{column}" y="{row}" text-anchor="middle" font-size="8">{word}</text>'
        for row, column, word in words
    )
    cells = "\n".join(drawn)
    return (
        f'<g transform="translate({left} 22)">\n<text x="0" y="-8" font-size="11">{title}</text>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#f6f6f6" stroke="#888"/>\n'
        f'<svg width="{WIDTH}" height="{HEIGHT}">{cells}</svg>\n{texts}\n</g>'
    )


def picture() -> str:
    """The SVG."""
    truth, predicted = draw_labels()
    width, height = 2 * WIDTH + 40, HEIGHT + 34
    size = f'viewBox="0 0 {width} {height}" width="{2 * width}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" role="img">',
            "<title>A cell found, one cut by the edge, one split, two merged, one missed, one invented</title>",
            '<rect width="100%" height="100%" fill="white"/>',
            panel("truth: six cells", 10, outlines(truth, TRUE)),
            panel(
                "prediction: six cells (dashed: truth)",
                WIDTH + 30,
                outlines(predicted, PREDICTED),
                outlines(truth, DASHED),
                words=outcomes(),
            ),
            "</svg>",
            "",
        ]
    )


def table() -> str:
    """The scores of the picture in Markdown."""
    truth, predicted = draw_labels()
    scores = pixel_scores(truth, predicted) | boundary_scores(truth, predicted)
    scores |= instance_scores(truth, predicted)
    lines = ["| score | value |", "|---|---:|"]
    for name in SHOWN:
        unit = METRICS[name].unit
        value = scores[name] if isinstance(scores[name], int) else f"{scores[name]:.2f}"
        lines.append(f"| {METRICS[name].title} | {value}{unit and ' ' + unit} |")
    return "\n".join(lines)


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    print(table())
