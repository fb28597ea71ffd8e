"""Crops to draw: what is chosen of recordings whose doubts are known, and the files that a person works with."""

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from defaults import defaults
from segmented import TEMPLATES, make_recording

import suggest
from brightcell import files
from brightcell.annotation import crops, drawing, folder, held_out
from brightcell.errors import InputError
from brightcell.io import masks, readers, stacks
from brightcell.sheets import samples


def doubt_at(recording, sample, top, left, value, side=48):
    """Write a square of doubt into a frame of a recording."""
    path = recording.folder / "chunks/all/doubt.tif"
    pages = stacks.read_stack(path)
    pages[sample][top // 8 : (top + side) // 8, left // 8 : (left + side) // 8] = value
    stacks.write_stack(path, pages.items())


def run(place: Path, made: dict, drawn=(), annotated=(), **options) -> pd.DataFrame:
    """Run the script on recordings; give crops.tsv."""
    for recording in made.values():
        recording.judge()
    inputs = {
        name: {"labels": each.folder / "labels.ome.tif", "doubt": [each.folder / "chunks/all/doubt.tif"]}
        | {kind: each.folder / f"{kind}.tsv" for kind in ("cells", "frames", "quality")}
        for name, each in made.items()
    }
    recipes = [each.folder / "models/1/recipe.json" for each in made.values()]
    out = {
        name: place / "suggest" / file
        for name, file in (("crops", "crops.tsv"), ("sheet", "samples.tsv"), ("page", "suggest.html"))
    }
    settings = {
        "suggest": defaults("suggest", **({"diameters": 4, "cells": 30} | options)),
        "images": defaults("images"),
        "preprocess": defaults("preprocess"),
        "annotated": list(annotated),
        "drawn": list(drawn),
    }
    suggest.main(inputs, recipes, out, {name: each.rows for name, each in made.items()}, settings, TEMPLATES)
    return files.read_table(out["crops"])


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    place = tmp_path_factory.mktemp("originals")
    return {
        name: make_recording(place / name, frames=6, name=name, sample=f"{name}_{{number}}")
        for name in ("dish1", "dish2")
    }


@pytest.fixture
def two(tmp_path, originals):
    """Two recordings, to be changed."""
    return {
        name: dataclasses.replace(each, folder=Path(shutil.copytree(each.folder, tmp_path / name)))
        for name, each in originals.items()
    }


def test_the_place_that_the_networks_doubt_comes_first(tmp_path, two):
    doubt_at(two["dish2"], "dish2_4", 96, 64, 255)
    first = run(tmp_path, two).iloc[0]
    assert (first["recording"], first["sample"]) == ("dish2", "dish2_4")
    rows = min(144, first["top_px"] + first["height"]) - max(96, first["top_px"])
    columns = min(112, first["left_px"] + first["width"]) - max(64, first["left_px"])
    assert rows * columns > 48**2 / 2
    assert first["reason"].startswith("the networks doubt what is cell: ")


def test_doubtful_borders_are_a_reason(tmp_path, two):
    path = two["dish1"].folder / "cells.tsv"
    cells = files.read_table(path)
    cells["ridge"] = np.where(cells["sample"] == "dish1_3", 0.9, 0.0)
    files.write_table(cells, path)
    first = run(tmp_path, two).iloc[0]
    assert first["sample"] == "dish1_3"
    assert first["reason"].startswith("borders between cells are doubtful: 0.90, 0.00 in a typical crop")


def test_frames_unlike_the_training_are_a_reason(tmp_path, two):
    path = two["dish1"].folder / "frames.tsv"
    frames = files.read_table(path)
    frames.loc[frames["sample"] == "dish1_1", "intensity_mean"] *= 3
    files.write_table(frames, path)
    first = run(tmp_path, two).iloc[0]
    assert first["sample"] == "dish1_1"
    assert first["unlike"] > 1
    assert "unlike the training" in first["reason"]


def test_crops_are_spread_over_recordings_and_time(tmp_path, two):
    for name, recording in two.items():
        for frame in range(6):
            doubt_at(recording, f"{name}_{frame}", 0, 0, 255, side=160)
    table = run(tmp_path, two, cells=60)
    assert set(table["recording"][:2]) == {"dish1", "dish2"}
    for _, own in table[:4].groupby("recording"):
        assert abs(np.diff(own["frame"])).min() >= 2


def test_the_budget_holds_in_cells_and_in_minutes(tmp_path, two):
    table = run(tmp_path, two, cells=30)
    assert 0 < table["cells"].sum() <= 30
    timed = run(tmp_path / "timed", two, minutes=10, seconds_per_cell=20)  # 30 cells
    assert timed.equals(table)
    assert len(run(tmp_path / "one", two, cells=1)) == 1  # one in any case


def test_the_same_recordings_give_the_same_crops(tmp_path, two):
    pages = [run(tmp_path / name, two) is not None and (tmp_path / name / "suggest") for name in ("a", "b")]
    one, other = (
        {path.relative_to(page): path.read_bytes() for path in page.rglob("*") if path.is_file()}
        for page in pages
    )
    assert one == other


def test_frames_with_masks_and_frames_out_of_focus_are_left_out(tmp_path, two):
    for frame in (2, 3):
        doubt_at(two["dish1"], f"dish1_{frame}", 0, 0, 255, side=160)
    table = run(tmp_path, two, annotated=["dish1_3"], cells=1000)
    assert not {"dish1_2", "dish1_3"} & set(
        table["sample"]
    )  # the second frame is blurred, see make_recording
    with pytest.raises(InputError, match="no frame to choose from"):
        run(tmp_path, two, annotated=[f"{name}_{frame}" for name in two for frame in range(6)])


def test_what_was_drawn_is_not_offered_again(tmp_path, two):
    before = run(tmp_path, two)
    after = run(tmp_path, two, drawn=before["crop"])
    for crop in before.to_dict("records"):
        assert not crops._overlapping(after, crop).any()


def test_what_a_person_may_be_drawing_on_is_not_written_again(tmp_path, two):
    first = run(tmp_path, two).iloc[0]["crop"]
    roi = tmp_path / "suggest/rois" / f"{first}.zip"
    roi.write_bytes(b"edited in place")
    run(tmp_path, two)
    assert roi.read_bytes() == b"edited in place"


def test_all_files_of_a_crop_hold_the_same_cells(tmp_path, two):
    for crop in run(tmp_path, two).to_dict("records"):
        place, shape = tmp_path / "suggest", (crop["height"], crop["width"])
        about = files.read_json(place / "crops" / f"{crop['crop']}.json")
        with readers.open_image_file(place / "images" / f"{crop['crop']}.tif") as picture:
            assert picture.pixel_size_um == pytest.approx(1)
            image = readers.frame_of(picture)
        number = crop["frame"]
        window = np.s_[
            crop["top_px"] : crop["top_px"] + shape[0], crop["left_px"] : crop["left_px"] + shape[1]
        ]
        truth = two[crop["recording"]].truth
        assert np.array_equal(image, truth.images[number][window])
        drawn = [
            masks.read_mask(
                place / kind / f"{crop['crop']}{folder.KINDS[kind]}", "instances", shape=shape
            ).labels
            for kind in ("predicted", "rois", "geojson")
        ]
        assert np.array_equal(drawn[0] > 0, truth.labels[number][window] > 0)
        for other in drawn[1:]:
            pairs = np.unique(np.stack([drawn[0], other])[:, drawn[0] > 0], axis=1)
            assert pairs.shape[1] == about["cells"] == drawn[0].max()
        kinds = {
            each["properties"]["objectType"]
            for each in json.loads((place / "geojson" / f"{crop['crop']}.geojson").read_text())["features"]
        }
        assert kinds <= {"annotation"}  # QuPath edits these


def test_the_sheet_can_be_trained_on(tmp_path, two):
    table = run(tmp_path, two)
    sheet = samples.read_samples(tmp_path / "suggest/samples.tsv", check_files=True)
    assert list(sheet["sample"]) == list(table["crop"])
    assert list(sheet["group"]) == list(table["recording"])
    assert set(sheet["pixel_size_um"]) == {"1"}


def test_the_page_shows_every_crop_in_its_order(tmp_path, two):
    table = run(tmp_path, two)
    page = (tmp_path / "suggest/suggest.html").read_text()
    assert re.findall(r"<h3>(\d+)\. (\S+)</h3>", page) == [
        (str(row.order), row.crop) for row in table.itertuples()
    ]
    assert page.count('<path class="outline" d="M') == (table["cells"] > 0).sum()


def test_a_grey_picture_of_several_channels_keeps_them(tmp_path):
    image = np.random.default_rng(1).integers(0, 60_000, (20, 30, 2)).astype(np.uint16)
    drawing.write_picture(tmp_path / "a.tif", image, 0.5)
    assert np.array_equal(readers.read_image(tmp_path / "a.tif"), image)
    assert tifffile.TiffFile(tmp_path / "a.tif").is_imagej


def test_recordings_that_test_networks_are_closed(tmp_path):
    rows = {
        "dish": [
            {"image": str(tmp_path / "a.tif"), "sample": "a"},
            {"image": str(tmp_path / "b.tif"), "sample": "b"},
        ],
        "new": [{"image": str(tmp_path / "c.tif"), "sample": "c"}],
        "stack": [{"image": str(tmp_path / "s.tif"), "page": "7", "sample": "s7"}],
    }
    sheet = pd.DataFrame(
        [
            {"image": f"{tmp_path}/x/../a.tif", "group": "g1", "split": "train", "page": ""},
            {"image": f"{tmp_path}/s.tif", "group": "g2", "split": "test", "page": "7"},
        ]
    ).assign(scene="")
    assert held_out.annotated(rows, sheet) == ["a", "s7"]
    assert held_out.closed(rows, sheet, ["grouped"]) == {"dish": "g1", "stack": "g2"}
    assert held_out.closed(rows, sheet, ["sheet"]) == {"stack": "g2"}
    named = sheet.assign(image="elsewhere.tif", group="new", split="validate")
    assert held_out.closed(rows, named, ["sheet"]) == {"new": "new"}
