"""The page of films: what it says of growth and of conditions, what it draws, and films in which little can be seen."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from films_made import make

from brightcell import files
from brightcell.report import film_charts
from brightcell.report.styles import network_styles


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return make(tmp_path_factory.mktemp("films"), cells=60, frames=61)


def charts_of(page):
    return json.loads(
        re.search(r'<script type="application/json" id="charts">(.*?)</script>', page.read_text(), re.S)[1]
    )


def words(page):
    return " ".join(re.sub(r"<script.*?</script>|<[^>]+>", " ", page.read_text(), flags=re.S).split())


def test_the_page_says_how_fast_cells_double_and_which_condition_is_faster(page):
    """Controls double in 12 h, with the drug in 24 h."""
    summary = files.read_table(page.with_name("conditions.tsv")).set_index(["condition", "measure"])
    for condition, hours in (("control", 12), ("10 µM drug", 24)):
        row = summary.loc[condition, "doubling"]
        assert row["low"] < hours < row["high"]
        assert row["replicates"] == 4 and row["recordings"] == 8
    said = words(page)
    assert "control: cells double in" in said
    assert "control grows faster than 10 µM drug" in said
    assert "corrected for 1 pair" in said


def test_every_number_has_its_unit(page):
    said = words(page)
    for title in (
        "Doubling time, h",
        "Speed, µm/h",
        "Area of a cell, µm²",
        "Confluence at the end, %",
        "doublings/day",
    ):
        assert title in said, title
    for place, chart in charts_of(page).items():
        layouts = [
            {**chart["base"].get("layout", {}), **each.get("layout", {})}
            for each in chart["choices"].values()
        ]
        titles = json.dumps([chart["base"], *layouts], ensure_ascii=False)
        assert re.search(r"µm|px|, h|%|/day|Cells", titles), place


def test_the_tables_hold_what_the_page_shows(page):
    recordings = files.read_table(page.with_name("recordings.tsv"))
    assert recordings["recording"].nunique() == 16
    speeds = recordings[recordings["measure"] == "speed"].set_index("recording")["value"]
    assert speeds["B02_f1"] == pytest.approx(4.5)
    assert speeds["B05_f1"] == pytest.approx(2.25)
    differences = files.read_table(page.with_name("differences.tsv")).set_index("measure")
    assert differences.loc["speed", "difference"] == pytest.approx(2.25)
    assert differences.loc["growth", "p_holm"] < 0.05


def test_charts_hold_the_measured_values(page):
    drawn = charts_of(page)
    assert {
        "course-cells",
        "course-confluence",
        "course-area",
        "course-speed",
        "measure",
        "plate-",
        "tree",
    } == set(drawn)
    assert len(drawn["tree"]["choices"]) == 16


def test_a_plate_shows_each_well_in_its_place():
    repeated = pd.DataFrame({"condition": "x", "replicate": ["B02", "C11"], "value": [1.0, 2.0]})
    drawn = film_charts.plate_chart(repeated, ["B02", "C11"], "Speed", "µm/h")["data"][0]
    assert (len(drawn["y"]), len(drawn["x"])) == (8, 12)
    assert drawn["z"][1][1] == 1 and drawn["z"][2][10] == 2
    assert np.isfinite(np.array(drawn["z"])).sum() == 2


def test_a_tree_forks_where_its_cell_divides():
    lineages = pd.DataFrame(
        {
            "track": [1, 2, 3], "parent": [0, 1, 1], "family": 1, "first_frame": [0, 5, 5],
            "life_frames": [5, 4, 2], "ends": ["division", "film", "lost"],
        }
    )  # fmt: skip
    lines, lost = film_charts.trees_chart(lineages, 0.5, "dish", "time, h")["data"]
    segments = list(zip(lines["x"][::3], lines["x"][1::3], lines["y"][::3], lines["y"][1::3], strict=True))
    assert (0, 2.5, 0.5, 0.5) in segments
    assert (2.5, 2.5, 0, 1) in segments
    assert {(2.5, 4.5, 0, 0), (2.5, 3.5, 1, 1)} < set(segments)
    assert (lost["x"], lost["y"]) == ([3.5], [1])


def test_many_recordings_are_drawn_as_means_alone():
    courses = {f"r{n}": pd.DataFrame({"frame": range(500), "cells": 10.0 + n}) for n in range(100)}
    styles = network_styles(["a"])
    drawn = film_charts.course_chart(
        courses, dict.fromkeys(courses, "a"), "cells", styles, "Cells", "frame", "frame"
    )
    (mean,) = drawn["data"]
    assert len(mean["x"]) == film_charts.MOST_POINTS
    assert mean["y"] == pytest.approx([59.5] * 100)


def test_a_single_recording_without_condition_well_interval_and_growth_has_a_page(tmp_path):
    page = make(tmp_path, {"": ""}, interval_min=None, frames=5, cells=3)
    said = words(page)
    assert "Growth cannot be seen: fewer than 6 frames with cells." in said
    assert "Area of a cell, µm²" in said and "Speed, px/frame" in said
    assert "plate-" not in charts_of(page)


def test_conditions_with_one_recording_each_are_not_compared(tmp_path):
    page = make(tmp_path, {"B02": "a", "B03": "b"}, cells=40)
    assert "Whether conditions differ cannot be said" in words(page)
    assert "no difference" not in words(page).lower()


def test_names_from_the_sheet_are_text(tmp_path):
    page = make(tmp_path, {"B02": "<script>hacked=1</script>", "B03": "b"})
    assert "<script>hacked" not in page.read_text()
    assert "&lt;script&gt;hacked=1&lt;/script&gt;: cells" in page.read_text()
