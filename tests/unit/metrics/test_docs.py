import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from brightcell.metrics.matching import match_cells
from brightcell.metrics.registry import METRICS, instance_scores
from brightcell.metrics.scoring import list_cells

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def drawing():
    """docs/pictures/scores.py."""
    spec = importlib.util.spec_from_file_location("drawing", DOCS / "pictures" / "scores.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_score_is_explained():
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert set(METRICS) - named - {name for name in METRICS if name.endswith("_pooled")} == set()


def test_the_picture_and_its_scores_are_those_of_the_script(drawing):
    assert drawing.table() in PAGE
    assert drawing.PICTURE.read_text(encoding="utf-8") == drawing.picture()


def test_what_the_page_says_of_the_picture(drawing):
    scores = instance_scores(*drawing.draw_labels())
    assert (scores["tp50"], scores["tp70"], scores["det_cost"]) == (4, 2, 17)
    table = list_cells(match_cells(*drawing.draw_labels()))
    assert (table["truth"] > 0).sum() == (table["predicted"] > 0).sum() == 6


def test_how_fast_small_cells_lose_iou():
    rows, columns = np.ogrid[-30:31, -30:31]
    distance = np.hypot(rows, columns)
    for radius, iou in ((20, 0.9), (5, 0.6)):
        cells = match_cells((distance <= radius).astype(int), (distance <= radius - 1).astype(int))
        assert cells.iou.tolist() == pytest.approx([iou], abs=0.05)
        assert f"radius {radius} an IoU of {iou}" in re.sub(r"\s+", " ", PAGE)
