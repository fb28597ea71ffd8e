"""Files of annotation tools, written here as their documentation describes them, and NumPy arrays."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from brightcell.errors import InputError
from brightcell.io import annotations, masks, readers

SHAPE = (60, 80)


def areas(path, image="data/a.png", **known):
    labels = masks.read_mask(path, shape=SHAPE, image=image, **known).labels
    return np.bincount(labels[labels > 0], minlength=1)[1:].tolist()


def square(side, left=10, top=10):
    return [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]


def labelme(path, *shapes, **more):
    content = {
        "version": "5.4.1",
        "flags": {},
        "imagePath": "a.png",
        "imageHeight": 60,
        "imageWidth": 80,
    } | more
    content["shapes"] = [
        {"label": "cell", "group_id": None, "shape_type": "polygon", "flags": {}} | each for each in shapes
    ]
    path.write_text(json.dumps(content))
    return path


def test_labelme(tmp_path):
    pixels = io.BytesIO()
    Image.fromarray(np.full((4, 5), 255, np.uint8)).save(pixels, "PNG")
    path = labelme(
        tmp_path / "a.json",
        {"points": square(5)},
        {"points": square(6, 30), "group_id": 1},
        {"points": square(2, 40), "group_id": 1},
        {"points": [[50, 10], [57, 13]], "shape_type": "rectangle"},
        {"points": [[30, 40], [30, 50]], "shape_type": "circle"},
        {
            "points": [[70, 50], [74, 53]],
            "shape_type": "mask",
            "mask": base64.b64encode(pixels.getvalue()).decode(),
        },
        {"points": [[1, 1], [2, 2]], "shape_type": "line"},
        {"points": square(3, 60, 30), "label": "Ignore"},
    )
    found = areas(path)
    assert found[:3] + found[4:] == [25, 36 + 4, 21, 20]
    assert found[3] == pytest.approx(np.pi * 100, rel=0.02)
    mask = masks.read_mask(path, shape=SHAPE)
    assert (mask.labels == masks.IGNORED).sum() == 9
    assert "1 shapes are no areas and are left out" in mask.notes
    with pytest.raises(
        InputError, match=r"annotations of a\.png are for 30 × 80 px, the image data/a\.png is 60 × 80"
    ):
        areas(labelme(path, imageHeight=30))


def via(path, entries, project):
    content = {f"{each['filename']}123": each for each in entries}
    path.write_text(json.dumps({"_via_settings": {}, "_via_img_metadata": content} if project else content))
    return path


@pytest.mark.parametrize("project", [True, False])
@pytest.mark.parametrize("listed", [list, lambda regions: {str(n): each for n, each in enumerate(regions)}])
def test_via(tmp_path, project, listed):
    x, y = np.array(square(5)).T.tolist()
    regions = [
        {
            "shape_attributes": {"name": "polygon", "all_points_x": x, "all_points_y": y},
            "region_attributes": {"kind": "cell"},
        },
        {
            "shape_attributes": {"name": "rect", "x": 30, "y": 10, "width": 4, "height": 3},
            "region_attributes": {},
        },
        {
            "shape_attributes": {"name": "circle", "cx": 30, "cy": 40, "r": 10},
            "region_attributes": {"kind": "cell"},
        },
        {
            "shape_attributes": {
                "name": "ellipse",
                "cx": 60,
                "cy": 30,
                "rx": 12,
                "ry": 5,
                "theta": np.pi / 2,
            },
            "region_attributes": {"kind": "Ignore"},
        },
        {"shape_attributes": {"name": "point", "cx": 3, "cy": 3}, "region_attributes": {}},
    ]
    others = {"filename": "b.png", "size": 9, "regions": listed([])}
    path = via(
        tmp_path / "via.json", [{"filename": "a.png", "size": 1, "regions": listed(regions)}, others], project
    )
    found = areas(path)
    assert found[:2] == [25, 12]
    assert found[2] == pytest.approx(np.pi * 100, rel=0.02)
    rows, columns = np.nonzero(masks.read_mask(path, shape=SHAPE, image="a.png").labels == masks.IGNORED)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (24, 10)  # the ellipse stands upright
    assert annotations.image_names(path) == ["a.png", "b.png"]
    assert areas(path, "b.png") == []
    with pytest.raises(InputError, match=r"of its 2 images \(a\.png, b\.png, …\) none is called c\.png"):
        areas(path, "c.png")


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta/>
<image id="0" name="set/a.png" width="80" height="60">
  <polygon label="cell" occluded="0" points="10.00,10.00;15.00,10.00;15.00,15.00;10.00,15.00" z_order="0"/>
  <box label="cell" xtl="30" ytl="10" xbr="34" ybr="13"/>
  <ellipse label="cell" cx="30" cy="40" rx="10" ry="5"/>
  <mask label="cell" rle="1, 3, 2, 2" left="60" top="40" width="4" height="2"/>
  <points label="cell" points="1,1;2,2"/>
</image>
<image id="1" name="set/b.png" width="80" height="60"/>
</annotations>"""


def test_cvat(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT)
    found = areas(path, "set/a.png")
    assert found[:2] + found[3:] == [25, 12, 5]
    assert found[2] == pytest.approx(np.pi * 50, rel=0.03)
    labels = masks.read_mask(path, shape=SHAPE, image="set/a.png").labels
    assert (labels[40:42, 60:64] == 4).tolist() == [[False, True, True, True], [False, False, True, True]]
    assert annotations.image_names(path) == ["set/a.png", "set/b.png"]
    path.write_text("<annotations/>")
    with pytest.raises(InputError, match="no element `image`"):
        areas(path)
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>')
    with pytest.raises(InputError, match="defines entities"):
        areas(path)


def test_a_mask_of_cvat_ends_without_its_last_background(tmp_path):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT.replace('rle="1, 3, 2, 2"', 'rle="1, 2"'))
    labels = masks.read_mask(path, shape=SHAPE, image="set/a.png").labels
    assert (labels[40:42, 60:64] == 4).tolist() == [[False, True, True, False], [False] * 4]
    path.write_text(CVAT.replace('rle="1, 3, 2, 2"', 'rle="1, 8"'))
    with pytest.raises(InputError, match="add up to 9, for a mask of 2 × 4"):
        areas(path, "set/a.png")


@pytest.mark.parametrize("end", [".npy", ".npz"])
def test_arrays(tmp_path, end):
    stack = np.random.default_rng(1).integers(0, 9, (5, 12, 13)).astype(np.uint16)
    path = tmp_path / f"a{end}"
    for array in (stack, stack[0], np.moveaxis(stack[:3], 0, -1)):
        np.save(path, array) if end == ".npy" else np.savez(path, masks=array, other=stack)
        with readers.open_image_file(path) as file:
            assert file.pages == (5 if array is stack else 1)
            np.testing.assert_array_equal(file.read(file.pages - 1), array[-1] if array is stack else array)
    np.save(tmp_path / "b.npy", stack)
    np.testing.assert_array_equal(masks.read_mask(tmp_path / "b.npy", page=2).labels, stack[2])


def test_the_masks_of_cellpose_are_read_and_nothing_else_is_built(tmp_path):
    labels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    content = {
        "outlines": labels,
        "masks": labels,
        "filename": "a.png",
        "flows": [labels, None],
        "diameter": np.float64(9),
    }
    np.save(tmp_path / "a_seg.npy", content, allow_pickle=True)
    np.testing.assert_array_equal(masks.read_mask(tmp_path / "a_seg.npy").labels, labels)
    with pytest.raises(InputError, match=r"the masks of Cellpose\. Expected an image"):
        readers.read_image(tmp_path / "a_seg.npy")


class Harmful:
    """Would write a file where its pickle is run."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("kept", [True, False])
def test_a_pickle_is_not_run(tmp_path, kept):
    labels = np.ones((6, 8), np.uint16)
    content = {"masks": labels, "more": Harmful(tmp_path / "harm")} if kept else Harmful(tmp_path / "harm")
    np.save(tmp_path / "a_seg.npy", np.array(content, dtype=object), allow_pickle=True)
    if kept:
        assert masks.read_mask(tmp_path / "a_seg.npy").labels.shape == (6, 8)
    else:
        with pytest.raises(InputError, match="Python objects in place of an array"):
            masks.read_mask(tmp_path / "a_seg.npy")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4, 5, 6)), r"an array of shape \(2, 3, 4, 5, 6\)"),
        (np.zeros((4, 5), complex), "type complex128"),
        (np.array(["a"]), "type <U1"),
    ],
)
def test_arrays_that_are_no_pictures(tmp_path, array, message):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message):
        readers.open_image_file(tmp_path / "a.npy")
    np.savez(tmp_path / "a.npz", first=array, second=array)
    with pytest.raises(InputError, match="holds the arrays first, second"):
        readers.open_image_file(tmp_path / "a.npz")
    (tmp_path / "b.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(InputError, match="damaged or truncated"):
        readers.open_image_file(tmp_path / "b.npy")


def labelbox_row(name, *objects, height=60, width=80):
    return {
        "data_row": {"id": "x", "external_id": name},
        "media_attributes": {"height": height, "width": width},
        "projects": {"p": {"labels": [{"annotations": {"objects": list(objects), "classifications": []}}]}},
    }


def polygon_object(side, left=10, name="cell"):
    return {"name": name, "polygon": [{"x": x, "y": y} for x, y in square(side, left)]}


def test_labelbox(tmp_path):
    path = tmp_path / "export.ndjson"
    box = {"name": "cell", "bounding_box": {"top": 40, "left": 40, "height": 4, "width": 6}}
    rows = [
        labelbox_row("a.png", polygon_object(5), box, {"name": "cell", "point": {"x": 1, "y": 2}}),
        labelbox_row("b.png", polygon_object(7), polygon_object(3, 30, "Ignore")),
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    assert areas(path) == [25, 24]
    assert areas(path, "b.png") == [49]
    assert annotations.image_names(path) == ["a.png", "b.png"]
    older = tmp_path / "older.json"
    polygon = {"title": "cell", "polygon": polygon_object(5)["polygon"]}
    older.write_text(json.dumps([{"External ID": "a.png", "Label": {"objects": [polygon]}}]))
    assert areas(older) == [25]


def test_labelbox_that_does_not_fit(tmp_path):
    path = tmp_path / "export.ndjson"
    path.write_text(
        json.dumps(labelbox_row("a.png", {"name": "cell", "mask": {"url": "https://example.org/1"}}))
    )
    with pytest.raises(InputError, match=r"1 of the 1 objects of a\.png are masks, .* addresses only"):
        areas(path)
    path.write_text(json.dumps(labelbox_row("a.png", polygon_object(5), height=30)))
    with pytest.raises(InputError, match="for 30 × 80 px"):
        areas(path)
    path.write_text("{")
    with pytest.raises(InputError, match="damaged or truncated"):
        areas(path)


def napari(path, *shapes):
    axes = len(shapes[0][1][0])
    lines = [",".join(["index", "shape-type", "vertex-index", *(f"axis-{n}" for n in range(axes))])]
    for index, (kind, points) in enumerate(shapes):
        lines += [f"{index},{kind},{n},{','.join(map(str, point))}" for n, point in enumerate(points)]
    path.write_text("\n".join(lines) + "\n")
    return path


def corners(side, top=10, left=10):
    """The corners of a square of pixels, from their centres, as (row, column)."""
    low, high = -0.5, side - 0.5
    return [(top + y, left + x) for y, x in ((low, low), (low, high), (high, high), (high, low))]


def test_shapes_of_napari(tmp_path):
    path = napari(
        tmp_path / "shapes.csv",
        ("polygon", corners(5)),
        ("rectangle", corners(4, 30, 50)),
        ("ellipse", corners(20, 30, 10)),
        ("path", corners(5, 2, 60)),
    )
    labels = masks.read_mask(path, shape=SHAPE, image="a.png").labels
    assert (labels[10:15, 10:15] == labels[10, 10]).all()
    found = areas(path)
    assert found[:2] == [25, 16]
    assert found[2] == pytest.approx(np.pi * 100, rel=0.02)


def test_shapes_of_napari_belong_to_their_page(tmp_path):
    shapes = [("polygon", [(page, *corner) for corner in corners(4 + page)]) for page in range(3)]
    path = napari(tmp_path / "a_shapes.csv", *shapes)
    for page in range(3):
        assert areas(path, page=page, axes=(("T", 3),)) == [(4 + page) ** 2]
    deep = [("polygon", [(1, 2, *corner) for corner in corners(6)])]
    path = napari(tmp_path / "b_shapes.csv", *deep)
    axes = (("T", 2), ("Z", 3))
    assert areas(path, page=5, axes=axes) == [36]
    assert areas(path, page=4, axes=axes) == []


def test_a_table_that_is_no_shapes_layer(tmp_path):
    (tmp_path / "a.csv").write_text("cell,area\n1,2\n")
    with pytest.raises(InputError, match=r"the columns cell, area\. Expected a shapes layer of napari"):
        areas(tmp_path / "a.csv")


def test_labels_of_labkit_are_asked_for_as_tiff(tmp_path):
    (tmp_path / "a.labeling").write_text("{}")
    with pytest.raises(InputError, match="save them in Labkit as TIFF"):
        areas(tmp_path / "a.labeling")
