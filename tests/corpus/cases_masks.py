"""Masks of every kind, and what goes wrong with them."""

import io
import json
import zipfile

import numpy as np
import roifile
from corpus.case import SIDE, Folder, found, refused, right
from PIL import Image
from scipy import ndimage
from skimage import measure
from textured import scene

IMAGE, LABELS = scene(3, SIDE, cells=8)
FOREGROUND = LABELS > 0
COMPONENTS = measure.label(FOREGROUND, connectivity=2)
SQUARES = np.zeros_like(LABELS)
for number, (row, column) in enumerate(((10, 12), (40, 50), (70, 20)), start=1):
    SQUARES[row : row + 14, column : column + 16] = number
OUTLINES = [
    [(column, row), (column + 16, row), (column + 16, row + 14), (column, row + 14)]
    for row, column in ((10, 12), (40, 50), (70, 20))
]


def mask_case(name, mask, expected, **options):
    """Register a mask in a TIFF that is read right."""

    def make(folder: Folder):
        folder.add(IMAGE, folder.tiff("odd_mask.tif", mask, **options))
        return None, expected

    make.__name__, make.__module__ = name, __name__
    return right(make)


mask_case("a_mask_of_0_and_1", FOREGROUND.astype(np.uint8), COMPONENTS)
mask_case("a_mask_of_0_and_255", FOREGROUND.astype(np.uint8) * 255, COMPONENTS)
mask_case("a_mask_of_any_two_values", np.where(FOREGROUND, 200, 30).astype(np.uint8), COMPONENTS)
mask_case("a_mask_of_one_bit_a_pixel", FOREGROUND, COMPONENTS)
mask_case("a_mask_of_two_fractions", np.where(FOREGROUND, 1 / 255, 0).astype(np.float32), COMPONENTS)
mask_case(
    "ids_above_255",
    np.where(FOREGROUND, LABELS + 300, 0).astype(np.uint16),
    np.where(FOREGROUND, LABELS + 300, 0),
)
mask_case(
    "ids_above_65535", np.where(FOREGROUND, LABELS + 70_000, 0), np.where(FOREGROUND, LABELS + 70_000, 0)
)
mask_case(
    "the_largest_ids_there_can_be",
    np.where(FOREGROUND, 2**31 - LABELS.astype(np.int64), 0).astype(np.uint32),
    np.where(FOREGROUND, 2**31 - LABELS.astype(np.int64), 0),
)
mask_case("ids_of_64_bits", LABELS.astype(np.int64), LABELS)
mask_case("whole_ids_stored_as_floats", LABELS.astype(np.float32), LABELS)
mask_case("a_grey_mask_stored_in_colour", np.dstack([LABELS.astype(np.uint8)] * 3), LABELS)


@right
def a_mask_of_colours(folder: Folder):
    colours = np.random.default_rng(1).integers(60, 255, (9, 3)).astype(np.uint8)
    colours[0] = 0
    Image.fromarray(colours[LABELS]).save(folder.path / "mask.png")
    folder.add(IMAGE, "mask.png")
    red, green, blue = colours[LABELS].astype(int).transpose(2, 0, 1)
    return None, red * 65536 + green * 256 + blue


@right
def a_mask_of_a_palette(folder: Folder):
    picture = Image.fromarray(LABELS.astype(np.uint8), mode="P")
    picture.putpalette([0, 0, 0, *np.random.default_rng(1).integers(50, 255, 765).tolist()])
    picture.save(folder.path / "mask.png")
    folder.add(IMAGE, "mask.png")
    return None, LABELS


@right
def a_binary_mask_as_jpeg(folder: Folder):
    large = np.kron(FOREGROUND[::2, ::2], np.ones((2, 2), bool))
    Image.fromarray(large.astype(np.uint8) * 255).save(folder.path / "mask.jpg", quality=95)
    folder.add(IMAGE, "mask.jpg")


@right
def one_mask_with_ids_among_masks_of_one_cell(folder: Folder):
    folder.add(IMAGE, LABELS, sample="many")
    single = np.where(LABELS == 5, 5, 0)
    folder.add(scene(4, SIDE, cells=8)[0], single)
    return None, single


def _zip(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


@right
def a_zip_of_imagej_rois(folder: Folder):
    rois = {f"{n}.roi": roifile.ImagejRoi.frompoints(points).tobytes() for n, points in enumerate(OUTLINES)}
    folder.add(IMAGE, folder.bytes("mask.zip", _zip(rois)))
    folder.config["check"] = {"ignore": ["wrong_mask"]}  # the squares lie on no cells
    return None, SQUARES


def _coco(name: str = "odd_image.tif", side: int = SIDE) -> bytes:
    annotations = [
        {"id": n, "image_id": 1, "segmentation": [[value for point in points for value in point]]}
        for n, points in enumerate(OUTLINES)
    ]
    images = [{"id": 1, "file_name": name, "height": side, "width": side}]
    return json.dumps({"images": images, "annotations": annotations}).encode()


@right
def a_coco_file(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.json", _coco()))
    folder.config["check"] = {"ignore": ["wrong_mask"]}
    return None, SQUARES


def _geojson(shift: float = 0) -> bytes:
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x + shift, y] for x, y in [*points, points[0]]]],
            },
        }
        for points in OUTLINES
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


@right
def a_geojson_file(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.geojson", _geojson()))
    folder.config["check"] = {"ignore": ["wrong_mask"]}
    return None, SQUARES


@refused("prepare", "mask.json", "called odd_image.tif")
def a_coco_file_of_other_images(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.json", _coco("other.tif")))


@refused("prepare", "mask.json", "200 × 200 px", "96 × 96 px")
def a_coco_file_of_another_size(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.json", _coco(side=200)))


@refused("prepare", "mask.json", "damaged or truncated")
def a_truncated_json(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.json", _coco()[:150]))


@refused("prepare", "mask.json", "neither COCO", "nor GeoJSON")
def a_json_of_something_else(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.json", b'{"cells": 3}'))


@refused("prepare", "mask.geojson", "in px of this image, not in µm")
def outlines_beyond_the_image(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.geojson", _geojson(5000)))


@refused("prepare", "mask.zip", "damaged or truncated")
def a_truncated_zip(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.zip", _zip({"1.roi": bytes(500)})[:60]))


@refused("prepare", "mask.zip", "without any .roi")
def a_zip_without_rois(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.zip", _zip({"notes.txt": b"hello"})))


@refused("prepare", "mask.zip", "bytes when unpacked")
def a_zip_that_would_fill_the_memory(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.zip", _zip({"1.roi": bytes(600_000_000)})))


@refused("prepare", "mask.zip")
def a_zip_of_damaged_rois(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.zip", _zip({"1.roi": b"Iout" + bytes(30)})))


@refused("prepare", "odd_mask.tif", "mask values from -3", "Expected 0 for background")
def negative_ids(folder: Folder):
    folder.add(IMAGE, LABELS - 3)


@refused("prepare", "odd_mask.tif", "fractions or NaN", "Expected whole numbers")
def ids_with_fractions(folder: Folder):
    folder.add(IMAGE, LABELS.astype(np.float32) * 1.3)


@refused("prepare", "odd_mask.tif", "fractions or NaN")
def a_mask_with_nan(folder: Folder):
    mask = LABELS.astype(np.float32)
    mask[0, 0] = np.nan
    folder.add(IMAGE, mask)


@refused("prepare", "odd_mask.tif", "2,147,483,647")
def an_id_beyond_32_bits(folder: Folder):
    folder.add(IMAGE, np.where(FOREGROUND, LABELS.astype(np.int64) + 2**33, 0))


@refused("prepare", "odd_mask.tif", "80 × 96 px", "96 × 96 px", "Expected the same size")
def a_mask_of_another_size(folder: Folder):
    folder.add(IMAGE, LABELS[:80])


@refused("prepare", "odd_mask.tif", "odd_image.tif", "turned")
def a_mask_with_rows_and_columns_exchanged(folder: Folder):
    folder.add(IMAGE[:80], LABELS[:80].T)


@refused("prepare", "odd_mask.tif", "a stack of 9 pages")
def a_mask_that_is_a_stack(folder: Folder):
    folder.add(IMAGE, np.stack([LABELS] * 9))


@refused("prepare", "mask.png", "smoothed edges", "without anti-aliasing")
def colours_with_smoothed_edges(folder: Folder):
    colours = np.random.default_rng(1).integers(60, 255, (9, 3)).astype(np.uint8)
    colours[0] = 0
    smooth = ndimage.gaussian_filter(colours[LABELS].astype(float), (1, 1, 0))
    Image.fromarray(smooth.round().astype(np.uint8)).save(folder.path / "mask.png")
    folder.add(IMAGE, "mask.png")


@refused("prepare", "mask.jpg", "a JPEG as mask")
def ids_in_a_jpeg(folder: Folder):
    Image.fromarray((LABELS * 25).astype(np.uint8)).save(folder.path / "mask.jpg", quality=95)
    folder.add(IMAGE, "mask.jpg")


@refused("prepare", "odd_mask.tif", "damaged or truncated")
def a_mask_of_zero_bytes(folder: Folder):
    folder.add(IMAGE, folder.bytes("odd_mask.tif", b""))


@refused("prepare", "mask.mat", "the format .mat is not read")
def a_mask_of_an_unknown_format(folder: Folder):
    folder.add(IMAGE, folder.bytes("mask.mat", b"MATLAB 5.0"))


@found("scattered")
def a_grey_mask_with_smoothed_edges(folder: Folder):
    folder.add(IMAGE, ndimage.gaussian_filter(FOREGROUND * 255.0, 1).round().astype(np.uint8))


@found("repeated")
def classes_for_cells(folder: Folder):
    image, labels = scene(9, 160, cells=20)
    folder.add(image, np.where(labels > 0, labels % 4 + 1, 0).astype(np.uint8))


@found("empty_mask", "warning")
def a_mask_without_cells(folder: Folder):
    folder.add(IMAGE, 0 * LABELS)


@found("no_cells")
def masks_without_cells_everywhere(folder: Folder):
    folder.rows = []
    for seed in range(3):
        image, labels = scene(seed, SIDE, cells=8)
        folder.add(image, 0 * labels, sample=f"s{seed}", group=f"g{seed}")


@found("full_mask", "warning")
def a_mask_without_background(folder: Folder):
    folder.add(IMAGE, 0 * LABELS + 1)
    folder.config["images"] = {"mask_type": "instances"}


@found("inverted")
def an_inverted_mask(folder: Folder):
    image, labels = scene(9, 160, cells=20)
    folder.add(image, (labels == 0).astype(np.uint8) * 255)


@found("mostly_cell", "warning")
def background_with_a_number_of_its_own(folder: Folder):
    folder.add(IMAGE, LABELS + 1)


@found("shifted")
def a_mask_beside_its_cells(folder: Folder):
    image, labels = scene(9, 200, cells=30)
    folder.add(image, np.roll(labels, (12, -9), (0, 1)))


@found("offset", "warning")
def a_mask_a_little_beside_its_cells(folder: Folder):
    image, labels = scene(9, 200, cells=30)
    folder.add(image, np.roll(labels, 5, 1))


@found("turned")
def a_mirrored_mask(folder: Folder):
    image, labels = scene(9, 200, cells=30)
    folder.add(image, labels[:, ::-1])


@found("wrong_mask")
def the_mask_of_another_frame(folder: Folder):
    for seed in range(10, 16):
        folder.add(*scene(seed, 160, cells=20), sample=f"s{seed}")
    folder.add(scene(9, 160, cells=20)[0], scene(40, 160, cells=20)[1])


@found("duplicate_mask", "warning")
def the_same_mask_for_two_frames(folder: Folder):
    folder.add(IMAGE, LABELS)
    folder.add(scene(40, SIDE, cells=8)[0], LABELS, sample="other")


@found("pieces", "warning")
def two_cells_with_one_id(folder: Folder):
    folder.add(IMAGE, np.where(LABELS == 2, 1, LABELS))


@found("specks", "note")
def a_slip_of_the_drawing_tool(folder: Folder):
    mask = LABELS.copy()
    mask[0, :3] = 99
    folder.add(IMAGE, mask)


@found("holes", "note")
def a_hole_in_a_cell(folder: Folder):
    mask = LABELS.copy()
    mask[tuple(np.argwhere(ndimage.binary_erosion(LABELS == 4, iterations=4))[0])] = 0
    folder.add(IMAGE, mask)


@found("merged", "note")
def two_touching_cells_with_one_id(folder: Folder):
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mask = np.where(LABELS > 3, LABELS, 0)
    mask[(rows - 20) ** 2 + (columns - 20) ** 2 <= 81] = 1
    mask[(rows - 20) ** 2 + (columns - 38) ** 2 <= 81] = 1
    folder.add(IMAGE, mask)


@found("mask_types", "warning")
def ids_in_one_group_and_none_in_another(folder: Folder):
    folder.add(IMAGE, FOREGROUND.astype(np.uint8))


@found("cell_sizes", "warning")
def a_group_of_another_magnification(folder: Folder):
    image, labels = scene(9, 240, radius=20, cells=10)
    folder.add(*scene(8, 160, cells=20), sample="more", group="more")
    folder.add(*scene(11, 160, cells=20), sample="most", group="most")
    folder.add(image, labels)


@found("few_cells", "note")
def a_handful_of_cells(folder: Folder):
    folder.add(IMAGE, LABELS)


@found("class_balance", "note")
def hardly_any_cell_pixels(folder: Folder):
    folder.rows = []
    for seed in range(3):
        folder.add(*scene(seed, 200, radius=4, cells=2), sample=f"s{seed}", group=f"g{seed}")


def chambers() -> np.ndarray:
    labels = np.zeros((SIDE, SIDE), np.uint8)
    for left in range(4, SIDE - 10, 24):
        for number, top in enumerate((4, 34, 64), start=1):
            labels[top : top + 18, left : left + 8] = number
    return labels


@found("repeated")
def the_same_numbers_in_every_chamber(folder: Folder):
    folder.add(IMAGE, chambers())


@right
def numbers_in_every_chamber_that_are_parted(folder: Folder):
    folder.config["images"] = {"mask_type": "pieces"}
    folder.config["check"] = {"ignore": ["no_fit", "wrong_mask", "shifted", "turned"]}
    folder.add(IMAGE, chambers())
    return IMAGE, measure.label(chambers(), connectivity=2)


def panels() -> np.ndarray:
    """Three squares, each drawn as a line in a panel of its own."""
    drawn = [(number == SQUARES) & ~ndimage.binary_erosion(number == SQUARES) for number in (1, 2, 3)]
    return np.hstack(drawn).astype(np.uint8)


@refused("prepare", "odd_mask.tif", "96 × 288 px", "images: {panels: 1}")
def a_mask_with_a_panel_for_each_cell(folder: Folder):
    folder.add(IMAGE, panels())


@right
def a_mask_with_a_panel_for_each_cell_that_is_declared(folder: Folder):
    folder.config["images"] = {"panels": 1}
    folder.config["check"] = {"ignore": ["no_fit", "wrong_mask", "shifted", "turned"]}
    folder.add(IMAGE, panels())
    return IMAGE, SQUARES


@refused("prepare", "odd.ndjson", "are masks, of which the export has addresses only", "draw polygons")
def an_export_of_labelbox_without_outlines(folder: Folder):
    objects = [{"name": "cell", "mask": {"url": "https://example.org/mask"}}]
    row = {
        "data_row": {"external_id": "odd_image.tif"},
        "projects": {"p": {"labels": [{"annotations": {"objects": objects}}]}},
    }
    folder.add(IMAGE, folder.bytes("odd.ndjson", json.dumps(row).encode()))


@refused("prepare", "odd.csv", "Expected a shapes layer of napari")
def a_table_of_cells_as_mask(folder: Folder):
    folder.add(IMAGE, folder.bytes("odd.csv", b"cell,area\n1,20\n"))


@right
def shapes_of_napari(folder: Folder):
    folder.config["check"] = {"ignore": ["no_fit", "wrong_mask", "shifted", "turned"]}
    lines = ["index,shape-type,vertex-index,axis-0,axis-1"]
    for index, ring in enumerate(OUTLINES):
        lines += [f"{index},polygon,{n},{y - 0.5},{x - 0.5}" for n, (x, y) in enumerate(ring)]
    folder.add(IMAGE, folder.bytes("odd_shapes.csv", "\n".join(lines).encode()))
    return IMAGE, SQUARES


@refused("prepare", "odd.labeling", "save them in Labkit as TIFF")
def labels_in_labkits_own_format(folder: Folder):
    folder.add(IMAGE, folder.bytes("odd.labeling", b"{}"))


@refused("prepare", "odd_mask.ome.tif", "a mask with 2 slices of depth", "images.plane is focus")
def a_mask_with_depth_and_the_sharpest_slice(folder: Folder):
    folder.config["images"] = {"plane": "focus"}
    mask = folder.tiff("odd_mask.ome.tif", np.stack([LABELS] * 2), ome=True, metadata={"axes": "ZYX"})
    folder.add(IMAGE, mask)
