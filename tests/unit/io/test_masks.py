import json
import zipfile

import numpy as np
import pytest
import roifile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import save
from PIL import Image
from skimage import draw

from brightcell.errors import InputError
from brightcell.io import coco as coco_files
from brightcell.io import masks, rasterize, readers

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=12)
ids = st.sampled_from([0, 1, 2, 255, 256, 65535, 65536, 2**31 - 1])


def two_squares(dtype=np.uint8, first=1, second=1):
    mask = np.zeros((20, 30), dtype)
    mask[2:8, 2:8], mask[10:18, 12:20] = first, second
    return mask


@pytest.mark.parametrize("value", [1, 255])
def test_a_binary_mask_is_split_into_its_pieces(tmp_path, value):
    labels, mask_type, *_ = masks.read_mask(save(tmp_path / "a.png", two_squares(first=value, second=value)))
    assert (mask_type, labels.dtype, labels.max()) == ("binary", np.int32, 2)
    assert np.bincount(labels.ravel())[1:].tolist() == [36, 64]


def test_pieces_that_touch_at_a_corner_are_one_cell(tmp_path):
    mask = np.eye(8, dtype=np.uint8)
    assert masks.read_mask(save(tmp_path / "a.tif", mask))[0].max() == 1


def test_a_mask_of_two_values_without_a_zero(tmp_path):
    labels, mask_type, *_ = masks.read_mask(save(tmp_path / "a.tif", two_squares() + 4))
    assert mask_type == "binary"
    np.testing.assert_array_equal(labels > 0, two_squares() > 0)


def test_a_mask_of_fractions_is_binary(tmp_path):
    labels, mask_type, *_ = masks.read_mask(save(tmp_path / "a.tif", two_squares().astype(np.float32) / 255))
    assert (mask_type, labels.max()) == ("binary", 2)


def test_numbers_of_cells_are_kept(tmp_path):
    mask = two_squares(np.uint16, 300, 65535)
    labels, mask_type, *_ = masks.read_mask(save(tmp_path / "a.png", mask))
    assert mask_type == "instances"
    np.testing.assert_array_equal(labels, mask)


def test_the_mask_type_can_be_declared(tmp_path):
    one = save(tmp_path / "one.tif", two_squares(first=7, second=7))
    assert np.unique(masks.read_mask(one, "instances")[0]).tolist() == [0, 7]
    several = save(tmp_path / "several.tif", two_squares(first=3, second=200))
    labels, mask_type, *_ = masks.read_mask(several, "binary")
    assert (mask_type, np.bincount(labels.ravel())[1:].tolist()) == ("binary", [36, 64])


def test_a_jpeg_mask_is_binary_and_does_not_grow(tmp_path):
    mask = two_squares(first=255, second=255).repeat(9, 0).repeat(9, 1)
    path = save(tmp_path / "a.jpg", mask)
    assert len(np.unique(readers.read_image(path))) > 2
    labels, mask_type, *_ = masks.read_mask(path)
    assert (mask_type, labels.max()) == ("binary", 2)
    assert ((labels > 0) == (mask > 0)).mean() > 0.999
    with pytest.raises(InputError, match="JPEG"):
        masks.read_mask(path, "instances")
    numbers = save(tmp_path / "b.jpg", two_squares(first=100, second=200).repeat(8, 0).repeat(8, 1))
    with pytest.raises(InputError, match="Expected TIFF or PNG"):
        masks.read_mask(numbers)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.random.default_rng(1).integers(0, 255, (9, 9, 3), dtype=np.uint8), "a coloured mask"),
        (np.linspace(0, 3, 100, dtype=np.float32).reshape(10, 10), "fractions or NaN"),
        (np.full((9, 9), np.nan, np.float32), "fractions or NaN"),
        (np.array([[0, -1, 2]] * 3, np.int16), "mask values from -1 to 2"),
        (np.array([[0, 1, 2**32 - 1]] * 3, np.uint32), "to 4294967295"),
        (np.zeros((9, 20, 30), np.uint8), "a stack of 9 pages"),
        (np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((20, 30), np.uint8), "a stack of 3 pages"),
    ],
)
def test_masks_that_are_refused(tmp_path, mask, message):
    options = {} if mask.shape[-1] == 3 else {"photometric": "minisblack"}
    with pytest.raises(InputError, match=message):
        masks.read_mask(save(tmp_path / "a.tif", mask, **options))


def test_a_grey_mask_saved_in_colour_is_read(tmp_path):
    mask = np.stack([two_squares(first=1, second=2)] * 3, axis=-1)
    assert masks.read_mask(save(tmp_path / "a.png", mask))[0].max() == 2


@quick
@given(hnp.arrays(np.uint32, shapes, elements=ids))
def test_any_number_of_a_cell_survives_reading(tmp_path, labels):
    path = save(tmp_path / "a.tif", labels, photometric="minisblack")
    np.testing.assert_array_equal(masks.read_mask(path, "instances")[0], labels)


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_every_colour_is_a_cell(tmp_path, suffix):
    colours = np.zeros((20, 30, 3), np.uint8)
    colours[2:8, 2:8], colours[10:18, 12:20] = (255, 0, 0), (0, 0, 7)
    mask = masks.read_mask(save(tmp_path / f"a{suffix}", colours))
    assert (mask.mask_type, mask.source) == ("instances", "colours")
    assert np.unique(mask.labels, return_counts=True)[1].tolist() == [500, 64, 36]
    assert set(np.unique(mask.labels)) == {0, 7, 255 << 16}


def test_without_black_the_commonest_colour_is_background(tmp_path):
    colours = np.full((20, 30, 3), (255, 255, 250), np.uint8)
    colours[2:8, 2:8], colours[10:18, 12:20] = (255, 0, 0), (0, 255, 0)
    labels = masks.read_mask(save(tmp_path / "a.png", colours)).labels
    assert (labels > 0).sum() == 100


def test_one_colour_on_black_is_binary(tmp_path):
    mask = masks.read_mask(save(tmp_path / "a.png", two_squares()[..., None] * np.uint8([255, 80, 0])))
    assert (mask.mask_type, mask.labels.max()) == ("binary", 2)


def test_smoothed_edges_of_colours_are_refused(tmp_path):
    colours = Image.fromarray(two_squares()[..., None] * np.uint8([255, 80, 0])).resize(
        (37, 26), Image.BICUBIC
    )
    with pytest.raises(InputError, match="without anti-aliasing"):
        masks.read_mask(save(tmp_path / "a.png", np.asarray(colours)))


def test_a_mask_drawn_on_a_transparent_sheet(tmp_path):
    sheet = np.zeros((20, 30, 4), np.uint8)
    sheet[..., 0], sheet[..., 3] = 200, two_squares() * 255
    assert np.bincount(masks.read_mask(save(tmp_path / "a.png", sheet)).labels.ravel()).tolist() == [
        500,
        36,
        64,
    ]


def test_numbers_of_indexed_colours_are_kept(tmp_path):
    picture = Image.fromarray(two_squares(first=3, second=9), "P")
    picture.putpalette([0, 0, 0, *np.random.default_rng(1).integers(0, 255, 765).tolist()])
    picture.save(tmp_path / "a.png")
    mask = masks.read_mask(tmp_path / "a.png")
    assert (mask.source, np.unique(mask.labels).tolist()) == ("indexed colours", [0, 3, 9])


def test_a_page_of_a_stack_of_masks(tmp_path):
    stack = np.stack([two_squares(first=page, second=page + 1) for page in range(1, 6)])
    path = save(tmp_path / "a.tif", stack, photometric="minisblack")
    assert np.unique(masks.read_mask(path, page=3).labels).tolist() == [0, 4, 5]
    single = save(tmp_path / "b.tif", stack[0])
    assert np.unique(masks.read_mask(single, page=3).labels).tolist() == [0, 1, 2]


@pytest.mark.parametrize("numbers", [(0, 7), (4, 5)])
def test_components_turn_back_into_numbers(tmp_path, numbers):
    stored = np.where(two_squares(), *numbers[::-1]).astype(np.uint16)
    mask = masks.read_mask(save(tmp_path / "a.tif", stored))
    assert mask.labels.max() == 2
    np.testing.assert_array_equal(masks.as_instances(mask.labels, mask.numbers), stored)


@quick
@given(hnp.arrays(np.int32, shapes, elements=ids))
def test_distinct_values_are_those_of_unique(labels):
    assert masks.distinct(labels).tolist() == np.unique(labels).tolist()


# Outlines: shapes of known area.

SHAPE = (120, 160)


def circle(x, y, radius, points=400):
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def rectangle(x, y, width, height):
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], float)


def test_a_rectangle_holds_exactly_its_pixels():
    labels, overlap = rasterize.paint([rasterize.fill([[rectangle(10, 20, 30, 40)]], SHAPE)], SHAPE)
    expected = np.zeros(SHAPE, np.int32)
    expected[20:60, 10:40] = 1
    np.testing.assert_array_equal(labels, expected)
    assert overlap == 0


@pytest.mark.parametrize("radius", [20, 33.3, 50])
def test_a_circle_has_its_area_and_its_centre(radius):
    labels, _ = rasterize.paint([rasterize.fill([[circle(80.2, 59.7, radius)]], SHAPE)], SHAPE)
    assert (labels > 0).sum() == pytest.approx(np.pi * radius**2, rel=0.01)
    rows, columns = np.nonzero(labels)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((80.2, 59.7), abs=0.1)


def test_holes_and_parts():
    ring = [circle(60, 60, 40), circle(60, 60, 20)]
    cell = rasterize.fill([ring, [rectangle(120, 10, 20, 30)]], SHAPE)
    assert cell.pixels.sum() == pytest.approx(np.pi * (40**2 - 20**2) + 600, rel=0.01)


def test_an_outline_is_cut_at_the_edge_of_the_image():
    cell = rasterize.fill([[rectangle(-10, 100, 30, 90)]], SHAPE)
    assert (cell.row, cell.column, cell.pixels.sum()) == (100, 0, 400)
    assert rasterize.fill([[rectangle(500, 500, 30, 90)]], SHAPE).pixels.size == 0


def test_outlines_are_filled_as_by_another_program():
    """Stars of random corners, some beyond the frame, some with lines that cross."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        ring = rng.uniform(-30, 130, (rng.integers(3, 12), 2))
        filled, _ = rasterize.paint([rasterize.fill([[ring]], (90, 100))], (90, 100))
        other = draw.polygon2mask((90, 100), ring[:, ::-1] - 0.5)
        assert np.array_equal(filled == 1, other)


def test_cells_with_a_common_border_through_the_centres_of_pixels_do_not_overlap():
    left, right = (
        [[5.5, 4.5], [20.5, 4.5], [20.5, 30.5], [5.5, 30.5]],
        [[20.5, 4.5], [28, 4.5], [28, 30.5], [20.5, 30.5]],
    )
    labels, overlap = rasterize.paint(
        [rasterize.fill([[np.array(ring)]], (40, 40)) for ring in (left, right)], (40, 40)
    )
    assert overlap == 0
    assert (labels == 1).sum() == 15 * 26
    assert (labels[4:30, 5:20] == 1).all()
    assert (labels[4:30, 20:28] == 2).all()


@pytest.mark.parametrize("order", [1, -1])
def test_a_pixel_of_two_cells_goes_to_the_smaller(order):
    cells = [
        rasterize.fill([[rectangle(0, 0, 50, 50)]], SHAPE),
        rasterize.fill([[rectangle(10, 10, 5, 5)]], SHAPE),
    ]
    labels, overlap = rasterize.paint(cells[::order], SHAPE)
    assert overlap == 25
    assert np.bincount(labels.ravel())[1:].tolist() == [2475, 25][::order]


def write_rois(path, *rois):
    with zipfile.ZipFile(path, "w") as archive:
        for number, roi in enumerate(rois):
            archive.writestr(f"{number:04d}.roi", roi.tobytes())
    return path


def roi_of(points, position=0):
    roi = roifile.ImagejRoi.frompoints(points)
    roi.roitype = roifile.ROI_TYPE.POLYGON
    roi.position = position
    return roi


def box_roi(kind, left, top, right, bottom):
    roi = roifile.ImagejRoi()
    roi.roitype, roi.left, roi.top, roi.right, roi.bottom = kind, left, top, right, bottom
    roi.version = 227
    return roi


def test_rois_of_imagej(tmp_path):
    path = write_rois(
        tmp_path / "a.zip",
        roi_of(rectangle(10, 20, 30, 40).astype(int)),
        roi_of(circle(100, 60, 25.5)),
        box_roi(roifile.ROI_TYPE.RECT, 60, 5, 70, 25),
        box_roi(roifile.ROI_TYPE.OVAL, 10, 70, 70, 110),
        box_roi(roifile.ROI_TYPE.LINE, 0, 0, 9, 9),
    )
    mask = masks.read_mask(path, shape=SHAPE)
    assert mask.mask_type == "instances"
    expected = [1200, np.pi * 25.5**2, 200, np.pi * 30 * 20]
    assert np.bincount(mask.labels.ravel())[1:].tolist() == pytest.approx(expected, rel=0.01)
    assert mask.labels[20:60, 10:40].min() == 1
    assert any("1 ROIs are no areas" in note for note in mask.notes)


def test_a_single_roi(tmp_path):
    (tmp_path / "a.roi").write_bytes(roi_of(rectangle(10, 20, 30, 40).astype(int)).tobytes())
    assert (masks.read_mask(tmp_path / "a.roi", shape=SHAPE).labels == 1).sum() == 1200


def test_rois_of_one_page_of_a_stack(tmp_path):
    squares = [
        roi_of(rectangle(10 * side, 20, side, side).astype(int), position)
        for side, position in ((4, 1), (5, 2), (6, 0))
    ]
    path = write_rois(tmp_path / "a.zip", *squares)
    found = [
        np.bincount(masks.read_mask(path, page=page, shape=SHAPE).labels.ravel())[1:].tolist()
        for page in (0, 1, 2)
    ]
    assert found == [[16, 36], [25, 36], [36]]


def test_a_zip_without_rois(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "x")
    with pytest.raises(InputError, match=r"without any \.roi file"):
        masks.read_mask(tmp_path / "a.zip", shape=SHAPE)


def coco(path, *annotations, images=("img/a.png", "img/b.png")):
    content = {
        "images": [
            {"id": number, "file_name": name, "height": SHAPE[0], "width": SHAPE[1]}
            for number, name in enumerate(images)
        ],
        "annotations": [{"image_id": image, "segmentation": shapes} for image, shapes in annotations],
    }
    path.write_text(json.dumps(content))
    return path


def columns_in_runs(mask):
    """COCO's uncompressed run lengths of a bool image."""
    flat = np.concatenate([[False], mask.T.ravel(), [not mask.T.ravel()[-1]]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff([0, *edges]).tolist()


def test_coco_polygons_and_run_lengths_of_one_image(tmp_path):
    y, x = np.indices(SHAPE)
    disc = np.hypot(y - 60, x - 90) < 20
    path = coco(
        tmp_path / "all.json",
        (1, [rectangle(10, 20, 30, 40).ravel().tolist()]),
        (0, [rectangle(0, 0, 5, 5).ravel().tolist()]),
        (1, {"size": list(SHAPE), "counts": columns_in_runs(disc)}),
        (1, None),
    )
    mask = masks.read_mask(path, shape=SHAPE, image="data/img/b.png")
    assert (mask.labels > 0).sum() == 1200 + disc.sum()
    np.testing.assert_array_equal(mask.labels == 2, disc)
    assert any("1 annotations have a box but no outline" in note for note in mask.notes)
    assert (masks.read_mask(path, shape=SHAPE, image="data/img/a.png").labels > 0).sum() == 25


def test_coco_refuses_what_it_cannot_tell(tmp_path):
    path = coco(tmp_path / "all.json", (0, [[0, 0, 5, 0, 5, 5]]), images=("x/a.png", "y/a.png"))
    with pytest.raises(InputError, match=r"2 images \(x/a.png, y/a.png, …\) none is called b.png"):
        masks.read_mask(path, shape=SHAPE, image="b.png")
    with pytest.raises(InputError, match=r"2 are called a\.png"):
        masks.read_mask(path, shape=SHAPE, image="z/a.png")
    with pytest.raises(InputError, match=r"for 120 × 160 px, the image x/a\.png is 60 × 80 px"):
        masks.read_mask(path, shape=(60, 80), image="x/a.png")


def test_compressed_run_lengths():
    # The texts are those that COCO's own library, pycocotools, writes for these masks.
    box = np.zeros((7, 9), bool)
    box[2:5, 3:8] = box[0, 0] = box[6, 8] = True
    y, x = np.mgrid[:60, :80]
    disc = (y - 30) ** 2 + (x - 40) ** 2 < 25**2
    long = "hn0=\\16K4L4M2M4M2N2N2O0O2N2O0O2O0O2O000O2O000000000000000000000001N10001N101N101N2N101N2N2N3L3N3L4L5J_k0"
    for text, mask in (("01f02^O00000004N", box), (long, disc)):
        np.testing.assert_array_equal(
            coco_files.run_lengths({"size": list(mask.shape), "counts": text}, mask.shape), mask
        )


def geojson(path, *features, collection=True):
    features = [
        {
            "type": "Feature",
            "properties": {"objectType": kind},
            "geometry": {"type": shape, "coordinates": places},
        }
        for kind, shape, places in features
    ]
    path.write_text(
        json.dumps({"type": "FeatureCollection", "features": features} if collection else features)
    )
    return path


def closed(points):
    return [*points.tolist(), points[0].tolist()]


@pytest.mark.parametrize("collection", [True, False])
@pytest.mark.parametrize("suffix", [".geojson", ".json"])
def test_geojson_with_holes_and_parts(tmp_path, collection, suffix):
    path = geojson(
        tmp_path / f"a{suffix}",
        ("annotation", "Polygon", [closed(circle(60, 60, 40)), closed(circle(60, 60, 20))]),
        (
            "annotation",
            "MultiPolygon",
            [[closed(rectangle(120, 10, 20, 30))], [closed(rectangle(120, 60, 10, 10))]],
        ),
        ("annotation", "Point", [3, 4]),
        collection=collection,
    )
    mask = masks.read_mask(path, shape=SHAPE)
    expected = [np.pi * (40**2 - 20**2), 700]
    assert np.bincount(mask.labels.ravel())[1:].tolist() == pytest.approx(expected, rel=0.01)
    assert any("1 features" in note for note in mask.notes)


def test_regions_around_the_cells_of_qupath_are_no_cells(tmp_path):
    path = geojson(
        tmp_path / "a.geojson",
        ("annotation", "Polygon", [closed(rectangle(0, 0, 160, 120))]),
        ("cell", "Polygon", [closed(rectangle(10, 10, 20, 20))]),
    )
    assert np.bincount(masks.read_mask(path, shape=SHAPE).labels.ravel()).tolist() == [120 * 160 - 400, 400]


def test_outlines_in_micrometres_are_refused(tmp_path):
    path = geojson(tmp_path / "a.geojson", ("cell", "Polygon", [closed(rectangle(1000, 2000, 50, 50))]))
    with pytest.raises(InputError, match=r"none of its 1 outlines.*in px of this image, not in µm"):
        masks.read_mask(path, shape=SHAPE, image="a.png")


def test_a_file_without_outlines_is_a_frame_without_cells(tmp_path):
    assert not masks.read_mask(geojson(tmp_path / "a.geojson"), shape=SHAPE).labels.any()


def test_outlines_can_be_declared_binary(tmp_path):
    square, inner = closed(rectangle(10, 10, 20, 20)), closed(rectangle(12, 12, 4, 4))
    path = geojson(tmp_path / "a.geojson", ("cell", "Polygon", [square]), ("cell", "Polygon", [inner]))
    mask = masks.read_mask(path, "binary", shape=SHAPE)
    assert (mask.mask_type, mask.labels.max(), (mask.labels > 0).sum()) == ("binary", 1, 400)
    assert any("overlap on 16 pixels, which go to the smaller" in note for note in mask.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"{", "damaged or truncated"),
        ("a.json", b'{"a": 1}', "neither COCO"),
        ("a.json", b"[1, 2]", "neither COCO"),
        ("a.json", b"\xff\xfe\x00", "damaged or truncated"),
        ("a.geojson", b"", "damaged or truncated"),
        ("a.geojson", b'[{"geometry": {"type": "Polygon", "coordinates": [[["x", 2]]]}}]', "damaged"),
        (
            "a.geojson",
            b'[{"geometry": {"type": "Polygon", "coordinates": [[[NaN, 2], [3, 4], [5, 6]]]}}]',
            "no numbers",
        ),
        ("a.zip", b"PK\x03\x04broken", "damaged or truncated"),
        ("a.roi", b"Iout", "damaged or truncated"),
        ("a.roi", b"", "damaged or truncated"),
    ],
)
def test_outlines_that_cannot_be_read(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        masks.read_mask(tmp_path / name, shape=SHAPE, image="a.png")
    assert str(tmp_path / name) in str(raised.value)


def test_pieces_of_a_number_are_cells_of_their_own(tmp_path):
    mask = two_squares(first=3, second=3)
    mask[2:8, 8:12] = 1  # touches the first square
    labels, mask_type, *_ = masks.read_mask(save(tmp_path / "a.png", mask), "pieces")
    assert mask_type == "instances"
    assert sorted(np.bincount(labels.ravel())[1:].tolist()) == [24, 36, 64]
    ignoring, *_ = masks.read_mask(save(tmp_path / "a.png", mask), "pieces", ignore=1)
    assert (ignoring == masks.IGNORED).sum() == 24
    assert ignoring.max() == 2


def test_panels_hold_a_cell_each_filled_or_as_a_line(tmp_path):
    panels = np.zeros((20, 90), np.uint8)
    panels[4:10, 4:10] = 1
    panels[12:18, 45:51] = 1
    panels[13:17, 46:50] = 0  # a line around 16 pixels
    panels[0:5, 70] = panels[0:5, 76] = panels[4, 70:77] = 1  # cut off by the border
    labels, mask_type, source, *_ = masks.read_mask(save(tmp_path / "a.png", panels), panel_width=30)
    assert (labels.shape, mask_type, source) == ((20, 30), "instances", "a panel a cell")
    assert np.bincount(labels.ravel())[1:].tolist() == [36, 36, 35]
    empty, *_ = masks.read_mask(save(tmp_path / "a.png", np.zeros((20, 30), np.uint8)), panel_width=30)
    assert empty.max() == 0
    numbered = two_squares(second=2)
    assert masks.read_mask(save(tmp_path / "a.png", numbered), panel_width=30).source == "numbers"
    with pytest.raises(InputError, match="2 panels of 30 px with more than two values"):
        masks.read_mask(save(tmp_path / "a.png", np.hstack([numbered, numbered])), panel_width=30)


def test_the_size_of_a_mask_and_panels_side_by_side():
    masks.check_size_of_mask("m", (20, 30), "i", (20, 30, 3))
    with pytest.raises(
        InputError, match=r"20 × 60 px, its image i is 20 × 150 px.*Then write `images: \{panels: 5\}`"
    ):
        masks.check_size_of_mask("m", (20, 60), "i", (20, 150))
    with pytest.raises(InputError, match="another frame's mask"):
        masks.check_size_of_mask("m", (20, 60), "i", (20, 61))
    with pytest.raises(InputError, match="another frame's mask"):
        masks.check_size_of_mask("m", (20, 60), "i", (20, 150), 3)
