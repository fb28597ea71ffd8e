"""Published folders as they come: paired, grouped and read; the expected numbers were counted in the files themselves."""

import os
from pathlib import Path

import pytest
from defaults import defaults

from brightcell.io import masks
from brightcell.preprocessing.group import Group
from brightcell.sheets import making
from brightcell.sheets.samples import read_samples, rows_of_group

REAL = Path(os.environ.get("BRIGHTCELL_REAL_DATA", "nowhere"))
MOVIES = "delta/tests/data"


@pytest.mark.skipif(not REAL.is_dir(), reason="BRIGHTCELL_REAL_DATA names no folder")
@pytest.mark.parametrize(
    ("folder", "images", "groups", "cells"),
    [
        (f"{MOVIES}/movie_2D_tif", {}, {"Position01": 4}, 1),
        (f"{MOVIES}/movie_mothermachine_tif", {"mask_type": "pieces"}, {"Position01": 10}, 91),
        ("cellphe_mcf7", {}, {"05062019_B3_3_Phase": 12}, 41),
    ],
)
def test_a_published_folder(tmp_path, folder, images, groups, cells):
    making.make_sheet(REAL / folder, tmp_path / "samples.tsv", tell=lambda line: None)
    table = read_samples(tmp_path / "samples.tsv", check_files=True)
    assert table.groupby("group").size().to_dict() == groups
    group = Group(
        rows_of_group(table, table["group"].iloc[0], {}), defaults("images", **images), defaults("preprocess")
    )
    assert len(list(group.frames())) == len(table)
    first = next(labels for _, labels in group.labels())
    assert len(masks.distinct(first)) - 1 == cells
    assert not group.problems


@pytest.mark.skipif(not REAL.is_dir(), reason="BRIGHTCELL_REAL_DATA names no folder")
def test_yeast_in_panels(tmp_path):
    chosen = {"panels": 5, "plane": [0, 2, 4]}
    making.make_sheet(REAL / "baby_yeast", tmp_path / "samples.tsv", chosen=chosen, tell=lambda line: None)
    table = read_samples(tmp_path / "samples.tsv", check_files=True)
    counts = {}
    for sample in ("evolve_testA", "evolve_testB", "evolve_testC", "evolve_testE"):
        rows = table[table["sample"] == sample].to_dict("records")
        group = Group(rows, defaults("images", **chosen), defaults("preprocess"))
        ((_, frame),) = group.frames()
        ((_, labels),) = group.labels()
        assert frame.shape == (81, 81, 3)
        assert not group.problems
        counts[sample] = len(masks.distinct(labels)) - 1
    assert counts == {"evolve_testA": 2, "evolve_testB": 3, "evolve_testC": 0, "evolve_testE": 4}
