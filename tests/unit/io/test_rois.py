"""Outlines of cells, read back by their own readers: roifile and JSON."""

import json

import numpy as np
import pandas as pd
import pytest
import roifile
import tifffile
from hypothesis import given
from hypothesis.extra.numpy import arrays

import outline_cells
from brightcell import files
from brightcell.io import masks, ome_tiff, rasterize
from brightcell.io import rois as outlines


def area(rings) -> float:
    """Area of a polygon with holes by the shoelace formula, of closed rings as JSON gives them."""
    areas = []
    for ring in rings:
        x, y = np.array(ring, float).T
        assert ring[0] == ring[-1]
        areas.append(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2)
    return areas[0] - sum(areas[1:])


@given(arrays(bool, (7, 8)))
def test_outlines_hold_exactly_the_pixels(pixels):
    found = outlines.parts(pixels, left=3, top=2)
    rings = [ring for part in found for ring in part]
    assert sum(outlines.signed_area(ring) for ring in rings) == pixels.sum()
    for ring in rings:
        assert len(np.unique(ring, axis=0)) == len(ring)  # no ring touches itself
    for part in found:
        assert outlines.signed_area(part[0]) > 0
        assert all(outlines.signed_area(hole) < 0 for hole in part[1:])
    if pixels.any():
        patch = rasterize.fill(found, (12, 14))
        drawn = np.zeros((12, 14), bool)
        height, width = patch.pixels.shape
        drawn[patch.row : patch.row + height, patch.column : patch.column + width] = patch.pixels
        assert (drawn[2:9, 3:11] == pixels).all()
        assert drawn.sum() == pixels.sum()


def test_a_hole_belongs_to_the_part_around_it():
    pixels = np.zeros((11, 11), bool)
    pixels[:9, :9] = True
    pixels[1:8, 1:8] = False
    pixels[2:7, 2:7] = True
    pixels[4, 4] = False
    pixels[9:, 9:] = True
    found = sorted(outlines.parts(pixels), key=lambda rings: outlines.signed_area(rings[0]))
    assert [[outlines.signed_area(ring) for ring in rings] for rings in found] == [[4], [25, -1], [81, -49]]


@pytest.fixture
def exported(tmp_path):
    """Two frames with a disc, a ring, a cell of one pixel and one in two parts that touch at a corner."""
    y, x = np.mgrid[:50, :60]
    labels = np.zeros((2, 50, 60), np.uint8)
    labels[0][(y - 20) ** 2 + (x - 20) ** 2 <= 100] = 1
    labels[0][5, 50] = 2
    ring = (y - 25) ** 2 + (x - 30) ** 2
    labels[1][(ring <= 200) & (ring > 50)] = 1
    labels[1][40:43, 0:3] = 2
    labels[1][43:46, 3:6] = 2
    ome_tiff.write_ome(tmp_path / "labels.ome.tif", labels, [(50, 60, 0.5)] * 2, np.uint8, "dish")
    frames = pd.DataFrame({"sample": ["01", "02"], "frame": [0, 5], "image": "a", "cells": [2, 2]})
    export(tmp_path, frames.assign(height=50, width=60, pixel_size_um=0.5), [1, 2, 1, 2])
    return labels, tmp_path


def export(folder, frames, numbers):
    """Outline the cells of frames, whose cells have these numbers."""
    cells = pd.DataFrame({"sample": frames["sample"].repeat(frames["cells"]), "cell": numbers})
    cells = cells.assign(area_px=1, area_um2=np.nan, confidence=0.8, disagreement=0.1)
    files.write_table(frames, folder / "frames.tsv")
    files.write_table(cells, folder / "cells.tsv")
    named = [folder / name for name in ("labels.ome.tif", "cells.tsv", "frames.tsv")]
    outline_cells.main(*named, "dish", folder / "rois.zip", folder / "cells.geojson")


def test_geojson_has_the_labels_areas_and_places_in_time(exported):
    labels, folder = exported
    collection = json.loads((folder / "cells.geojson").read_text())
    assert collection["type"] == "FeatureCollection"
    found = [
        (feature["properties"]["frame"], feature["geometry"]["plane"]["t"], feature["properties"]["cell"])
        for feature in collection["features"]
    ]
    assert found == [(0, 0, 1), (0, 0, 2), (5, 1, 1), (5, 1, 2)]
    for feature in collection["features"]:
        geometry = feature["geometry"]
        single = geometry["type"] == "Polygon"
        total = sum(map(area, [geometry["coordinates"]] if single else geometry["coordinates"]))
        t, cell = geometry["plane"]["t"], feature["properties"]["cell"]
        assert total == (labels[t] == cell).sum()
        assert feature["properties"]["measurements"] == {
            "area_px": 1,
            "confidence": 0.8,
            "disagreement": 0.1,
        }
    assert len({feature["id"] for feature in collection["features"]}) == 4


def test_imagej_rois_have_names_frames_and_areas(exported):
    labels, folder = exported
    rois = roifile.roiread(folder / "rois.zip")
    assert [(roi.name, roi.t_position) for roi in rois] == [
        ("01_1", 1),
        ("01_2", 1),
        ("02_1", 2),
        ("02_2", 2),
    ]
    for roi in rois:
        t, cell = roi.t_position - 1, int(roi.name[-1])
        found = [ring[:-1] if (ring[0] == ring[-1]).all() else ring for ring in roi.coordinates(multi=True)]
        assert sum(outlines.signed_area(np.round(ring)) for ring in found) == (labels[t] == cell).sum()
        rows, columns = np.nonzero(labels[t] == cell)
        box = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        assert (roi.top, roi.left, roi.bottom, roi.right) == box


def test_outlines_point_into_the_series_of_their_frame(tmp_path):
    sizes = [(20, 30, 0.5), (20, 30, 0.5), (24, 30, 0.5), (24, 30, np.nan), (24, 30, np.nan)]
    pages = [np.pad(np.full((2, number), 1, np.uint8), 5)[:20] for number in range(1, 6)]
    pages = [np.pad(page, ((0, h - page.shape[0]), (0, w - page.shape[1])))
             for page, (h, w, _) in zip(pages, sizes, strict=True)]  # fmt: skip
    ome_tiff.write_ome(tmp_path / "labels.ome.tif", pages, sizes, np.uint8, "dish")
    frames = pd.DataFrame(sizes, columns=["height", "width", "pixel_size_um"])
    frames = frames.assign(sample=list("abcde"), frame=range(5), image="a", cells=1)
    export(tmp_path, frames, [1] * 5)
    features = json.loads((tmp_path / "cells.geojson").read_text())["features"]
    with tifffile.TiffFile(tmp_path / "labels.ome.tif") as stack:
        shown = [np.atleast_3d(series.asarray().reshape(-1, *series.shape[-2:])) for series in stack.series]
    assert len(shown) == 3
    for number, (feature, roi) in enumerate(
        zip(features, roifile.roiread(tmp_path / "rois.zip"), strict=True)
    ):
        properties, time = feature["properties"], feature["geometry"]["plane"]["t"]
        assert roi.t_position == time + 1
        page = shown[properties["series"] - 1][time]
        assert (page > 0).sum() == area(feature["geometry"]["coordinates"]) == 2 * (number + 1)


def test_outlines_come_back_as_masks(exported):
    labels, folder = exported
    for page in (0, 1):
        mask = masks.read_mask(folder / "rois.zip", "instances", page, (50, 60), "dish")
        assert (mask.labels == labels[page]).all()
    collection = json.loads((folder / "cells.geojson").read_text())
    for page, name in enumerate(("first", "second")):
        own = [each for each in collection["features"] if each["geometry"]["plane"]["t"] == page]
        path = folder / f"{name}.geojson"
        path.write_text(json.dumps(collection | {"features": own}))
        assert (masks.read_mask(path, "instances", None, (50, 60), "dish").labels == labels[page]).all()
