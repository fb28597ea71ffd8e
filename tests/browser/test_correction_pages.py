"""The pages of suggested crops and of retrained networks in a real browser: whoever opens them can read them."""

import looks
import numpy as np
import pandas as pd
import pytest
from segmented import TEMPLATES
from window import open_file

from brightcell.annotation import changes, retraining
from brightcell.report import retrained, suggestions

HOSTILE = "<img src=x onerror=\"window.hacked='name'\">"


def page_of_suggestions() -> str:
    labels = np.kron([[0, 0, 0, 0], [0, 1, 2, 0], [0, 0, 3, 0]], np.ones((20, 20), int))
    image = np.random.default_rng(1).integers(0, 255, (60, 80, 1)).astype(np.uint8)
    rows = [
        {
            "order": number,
            "crop": f"{HOSTILE}_{number}",
            "recording": HOSTILE,
            "frame": number,
            "cells": 3,
            "reason": "doubt",
        }
        for number in range(1, 8)
    ]
    shown = {row["crop"]: suggestions.draw(image, labels, np.s_[10:50, 10:70]) for row in rows}
    return suggestions.build(pd.DataFrame(rows), shown, 20, [TEMPLATES / "suggest", TEMPLATES / "page"])


def page_of_retrained() -> str:
    row = {"network": "residual_attention", "score": "ap50", "before": 0.5, "after": 0.6, "difference": 0.1}
    row |= {
        "low": 0.05,
        "high": 0.15,
        "groups": 8,
        "seeds": 2,
        "groups_needed_low": 6,
        "decides": True,
        "not_worse": True,
    }
    judged = pd.DataFrame([row])[list(retraining.COLUMNS)]
    changed = changes.changes(np.array([[1, 1, 0]]), np.array([[1, 1, 2]]))
    crops = pd.DataFrame(
        [{"crop": f"{HOSTILE}_{number}", "recording": HOSTILE, **changed} for number in range(3)]
    )
    said = retraining.sentences(judged, 0.01)
    return retrained.build(judged, said, crops, 0.01, [TEMPLATES / "retrained", TEMPLATES / "page"])


@pytest.fixture(scope="module", params=[page_of_suggestions, page_of_retrained], ids=["suggest", "retrained"])
def tab(request, browser, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(request.param(), encoding="utf-8")
    return open_file(browser, path)


@pytest.mark.parametrize(("width", "scheme"), [("screen", "light"), ("screen", "dark"), ("phone", "light")])
def test_all_can_read_it(tab, width, scheme):
    tab.show(width, scheme)
    assert tab.violations() == []
    assert looks.sticking_out(tab.page) == []
    assert tab.problems == []
    assert tab.asked == []


def test_names_that_try_to_run_are_text(tab):
    assert tab.page.evaluate("window.hacked") is None
    assert tab.page.locator("img").count() == 0
    assert HOSTILE in tab.page.locator("main").inner_text()


@pytest.mark.parametrize("tab", [page_of_suggestions], indirect=True, ids=["suggest"], scope="module")
def test_predicted_cells_are_hidden_and_shown(tab):
    box, outline = tab.page.locator("#outlines"), tab.page.locator(".outline").first
    assert outline.is_visible()
    box.uncheck()
    assert not outline.is_visible()
    box.check()
    assert outline.is_visible()
