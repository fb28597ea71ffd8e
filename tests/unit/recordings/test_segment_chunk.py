"""A recording through the scripts of `segment`, with a network whose answer is known: bright is cell."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from defaults import defaults

import join_chunks
import segment_chunk
from brightcell import files
from brightcell.compute import backend
from brightcell.errors import InputError
from brightcell.io import stacks
from brightcell.recordings import segmentation

SETTINGS = {
    "images": defaults("images"),
    "preprocess": defaults("preprocess"),
    "prediction": defaults("prediction", tile=64, overlap=16, symmetries=False),
    "precision": "float32",
    "device": "cpu",
    "border": "keep",
}
RECIPE = {
    "network": "simple",
    "channels": 1,
    "outputs": 1,
    "levels": 2,
    "percentiles": [0, 100],
    "working_pixel_size_um": 0.5,
}
PARAMETERS = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 10}
BRIGHTNESS = {"one": 0.8, "two": 0.6}  # what each member says of a cell's pixels


@pytest.fixture(autouse=True)
def bright_is_cell(monkeypatch):
    def load_predictor(path, *arguments, **options):
        said = BRIGHTNESS[path.parent.name]
        return lambda tiles: np.where(tiles > 0.5, np.float32(said), np.float32(0.01))

    monkeypatch.setitem(
        sys.modules, "brightcell.inference.engines", SimpleNamespace(load_predictor=load_predictor)
    )
    monkeypatch.setattr(backend, "start", lambda *arguments: "float32")


def disc(side=60, radius=10, row=30, column=20):
    y, x = np.mgrid[:side, :side]
    return np.where((y - row) ** 2 + (x - column) ** 2 <= radius**2, 200, 50).astype(np.uint8)


def models(folder, names=("one", "two"), **recipe):
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "model.keras").write_bytes(name.encode())
        (folder / name / "recipe.json").write_text(json.dumps(RECIPE | recipe))
        calibration = {"parameters": PARAMETERS, "score": "seg", "value": 0.5}
        (folder / name / "calibration.json").write_text(json.dumps(calibration))
    return [folder / name for name in names]


def segment(
    folder, frames, chunk="000000-000009", pixel_um="0.5", members=("one", "two"), border="keep", **recipe
):
    """Segment frames as one chunk; returns its folder."""
    rows = []
    folder.mkdir(exist_ok=True)
    first = int(chunk[:6])
    for number, frame in enumerate(frames, start=first):
        path = folder / f"{number}.tif"
        tifffile.imwrite(path, frame, photometric="rgb" if frame.ndim == 3 else "minisblack")
        row = {"sample": f"s{number}", "image": str(path), "frame": str(number)}
        rows.append(row | ({"pixel_size_um": pixel_um} if pixel_um else {}))
    out = folder / "chunks" / chunk
    trained = models(folder / "models", members, **recipe)
    named = [
        [place / name for place in trained] for name in ("model.keras", "recipe.json", "calibration.json")
    ]
    outputs = {name: out / f"{name}.tif" for name in ("labels", "probability", "doubt")}
    outputs |= {"cells": out / "cells.tsv", "frames": out / "frames.tsv", "made_of": out / "made_of.json"}
    segment_chunk.main(rows, [], *named, None, SETTINGS | {"border": border}, outputs, 1)
    return out


def tables(folder):
    return [files.read_table(folder / f"{name}.tsv") for name in ("cells", "frames")]


def test_a_disc_is_found_and_measured(tmp_path):
    out = segment(tmp_path, [disc()])
    labels = stacks.read_stack(out / "labels.tif")["s0"]
    assert (labels == (disc() == 200)).all()
    cells, frames = tables(out)
    (cell,) = cells.to_dict("records")
    assert (cell["area_px"], cell["area_um2"]) == (labels.sum(), labels.sum() / 4)
    assert (cell["row_px"], cell["column_px"]) == pytest.approx((30, 20))
    assert cell["confidence"] == pytest.approx(0.7, abs=0.001)
    assert cell["disagreement"] == pytest.approx(0.1, abs=0.001)
    (frame,) = frames.to_dict("records")
    assert (frame["cells"], frame["height"], frame["width"], frame["pixel_size_um"]) == (1, 60, 60, 0.5)
    assert frame["cell_share"] == pytest.approx(labels.mean())
    assert frame["confidence"] == pytest.approx(cell["confidence"])
    probability = stacks.from_uint16(stacks.read_stack(out / "probability.tif")["s0"])
    assert probability[30, 20] == pytest.approx(0.7, abs=0.001)
    assert cell["ridge"] == 0
    doubt = stacks.read_stack(out / "doubt.tif")["s0"]
    assert doubt.shape == (8, 8)  # of 60 px
    assert doubt[3, 2] == round(255 * 2 * 0.1)
    assert doubt[0, 7] == 0


def test_a_single_network_is_in_doubt_where_its_probability_is_middling(tmp_path):
    out = segment(tmp_path, [disc()], members=("two",))
    doubt = stacks.read_stack(out / "doubt.tif")["s0"]
    assert doubt[3, 2] == round(255 * 4 * 0.6 * 0.4)
    assert doubt[0, 7] == round(255 * 4 * 0.01 * 0.99)


@pytest.mark.parametrize(("pixel_um", "factor"), [("0.25", 0.5), ("1.0", 2)])
def test_frames_of_another_pixel_size_are_measured_at_their_own(tmp_path, caplog, pixel_um, factor):
    caplog.set_level("INFO")
    out = segment(tmp_path, [disc()], pixel_um=pixel_um)
    labels = stacks.read_stack(out / "labels.tif")["s0"]
    assert labels.shape == (60, 60)
    assert labels.sum() == pytest.approx(np.pi * 100, rel=0.06)
    cells, _ = tables(out)
    assert cells["area_um2"][0] == pytest.approx(np.pi * (10 * float(pixel_um)) ** 2, rel=0.06)
    assert cells["major_axis_um"][0] == pytest.approx(20 * float(pixel_um), rel=0.06)
    assert (cells["row_px"][0], cells["column_px"][0]) == pytest.approx((30, 20), abs=0.6)
    assert f"rescaled from {float(pixel_um):.4g} µm a pixel to the networks' 0.5 µm" in caplog.text


def test_without_a_pixel_size_the_log_says_what_is_taken(tmp_path, caplog):
    out = segment(tmp_path, [disc()], pixel_um=None)
    assert "pixel size unknown, taken to be that of the training images" in caplog.text
    cells, frames = tables(out)
    assert cells["area_um2"].isna().all()
    assert frames["pixel_size_um"].isna().all()
    assert cells["area_px"][0] > 0


def test_a_pixel_size_that_no_one_means_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"0\.tif: a pixel of 65 µm.*130 times as large"):
        segment(tmp_path, [disc()], pixel_um="65")
    assert not list((tmp_path / "chunks").rglob("*.tif"))


@pytest.mark.parametrize(("found", "wanted"), [(3, 1), (1, 3)])
def test_grey_serves_networks_of_colour_and_colour_those_of_grey(tmp_path, caplog, found, wanted):
    frame = disc() if found == 1 else np.stack([disc()] * 3, axis=-1)
    cells, _ = tables(segment(tmp_path / "odd", [frame], channels=wanted))
    like, _ = tables(segment(tmp_path / "like", [disc()]))
    assert cells["area_px"].tolist() == like["area_px"].tolist()
    assert (
        f"0.tif: {found} channel{'s' * (found > 1)}, the networks were trained on {wanted}: the "
        in caplog.text
    )


def test_frames_of_another_channel_count_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"0\.tif: 3 channels; the networks were trained on 2.*images\.channels"
    ):
        segment(tmp_path, [np.stack([disc()] * 3, axis=-1)], channels=2)


def test_cells_of_a_given_diameter_are_brought_to_those_of_the_training(tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    trained = {"training_data": {"cell_area_px": [100, np.pi * 20**2, 2000]}}
    monkeypatch.setitem(SETTINGS, "images", defaults("images", cell_diameter_px=20))
    cells, frames = tables(segment(tmp_path / "px", [disc()], pixel_um=None, **trained))
    assert frames["scale"][0] == pytest.approx(2)
    assert "made 2 times as large, by cell_diameter_px" in caplog.text
    assert frames["pixel_size_um"].isna().all() and cells["area_px"][0] == pytest.approx(
        np.pi * 100, rel=0.06
    )
    _, frames = tables(segment(tmp_path / "um", [disc()], pixel_um="0.5", **trained))
    assert frames["scale"][0] == 1  # a pixel size counts before it
    with pytest.raises(
        InputError, match=r"0\.tif: cell_diameter_px is given, but .* recipe\.json does not say"
    ):
        segment(tmp_path / "old", [disc()], pixel_um=None)
    monkeypatch.setitem(SETTINGS, "images", defaults("images", cell_diameter_px=0.5))
    with pytest.raises(
        InputError, match=r"cell_diameter_px 0\.5, brought to 40 px, makes frames 80 times as large"
    ):
        segment(tmp_path / "wrong", [disc()], pixel_um=None, **trained)


def test_one_member_does_not_disagree(tmp_path):
    cells, frames = tables(segment(tmp_path, [disc()], members=["one"]))
    assert cells["disagreement"].isna().all()
    assert frames["disagreement"].isna().all()
    assert cells["confidence"][0] == pytest.approx(0.8, abs=0.001)


@pytest.mark.parametrize("empty", [np.full((40, 50), 9, np.uint8), np.zeros((1, 1), np.uint16)])
def test_frames_without_cells(tmp_path, empty, caplog):
    out = segment(tmp_path, [empty], chunk="000000-000000")
    cells, frames = tables(out)
    assert cells.empty
    assert frames["cells"][0] == 0
    assert frames["median_area_px"].isna().all()
    join(tmp_path, [out])
    assert "no cell in any frame" in caplog.text
    assert tifffile.imread(tmp_path / "labels.ome.tif").dtype == np.uint8


def test_a_frame_that_is_all_cell(tmp_path):
    bright = np.full((40, 50), 200, np.uint8)
    bright[0, 0] = 50  # a constant frame has no contrast, and is dark everywhere
    cells, frames = tables(segment(tmp_path, [bright]))
    assert len(cells) == 1
    assert cells["touches_border"][0]
    assert frames["cell_share"][0] > 0.99


def join(folder, chunks, now=None, **changed):
    made_of = files.read_json((now or chunks[0]) / "made_of.json")
    rows = [row | changed for chunk in chunks for row in files.read_json(chunk / "made_of.json")["rows"]]
    del made_of["rows"]
    out = {"labels": folder / "labels.ome.tif", "cells": folder / "all_cells.tsv"}
    out |= {"frames": folder / "all_frames.tsv", "made_of": folder / "all.json"}
    if (chunks[0] / "probability.tif").exists():
        out["probability"] = folder / "probability.ome.tif"
    join_chunks.main(chunks, "dish", rows, made_of, out)
    return files.read_table(out["cells"]), files.read_table(out["frames"])


def test_chunks_are_joined_in_the_order_of_time(tmp_path):
    first = segment(tmp_path, [disc(column=15), disc(column=20)], "000000-000001")
    second = segment(tmp_path, [disc(column=40)], "000002-000002")
    frames = files.read_table(second / "frames.tsv")
    files.write_table(
        frames.assign(frame=-1), second / "frames.tsv"
    )  # the frame before the first, added later
    cells, frames = join(tmp_path, [first, second])
    assert list(cells["sample"]) == list(frames["sample"]) == ["s2", "s0", "s1"]
    assert cells["column_px"].tolist() == pytest.approx([40, 15, 20])
    pages = tifffile.imread(tmp_path / "labels.ome.tif")
    assert pages.shape == (3, 60, 60)
    for page, cell in zip(pages, cells.itertuples(), strict=True):
        assert page.sum() == cell.area_px
        assert page[30, round(cell.column_px)] == cell.cell
    assert tifffile.imread(tmp_path / "probability.ome.tif").shape == (3, 60, 60)
    assert files.read_json(tmp_path / "all.json")["frames"] == 3


def test_frames_of_changing_size_become_series(tmp_path, caplog):
    out = segment(tmp_path, [disc(), disc(side=48)])
    join(tmp_path, [out])
    assert "changes 1 times; labels.ome.tif has a series for each size" in caplog.text
    with tifffile.TiffFile(tmp_path / "labels.ome.tif") as file:
        assert [series.shape[-2:] for series in file.series] == [(60, 60), (48, 48)]


def test_chunks_of_other_models_are_not_mixed(tmp_path):
    first = segment(tmp_path, [disc()], "000000-000000")
    second = segment(tmp_path, [disc()], "000001-000001", members=["one"])
    with pytest.raises(
        InputError, match=r"000001-000001: .* present ones: models .*remove the folder .*chunks, and"
    ):
        join(tmp_path, [first, second])
    with pytest.raises(InputError, match=r"000000-000000: .*: models \("):
        join(tmp_path, [first], now=second)
    assert not (tmp_path / "labels.ome.tif").exists()


def test_chunks_of_another_config_are_told_by_their_settings(tmp_path):
    chunk = segment(tmp_path, [disc()])
    made_of = files.read_json(chunk / "made_of.json")
    now = tmp_path / "now"
    other = {
        "images": {**made_of["images"], "pixel_size_um": 0.65},
        "parameters": {**made_of["parameters"], "border": "clear"},
    }
    files.write_json(made_of | other, now / "made_of.json")
    said = r"parameters\.border keep, not clear; images\.pixel_size_um None, not 0\.65 \("
    with pytest.raises(InputError, match=said):
        join(tmp_path, [chunk], now)
    moved = {f"elsewhere/{path}": digest for path, digest in made_of["models"].items()}
    files.write_json(made_of | {"models": moved}, now / "made_of.json")
    with pytest.raises(InputError, match=r"ones: rows \("):
        join(tmp_path, [chunk], now, pixel_size_um="0.65")
    assert not (tmp_path / "all.json").exists()
    join(tmp_path, [chunk], now, image="elsewhere/0.tif")
    assert files.read_json(tmp_path / "all.json")["models"] == moved


def test_what_is_done_otherwise_than_at_the_training_is_told(tmp_path, caplog):
    segment(tmp_path / "old", [disc()])
    assert "at the training" not in caplog.text  # a recipe of an earlier version tells nothing
    off = {"flat": None, "bayer": None, "denoise": "none", "denoise_px": 7, "crop": [0, 0, 9, 9]}
    segment(tmp_path / "same", [disc()], chosen_channels=None, preprocess=off)
    assert "at the training" not in caplog.text
    steps = {"flat": "lamp.tif", "denoise": "mean"}
    segment(tmp_path / "other", [disc()], chosen_channels=[1], preprocess=steps)
    assert "images.channels is None, at the training it was [1]" in caplog.text
    given = "{'flat': 'given', 'dark': None}"
    assert f"preprocess, flat_field, is off, at the training it was {given}" in caplog.text
    assert "denoise, is off, at the training it was {'method': 'mean', 'size_px': 3}" in caplog.text
    assert caplog.text.count("at the training") == 3
    found = segmentation.unlike_training(SETTINGS, RECIPE, {"symmetries": True})
    assert found == ["prediction.symmetries is False, at the training it was True"]
    elsewhere = SETTINGS | {"preprocess": defaults("preprocess", flat="today.tif")}
    assert not segmentation.unlike_training(elsewhere, {"preprocess": {"flat": "then.tif"}}, {})


def test_cells_at_the_border_go_where_they_are_not_wanted(tmp_path):
    cut = np.maximum(disc(column=40), disc(row=0, column=10))
    assert len(tables(segment(tmp_path / "kept", [cut]))[0]) == 2
    assert len(tables(segment(tmp_path / "cleared", [cut], border="clear"))[0]) == 1
