"""Outlines of several frames, classes or channels in one file: each frame gets its own cells, or a refusal."""

import json
import zipfile

import numpy as np
import pytest
import roifile
from PIL import Image

from brightcell.errors import InputError
from brightcell.io import coco, masks, outlined

SHAPE = (60, 80)
TIMES, SLICES = (("T", 3),), (("Z", 3),)


def square(side, left=10, top=10):
    return [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]


def features(path, *found, **more):
    """Write a GeoJSON; each of `found` is (outline, plane, properties)."""
    content = [
        {
            "type": "Feature",
            "properties": properties,
            "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
            | ({"plane": plane} if plane else {}),
        }
        | more
        for ring, plane, properties in found
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": content}))
    return path


def rois(path, *found):
    """Write a zip of ROIs; each of `found` is (side, attributes)."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, (side, attributes) in enumerate(found):
            roi = roifile.ImagejRoi.frompoints(np.array(square(side)))
            roi.roitype = roifile.ROI_TYPE.POLYGON
            for name, value in attributes.items():
                setattr(roi, name, value)
            archive.writestr(f"{number:04d}.roi", roi.tobytes())
    return path


def areas(path, **known):
    """Areas of the cells of a frame, in their order."""
    labels = masks.read_mask(path, shape=SHAPE, image="a.tif", **known).labels
    return np.bincount(labels[labels > 0])[1:].tolist() if (labels > 0).any() else []


def at(t=0, z=0):
    return {"c": -1, "z": z, "t": t}


@pytest.mark.parametrize(
    ("planes", "axes"),
    [
        ([at(t=0), at(t=1), at(t=2)], TIMES),
        ([at(z=0), at(z=1), at(z=2)], SLICES),
        ([None, at(t=1), at(t=2)], TIMES),
    ],
)
def test_features_of_one_time_belong_to_its_page(tmp_path, planes, axes):
    path = features(tmp_path / "a.geojson", *((square(4 + n), plane, {}) for n, plane in enumerate(planes)))
    assert [areas(path, page=page, axes=axes) for page in range(3)] == [[16], [25], [36]]


def test_features_without_a_time_are_refused_for_later_pages(tmp_path):
    path = features(tmp_path / "a.geojson", (square(4), None, {}))
    assert areas(path, page=0, axes=TIMES) == [16]
    with pytest.raises(InputError, match=r"no feature says in its `plane` to which frame"):
        areas(path, page=1, axes=TIMES)


def test_features_of_several_series_are_refused(tmp_path):
    path = features(tmp_path / "a.geojson", *((square(4), at(), {"series": number}) for number in (1, 2)))
    with pytest.raises(InputError, match="cells of 2 series"):
        areas(path, page=0, axes=TIMES)


def test_a_sequence_of_single_files_takes_the_positions_in_turn(tmp_path):
    zipped = rois(tmp_path / "a.zip", *((4 + n, {"position": n + 1}) for n in range(3)))
    drawn = features(tmp_path / "a.geojson", *((square(4 + n), at(t=n), {}) for n in range(3)))
    for path in (zipped, drawn):
        assert [areas(path, turn=(place, 3)) for place in range(3)] == [[16], [25], [36]]
        with pytest.raises(InputError, match=r"3 times up to number 3; the image a\.tif is a single frame"):
            areas(path)
        with pytest.raises(InputError, match="the sheet has 2 single frames with these outlines"):
            areas(path, turn=(0, 2))
        with pytest.raises(InputError, match="leave out some of them"):
            areas(path, turn=(None, 3))


def test_one_position_alone_is_the_single_frames_own(tmp_path):
    assert (
        areas(rois(tmp_path / "a.zip", (4, {"position": 7}), (5, {"position": 7, "top": 30, "bottom": 35})))
        != []
    )


@pytest.mark.parametrize("varying", ["z_position", "t_position"])
def test_rois_of_a_hyperstack_with_channels(tmp_path, varying):
    other = {"z_position": "t_position", "t_position": "z_position"}[varying]
    found = [(4 + n, {"position": 2 * n + 1, "c_position": 1, varying: n + 1, other: 1}) for n in range(3)]
    path = rois(tmp_path / "a.zip", *found)
    for axes in (TIMES, SLICES):
        assert [areas(path, page=page, axes=axes, planes=2) for page in range(3)] == [[16], [25], [36]]


def test_positions_of_a_plain_stack_count_its_channels(tmp_path):
    path = rois(tmp_path / "a.zip", (4, {"position": 1}), (5, {"position": 4}), (6, {"position": 5}))
    assert [areas(path, page=page, axes=TIMES, planes=2) for page in range(3)] == [[16], [25], [36]]


def test_rois_with_time_and_depth(tmp_path):
    found = [(4 + 3 * t + z, {"z_position": z + 1, "t_position": t + 1}) for t in range(2) for z in range(3)]
    path, axes = rois(tmp_path / "a.zip", *found), (("T", 2), ("Z", 3))
    assert [areas(path, page=page, axes=axes) for page in range(6)] == [[side**2] for side in range(4, 10)]
    with pytest.raises(InputError, match="frames along one axis at most"):
        areas(path, page=0, axes=(("T", 6),))


def test_positions_beyond_the_stack_are_refused(tmp_path):
    path = rois(tmp_path / "a.zip", (4, {"position": 4}))
    with pytest.raises(InputError, match=r"up to number 4; the image a\.tif has 3"):
        areas(path, page=0, axes=TIMES)


def test_rois_on_several_channels_are_chosen_or_refused(tmp_path):
    path = rois(tmp_path / "a.zip", (4, {"c_position": 1}), (30, {"c_position": 2}))
    assert areas(path, channels=[0]) == [16]
    with pytest.raises(InputError, match=r"ROIs on the channels 0, 1 of one frame"):
        areas(path)


def test_classes_of_qupath(tmp_path):
    path = features(
        tmp_path / "a.geojson",
        (square(20), None, {"objectType": "annotation", "classification": {"name": "Cell"}}),
        (square(8, 12, 12), None, {"objectType": "annotation", "classification": {"name": "Nucleus"}}),
        (square(6, 50, 10), None, {"objectType": "annotation", "classification": {"name": "Ignore*"}}),
    )
    mask = masks.read_mask(path, shape=SHAPE)
    assert ((mask.labels > 0).sum(), (mask.labels == masks.IGNORED).sum(), mask.labels.max()) == (400, 36, 1)
    assert any("1 outlines of the class Nucleus are left out" in note for note in mask.notes)
    assert areas(path, classes=["nucleus"]) == [64]


def test_classes_of_qupath_that_are_made_of_several(tmp_path):
    path = features(
        tmp_path / "a.geojson",
        (square(20), None, {"objectType": "detection", "classification": {"names": ["Cell", "Positive"]}}),
        (
            square(6, 50, 10),
            None,
            {"objectType": "annotation", "classification": {"names": ["Ignore*", "dirt"]}},
        ),
    )
    assert areas(path) == [400]
    assert areas(path, classes=["cell: positive"]) == [400]
    assert (masks.read_mask(path, shape=SHAPE).labels == masks.IGNORED).sum() == 36


def test_cells_within_cells_of_another_class_are_refused(tmp_path):
    path = features(
        tmp_path / "a.geojson",
        (square(20), None, {"classification": {"name": "Yeast"}}),
        (square(8, 12, 12), None, {"classification": {"name": "Vacuole"}}),
    )
    with pytest.raises(
        InputError, match=r"class Vacuole lie within those of the class Yeast.*cell_classes: \[Yeast\]"
    ):
        areas(path)
    assert areas(path, classes=["Yeast"]) == [400]


def test_kinds_of_objects_in_old_versions_of_qupath(tmp_path):
    path = features(tmp_path / "a.geojson", (square(40), None, {}), (square(5), None, {}))
    content = json.loads(path.read_text())
    for feature, kind in zip(
        content["features"], ("PathAnnotationObject", "PathDetectionObject"), strict=True
    ):
        feature["id"] = kind
    path.write_text(json.dumps(content))
    assert areas(path) == [25]


def test_a_tree_of_objects_from_qupath(tmp_path):
    """As its hierarchy is exported: a root without a place, cells below it, or below a region that was drawn around them."""
    path = features(
        tmp_path / "a.geojson",
        (square(5), None, {"objectType": "detection"}),
        (square(6, 30, 10), None, {"objectType": "detection"}),
        (square(40), None, {"objectType": "annotation"}),
    )
    first, second, around = json.loads(path.read_text())["features"]
    around["properties"]["childObjects"] = [first, second]
    root = {"objectType": "root", "childObjects": [around]}
    path.write_text(json.dumps([{"type": "Feature", "geometry": None, "properties": root}]))
    assert areas(path) == [25, 36]


def test_only_a_region_is_annotated(tmp_path):
    path = features(
        tmp_path / "a.geojson",
        (square(40, 5, 5), None, {"objectType": "annotation", "classification": {"name": "Region*"}}),
        (square(10), None, {"objectType": "annotation"}),
        (square(10, 44, 10), None, {"objectType": "annotation"}),
    )
    labels = masks.read_mask(path, shape=SHAPE).labels
    assert ((labels == 0).sum(), np.bincount(labels[labels > 0]).tolist()) == (1600 - 110, [0, 100])
    assert (labels == masks.IGNORED).sum() == 60 * 80 - 1600 + 10


def test_an_outline_around_several_cells_is_no_cell(tmp_path):
    cells = [square(5, 12 + 10 * n, 20) for n in range(3)]
    path = features(tmp_path / "a.geojson", *((ring, None, {}) for ring in (square(45), *cells)))
    mask = masks.read_mask(path, shape=SHAPE)
    assert np.bincount(mask.labels.ravel())[1:].tolist() == [25, 25, 25]
    assert any("1 outlines lie around 3 or more others" in note for note in mask.notes)


def test_outlines_in_micrometres_that_lie_in_the_picture_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    places = [(2, 2), (70, 50), *rng.integers(5, (65, 50), (14, 2)).tolist()]
    for scale in (1, 0.5):
        rings = [(np.array(square(6, *place)) * scale).tolist() for place in places]
        path = features(tmp_path / f"{scale}.geojson", *((ring, None, {}) for ring in rings))
        if scale == 1:
            assert len(areas(path, pixel_size_um=0.5)) == 16
        else:
            with pytest.raises(InputError, match=r"upper left corner of a\.tif.*Are the coordinates in µm"):
                areas(path, pixel_size_um=0.5)
            assert len(areas(path, pixel_size_um=1)) == 16


def dataset(path, images, annotations, **more):
    """Write a COCO file; `images` are (id, name), annotations (image_id, outline, more keys)."""
    content = {
        "images": [
            {"id": key, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]} for key, name in images
        ],
        "annotations": [
            {"id": number, "image_id": image, "segmentation": [np.ravel(ring).tolist()], **rest}
            for number, (image, ring, rest) in enumerate(annotations)
        ],
    }
    path.write_text(json.dumps(content | more))
    return path


def test_categories_of_coco(tmp_path):
    kinds = [{"id": 1, "name": "Cell"}, {"id": 2, "name": "Nucleus"}]
    found = [
        (1, square(20), {"category_id": 1}),
        (1, square(8, 12, 12), {"category_id": 2}),
        (1, square(6, 50, 10), {"category_id": 1, "iscrowd": 1}),
    ]
    path = dataset(tmp_path / "a.json", [(1, "a.tif")], found, categories=kinds)
    assert areas(path) == [400]
    assert (masks.read_mask(path, shape=SHAPE, image="a.tif").labels == masks.IGNORED).sum() == 36
    assert areas(path, classes=["Nucleus"]) == [64]
    with pytest.raises(
        InputError, match=r"has the categories Cell, Nucleus; the config's images.cell_classes asks for Yeast"
    ):
        areas(path, classes=["Yeast"])


def test_ids_of_coco_as_text_and_as_numbers(tmp_path):
    path = dataset(
        tmp_path / "a.json", [(1, "b.tif"), ("2", "a.tif")], [("1", square(4), {}), (2.0, square(5), {})]
    )
    assert areas(path) == [25]
    dataset(path, [(1, "a.tif")], [(1, square(4), {}), (7, square(5), {})])
    with pytest.raises(
        InputError, match="1 of 2 annotations belong to no image of the file, for example to image_id 7"
    ):
        areas(path)


def test_an_image_that_stands_twice_in_coco_has_the_cells_of_both_entries(tmp_path):
    found = [(1, square(4), {}), (2, square(4), {}), (2, square(5, 40), {})]
    path = dataset(tmp_path / "a.json", [(1, "a.tif"), (2, "a.tif")], found)
    assert sorted(areas(path)) == [16, 25]


def test_annotations_of_coco_as_an_object(tmp_path):
    path = dataset(tmp_path / "a.json", [(1, "a.tif")], [(1, square(4), {}), (1, square(5, 40), {})])
    content = json.loads(path.read_text())
    content["annotations"] = {str(each["id"]): each for each in content["annotations"]}
    path.write_text(json.dumps(content), encoding="utf-8-sig")
    assert areas(path) == [16, 25]


def test_an_index_stands_for_its_file(tmp_path):
    path = dataset(
        tmp_path / "a.json", [(1, "a.tif"), (2, "b.tif")], [(1, square(4), {}), (2, square(5), {})]
    )
    coco.write_index(path, tmp_path / "a.sqlite")
    assert coco.image_names(path) == ["a.tif", "b.tif"]
    dataset(path, [(1, "a.tif")], [])
    assert areas(path, database=str(tmp_path / "a.sqlite")) == [16]
    other = features(tmp_path / "b.json", (square(4), None, {}))
    coco.write_index(other, tmp_path / "b.sqlite")
    assert areas(other, database=str(tmp_path / "b.sqlite")) == [16]
    (tmp_path / "c.json").write_text('{"annotations": [{"image_id"')
    with pytest.raises(InputError, match=r"c\.json: damaged or truncated"):
        coco.write_index(tmp_path / "c.json", tmp_path / "c.sqlite")


def test_a_number_for_pixels_that_do_not_count(tmp_path):
    numbers = np.zeros(SHAPE, np.uint8)
    numbers[5:15, 5:15], numbers[5:15, 30:40], numbers[40:] = 1, 2, 255
    for values, kind, count in ((numbers, "instances", 2), (np.where(numbers == 2, 1, numbers), "binary", 2)):
        Image.fromarray(values.astype(np.uint8)).save(tmp_path / "a.png")
        mask = masks.read_mask(tmp_path / "a.png", ignore=255)
        assert (mask.mask_type, masks.distinct(mask.labels).tolist()) == (kind, list(range(count + 1)))
        np.testing.assert_array_equal(mask.labels == masks.IGNORED, numbers == 255)
    np.testing.assert_array_equal(
        masks.as_instances(mask.labels, mask.numbers) == masks.IGNORED, numbers == 255
    )


def test_enclosures_tell_inner_from_outer():
    patches = [outlined.Patch(0, 0, np.ones((20, 20), bool)), outlined.Patch(5, 5, np.ones((4, 4), bool))]
    assert outlined.enclosures([*patches, outlined.Patch(18, 18, np.ones((6, 6), bool))]) == [(1, 0)]


def test_a_folder_with_a_file_a_cell(tmp_path):
    for number, (top, left) in enumerate(((5, 5), (8, 8), (30, 60))):
        cell = np.zeros(SHAPE, np.uint8)
        cell[top : top + 10 - number, left : left + 10 - number] = 255
        Image.fromarray(cell).save(tmp_path / f"{number}.png")
    mask = masks.read_mask(tmp_path)
    assert (mask.mask_type, np.bincount(mask.labels.ravel())[1:].tolist()) == (
        "instances",
        [100 - 49, 81, 64],
    )
    assert mask.notes == ("cells overlap on 49 pixels, which go to the smaller cell",)
    Image.fromarray(cell[:50]).save(tmp_path / "other.png")
    with pytest.raises(InputError, match=r"other\.png: 50 × 80 px, 0\.png in the same folder is 60 × 80 px"):
        masks.read_mask(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="a folder without masks"):
        masks.read_mask(tmp_path / "empty")


def test_a_folder_of_rois_is_as_good_as_a_zip(tmp_path):
    with zipfile.ZipFile(
        rois(tmp_path / "a.zip", *((4 + n, {"position": n + 1}) for n in range(3)))
    ) as archive:
        archive.extractall(tmp_path / "rois")
    assert [areas(tmp_path / "rois", turn=(place, 3)) for place in range(3)] == [[16], [25], [36]]
