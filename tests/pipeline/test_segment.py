"""Recordings segmented with models from elsewhere: nothing is trained, and what is finished is not done again."""

import json
import shutil

import keras
import numpy as np
import pytest
import result_tables
import tifffile
from project import Project, disc_frame

from brightcell import files
from brightcell.nets import unet

pytestmark = pytest.mark.pipeline
MODELS = "results/lab/models/grouped"  # as another config would have made them
FILES = ["labels.ome.tif", "cells.tsv", "frames.tsv", "made_of.json", "rois.zip", "cells.geojson"]


def save_model(folder, seed, **recipe):
    """Save a network as it was born, with what the workflow keeps beside a trained one."""
    keras.utils.set_random_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    shape = {"filters": 2, "levels": 2, "dropout": 0.0, "outputs": 1}
    unet.build_unet("simple", (None, None, 1), **shape).save(folder / "model.keras")
    told = {"network": "simple", "channels": 1, "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5}
    files.write_json(told | shape | recipe, folder / "recipe.json")
    parameters = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 10}
    calibration = {"parameters": parameters, "score": "mean_ap", "value": 0.5}
    files.write_json(calibration, folder / "calibration.json")


@pytest.fixture(scope="module")
def tool(tmp_path_factory):
    """A project with models, images of two recordings, and a config without a sheet."""
    project = Project(tmp_path_factory.mktemp("segment") / "project", groups=1)
    for seed in (1, 2):
        save_model(project.folder / f"{MODELS}/simple/fold{seed}-seed1", seed)
    for frame in range(3):
        add_frame(project, "dish", frame)
    add_frame(project, "single", 0)
    (project.folder / "data/samples.tsv").unlink()
    write_config(project)
    run = project.snakemake("segment")
    assert run.returncode == 0, run.stdout[-5000:]
    return project


def add_frame(project, recording, frame):
    (project.folder / "new").mkdir(exist_ok=True)
    tifffile.imwrite(project.folder / f"new/{recording}_{frame}.tif", disc_frame(90 + frame)[0])


def write_config(project, **segment):
    pixel_um = segment.pop("pixel_um", 0.5)
    options = {"images": "new/*.tif", "models": MODELS, "chunk": 2} | segment
    config = {
        "dataset": "tool",
        "images": {"pixel_size_um": pixel_um},
        "compute": {"device": "cpu", "precision": "float32"},
        "prediction": {"tile": 32, "overlap": 8, "symmetries": False},
        "segment": options,
    }
    (project.folder / "config/test.yaml").write_text(json.dumps(config))


def result(project, name):
    return project.folder / "results/tool/segmented" / name


def test_every_file_is_there_and_agrees_with_the_others(tool):
    for recording, count in (("dish", 3), ("single", 1)):
        for name in FILES:
            assert result(tool, f"{recording}/{name}").stat().st_size > 0, name
        frames = files.read_table(result(tool, f"{recording}/frames.tsv"))
        cells = files.read_table(result(tool, f"{recording}/cells.tsv"))
        assert list(frames["sample"]) == [f"{recording}_{number}" for number in range(count)]
        with tifffile.TiffFile(result(tool, f"{recording}/labels.ome.tif")) as stack:
            pages = [page.asarray() for page in stack.pages]
        assert [page.max() for page in pages] == list(frames["cells"])
        areas = [np.bincount(page.ravel())[1:] for page in pages]
        assert list(np.concatenate(areas)) == list(cells["area_px"])
        features = json.loads(result(tool, f"{recording}/cells.geojson").read_text())["features"]
        assert len(features) == len(cells)


def test_files_and_columns_are_those_of_the_schema(tool):
    assert result_tables.faults(tool.folder / "results/tool") == []
    assert result_tables.missing(tool.folder / "results/tool", {"A recording"}) == []


def test_a_time_lapse_is_followed_and_every_recording_is_judged(tool):
    for recording, count in (("dish", 3), ("single", 1)):
        judged = files.read_table(result(tool, f"{recording}/quality.tsv"))
        assert len(judged) == count
        assert f"<h1>{recording}</h1>" in result(tool, f"{recording}/preview.html").read_text()
    cells = files.read_table(result(tool, "dish/cells.tsv"))
    tracks = files.read_table(result(tool, "dish/tracks.tsv"))
    assert tracks[["sample", "cell"]].equals(cells[["sample", "cell"]])
    labels = tifffile.imread(result(tool, "dish/labels.ome.tif"))
    masks = [tifffile.imread(path) for path in sorted(result(tool, "dish/ctc").glob("mask*.tif"))]
    assert np.array_equal(np.stack(masks) > 0, labels > 0)
    lines = result(tool, "dish/ctc/res_track.txt").read_text().splitlines()
    assert len(lines) >= tracks["track"].nunique()
    assert not result(tool, "single/tracks.tsv").exists()  # one frame has no course of time


def test_the_models_alone_were_needed(tool):
    assert not (tool.folder / "results/tool/models").exists()
    assert (
        "Nothing to be done" in tool.snakemake("-n").stdout
    )  # without a sheet the recordings are the default


def test_frames_keep_their_order_where_cells_are_not_followed(tool):
    write_config(tool, tracks={"link": False})
    try:
        planned = tool.planned("segment")
    finally:
        write_config(tool)
    assert planned["preview_recording"] == 1  # of dish, without its tracks
    assert not {"track_cells", "judge_frames"} & set(planned)  # judged by their neighbours, as before


def test_a_finished_chunk_is_not_done_again_and_new_frames_run_alone(tool):
    before = {path: path.stat().st_mtime_ns for path in result(tool, "dish/chunks").rglob("labels.tif")}
    assert sorted(path.parent.name for path in before) == ["000000-000001", "000002-000002"]
    add_frame(tool, "dish", 3)
    write_config(tool, chunk=50)
    planned = tool.planned("segment")
    assert planned["segment_chunk"] == planned["join_chunks"] == planned["outline_cells"] == 1
    run = tool.snakemake("segment")
    assert run.returncode == 0, run.stdout[-5000:]
    after = {path: path.stat().st_mtime_ns for path in result(tool, "dish/chunks").rglob("labels.tif")}
    assert {path: after[path] for path in before} == before
    assert len(files.read_table(result(tool, "dish/frames.tsv"))) == 4
    assert tifffile.imread(result(tool, "dish/labels.ome.tif")).shape == (4, 48, 48)


def test_other_models_do_all_chunks_anew(tool):
    chunks = len(list(result(tool, "").rglob("chunks/*/labels.tif")))
    save_model(tool.folder / MODELS / "simple/fold3-seed1", 3)
    try:
        assert tool.planned("segment")["segment_chunk"] == chunks
    finally:
        for path in (tool.folder / MODELS / "simple/fold3-seed1").iterdir():
            path.unlink()
        (tool.folder / MODELS / "simple/fold3-seed1").rmdir()
    assert "segment_chunk" not in tool.planned("segment")


def test_chunks_of_another_config_are_refused_where_snakemake_forgot_them(tool):
    labels = result(tool, "single/labels.ome.tif")
    memory = tool.folder / ".snakemake/metadata"
    memory.rename(memory.with_name("elsewhere"))
    labels.rename(labels.with_name("kept.tif"))
    write_config(tool, pixel_um=0.65)
    try:
        run = tool.snakemake("results/tool/segmented/single/labels.ome.tif")
    finally:
        shutil.rmtree(memory)
        memory.with_name("elsewhere").rename(memory)
        labels.with_name("kept.tif").rename(labels)
        write_config(tool)
    assert run.returncode != 0
    assert "single/chunks/000000-000000: segmented with other settings" in run.stdout
    assert "images.pixel_size_um 0.5, not 0.65" in run.stdout
    assert "segment_chunk" not in tool.planned("segment")


def test_probability_on_request(tool):
    write_config(tool, probability=True)
    try:
        assert tool.planned("segment")["segment_chunk"] >= 3
    finally:
        write_config(tool)


def test_an_unknown_network_stops_at_once(tool):
    write_config(tool, network="simpel")
    try:
        run = tool.snakemake("segment", "-n")
    finally:
        write_config(tool)
    assert run.returncode != 0
    assert (
        f"segment.network: found 'simpel'; the models in {MODELS} are of simple; did you mean" in run.stdout
    )


def test_a_damaged_model_is_refused(tool):
    model = tool.folder / MODELS / "simple/fold1-seed1/model.keras"
    whole = model.read_bytes()
    try:
        model.write_bytes(whole[:1000])
        run = tool.snakemake("results/tool/segmented/single/chunks/000000-000000/frames.tsv")
    finally:
        model.write_bytes(whole)
    assert run.returncode != 0
    assert "fold1-seed1/model.keras: not a model that can be loaded safely" in run.stdout
    assert "get it again" in run.stdout
    assert not tool.half_written()
