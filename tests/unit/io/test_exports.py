"""Exports of recordings, opened by readers of others: Zarr, bioio, and the reference implementation of GEFF."""

import json
import math
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

import export_labels
import export_tracks
from brightcell import files
from brightcell.io import ome_tiff, ome_zarr, zarr_folder

# A mother (1) at times 0 and 1, in two pieces at 1; her daughters (2, 3) at 2; a bystander (7) at 0 and 2.
CELLS = [  # time, cell, row, column, area, track, parent
    (0, 1, 10.0, 20.0, 100, 1, 0),
    (0, 2, 50.0, 5.0, 80, 7, 0),
    (1, 1, 10.0, 22.0, 75, 1, 0),
    (1, 2, 14.0, 22.0, 25, 1, 0),
    (2, 1, 8.0, 20.0, 50, 2, 1),
    (2, 2, 12.0, 24.0, 50, 3, 1),
    (2, 3, 50.0, 6.0, 80, 7, 0),
]
EDGES = {
    (1, 1): (1, 0),
    (2, 2): (1, 1),
    (3, 2): (1, 1),
    (7, 2): (7, 0),
}  # (track, time) of a cell → of the one before


@pytest.fixture
def recording(tmp_path):
    """The tables of three frames of 60 × 40 px."""
    table = pd.DataFrame(
        CELLS, columns=["time", "cell", "row_px", "column_px", "area_px", "track", "parent"]
    ).assign(touches_border=False)
    table["sample"] = "s" + table["time"].astype(str)
    samples = {"sample": ["s0", "s1", "s2"], "frame": range(3)}
    tables = {
        "frames": pd.DataFrame(samples | {"height": 60, "width": 40, "pixel_size_um": 0.5}),
        "quality": pd.DataFrame(samples),
        "cells": table.drop(columns=["track", "parent"]),
        "tracks": table[["sample", "cell", "track", "parent"]],
    }
    made = SimpleNamespace(folder=tmp_path)
    for name, each in tables.items():
        setattr(made, name, tmp_path / f"{name}.tsv")
        files.write_table(each, tmp_path / f"{name}.tsv")
    pages = [np.zeros((60, 40), np.uint8) for _ in range(3)]
    for time, cell, row, column, *_ in CELLS:
        pages[time][int(row) - 2 : int(row) + 2, int(column) - 2 : int(column) + 2] = cell
    made.labels = tmp_path / "labels.ome.tif"
    ome_tiff.write_ome(made.labels, pages, [(60, 40, 0.5)] * 3, np.dtype(np.uint8), "dish")
    made.pages = pages
    return made


def test_trackmate_has_all_cells_where_and_when_they_are(recording):
    out = recording.folder / "tracks.xml"
    export_tracks.main(recording, 20.0, None, {"trackmate": str(out)})
    root = ElementTree.parse(out).getroot()
    spots = {int(spot.get("ID")): spot for spot in root.iter("Spot")}
    assert len(spots) == 6
    (joined,) = [
        spot for spot in spots.values() if spot.get("name") == "track 1" and spot.get("FRAME") == "1"
    ]
    assert float(joined.get("POSITION_X")) == 11  # µm
    assert float(joined.get("POSITION_Y")) == (75 * 10 + 25 * 14) / 100 / 2
    assert float(joined.get("POSITION_T")) == 20  # min
    assert float(joined.get("RADIUS")) == pytest.approx(math.sqrt(100 / math.pi) / 2, rel=1e-5)
    found = {}
    for edge in root.iter("Edge"):
        source, target = (spots[int(edge.get(f"SPOT_{end}_ID"))] for end in ("SOURCE", "TARGET"))
        key = [(int(spot.get("name").split()[1]), int(spot.get("FRAME"))) for spot in (target, source)]
        found[key[0]] = key[1]
    assert found == EDGES
    model, image = root.find("Model"), root.find("Settings/ImageData")
    assert (model.get("spatialunits"), model.get("timeunits")) == ("µm", "min")
    assert (image.get("filename"), image.get("nframes"), image.get("timeinterval")) == (
        "labels.ome.tif",
        "3",
        "20.0",
    )
    assert len(root.findall("Model/AllTracks/Track")) == 2  # families
    assert {kept.get("TRACK_ID") for kept in root.iter("TrackID")} == {"1", "7"}


def test_the_reference_of_geff_reads_trackmates_file(recording):
    geff = pytest.importorskip("geff", reason="geff, which reads TrackMate's files, is not installed")
    from geff.convert import from_trackmate_xml_to_geff

    out = recording.folder / "tracks.xml"
    export_tracks.main(recording, None, None, {"trackmate": str(out)})
    from_trackmate_xml_to_geff(out, recording.folder / "converted.geff")
    graph, _ = geff.read(recording.folder / "converted.geff", backend="networkx")
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (6, 4)


def test_geff_is_what_its_reference_reads(recording):
    geff = pytest.importorskip("geff", reason="geff, the format's reference implementation, is not installed")
    out = recording.folder / "tracks.geff"
    export_tracks.main(recording, 20.0, "../labels.ome.zarr", {"geff": str(out)})
    geff.validate_structure(out)
    graph, metadata = geff.read(out, structure_validation=True, backend="networkx")
    nodes = {number: (own["track"], own["t"]) for number, own in graph.nodes(data=True)}
    assert {nodes[target]: nodes[source] for source, target in graph.edges} == EDGES
    joined = next(own for own in graph.nodes.values() if (own["track"], own["t"]) == (1, 1))
    assert (joined["y"], joined["x"], joined["area"], joined["family"]) == (11, 22, 100, 1)
    assert [(axis.unit, axis.scale, axis.scaled_unit) for axis in metadata.axes] == [
        ("frame", 20, "minute"), ("pixel", 0.5, "micrometer"), ("pixel", 0.5, "micrometer"),
    ]  # fmt: skip
    assert metadata.related_objects[0].label_prop == "track"


def test_geff_without_any_cell_is_read_too(recording):
    geff = pytest.importorskip("geff", reason="geff, the format's reference implementation, is not installed")
    for name in ("cells", "tracks"):
        path = getattr(recording, name)
        files.write_table(files.read_table(path)[:0], path)
    out = recording.folder / "tracks.geff"
    export_tracks.main(
        recording, None, None, {"geff": str(out), "trackmate": str(recording.folder / "t.xml")}
    )
    graph, _ = geff.read(out, backend="networkx")
    assert graph.number_of_nodes() == 0


def test_labels_are_the_tracks_and_bioio_reads_them(recording):
    bioio = pytest.importorskip(
        "bioio", reason="bioio, which reads OME-Zarr, is not installed (make formats)"
    )
    pytest.importorskip("bioio_ome_zarr", reason="bioio-ome-zarr is not installed (make formats)")
    out = recording.folder / "labels.ome.zarr"
    export_labels.main(recording, "dish", 20.0, str(out))
    image = bioio.BioImage(out)
    data = image.get_image_data("TYX")
    assert data.shape == (3, 60, 40)
    assert [sorted(set(page.ravel().tolist())) for page in data] == [[0, 1, 7], [0, 1], [0, 2, 3, 7]]
    assert np.array_equal(data > 0, np.stack(recording.pages) > 0)
    assert (image.physical_pixel_sizes.Y, image.physical_pixel_sizes.X) == (0.5, 0.5)
    described = json.loads((out / ".zattrs").read_text())
    assert "image-label" in described  # shown as labels, not as an image
    assert described["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"][0] == 20


def test_labels_of_cells_that_are_not_followed_keep_their_numbers(recording):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed (make formats)")
    recording.tracks = []
    out = recording.folder / "labels.ome.zarr"
    export_labels.main(recording, "dish", None, str(out))
    assert np.array_equal(zarr.open_group(out, mode="r")["0"][:], np.stack(recording.pages))


def test_large_labels_are_a_pyramid_of_chunks(tmp_path):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed (make formats)")
    page = np.arange(2500 * 1100, dtype=np.uint32).reshape(2500, 1100)
    ome_zarr.write_labels(tmp_path / "l.zarr", [page, page * 0], (2, 2500, 1100), page.dtype, "big", 0.25)
    group = zarr.open_group(tmp_path / "l.zarr", mode="r")
    assert [group[name].shape for name in ("0", "1", "2")] == [(2, 2500, 1100), (2, 1250, 550), (2, 625, 275)]
    assert np.array_equal(group["0"][0], page)
    assert np.array_equal(group["1"][0], page[::2, ::2])
    assert not group["0"][1].any()
    assert not list((tmp_path / "l.zarr").glob("0/1/*/*"))  # nothing is written of empty pages
    assert group["2"].chunks == (1, 1024, 1024)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, np.float64, ">u4"])
def test_zarr_reads_every_kind_of_number(tmp_path, dtype):
    zarr = pytest.importorskip("zarr", reason="zarr is not installed (make formats)")
    values = np.arange(12).reshape(3, 4).astype(dtype)
    zarr_folder.write_array(tmp_path / "a", values)
    assert np.array_equal(zarr.open_array(tmp_path / "a", mode="r")[:], values)


def test_an_export_replaces_the_one_before(recording):
    out = recording.folder / "labels.ome.zarr"
    for _ in range(2):
        export_labels.main(recording, "dish", None, str(out))
    assert [path.name for path in recording.folder.glob(".*")] == []
