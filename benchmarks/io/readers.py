"""Spoil images, masks and sample sheets at random, and count what becomes of them.

    python benchmarks/io/readers.py                 # 3,000 files, some minutes
    python benchmarks/io/readers.py --files 20000 --seed 2 --keep /tmp/faults

A small sound file of each format is spoilt: bytes of any format, and in those of JSON also values (numbers, texts, nested
objects, deleted and moved keys). Every file is read in a process that is allowed 2 GB more than it starts with, and 20 s:
an image as `prepare` reads it, a mask as `prepare` reads it for a frame of its size, a sheet as the workflow reads it.
A file may be read, because the change does not matter, or refused by a message; a crash, a hang or any other exception is
a fault, and the exit status says so.
"""

import copy
import io
import json
import logging
import random
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import roifile
import tifffile
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from spoiling import run, spoil_bytes, spoil_tree

from brightcell.errors import InputError
from brightcell.io import masks, readers
from brightcell.sheets import samples

SIDE = 40
SQUARES = [[[x, y], [x + 8, y], [x + 8, y + 8], [x, y + 8]] for x in (2, 16, 30) for y in (4, 20)]
SHEET = "sample\timage\tmask\tgroup\tframe\tpage\tsplit\tpixel_size_um\n" + "".join(
    f"s{number}\timages/a{number}.tif\tmasks/a{number}.tif\tg{number // 3}\t{number % 3}\t{number}\ttrain\t0.65\n"
    for number in range(9)
)
POINTS = [{"x": [x for x, _ in ring], "y": [y for _, y in ring]} for ring in SQUARES]
JSON = {
    "GeoJSON": {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": str(number),
                "properties": {"objectType": "detection", "classification": {"name": "Cell"}},
                "geometry": {
                    "type": "Polygon",
                    "coordinates": [[*ring, ring[0]]],
                    "plane": {"c": -1, "z": 0, "t": 0},
                },
            }
            for number, ring in enumerate(SQUARES)
        ],
    },
    "COCO": {
        "images": [{"id": 1, "file_name": "a.png", "height": SIDE, "width": SIDE}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {
                "id": number,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "segmentation": [[value for point in ring for value in point]],
            }
            for number, ring in enumerate(SQUARES)
        ]
        + [
            {
                "id": 99,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": [SIDE, SIDE], "counts": [5, 20, SIDE * SIDE - 25]},
            }
        ],
    },
    "Labelme": {
        "version": "5.0.0",
        "imagePath": "a.png",
        "imageHeight": SIDE,
        "imageWidth": SIDE,
        "shapes": [{"label": "cell", "shape_type": "polygon", "points": ring} for ring in SQUARES],
    },
    "VIA": {
        "a.png123": {
            "filename": "a.png",
            "size": 123,
            "file_attributes": {},
            "regions": [
                {
                    "shape_attributes": {
                        "name": "polygon",
                        "all_points_x": ring["x"],
                        "all_points_y": ring["y"],
                    },
                    "region_attributes": {},
                }
                for ring in POINTS
            ],
        }
    },
}


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return an image, uint16, and numbered cells, uint16."""
    labels = np.zeros((SIDE, SIDE), np.uint16)
    for number, ring in enumerate(SQUARES, start=1):
        (left, top), _, (right, bottom), _ = ring
        labels[top:bottom, left:right] = number
    noise = np.random.default_rng(0).normal(0, 9, labels.shape)
    return (100 + 50 * (labels > 0) + noise).astype(np.uint16), labels


def written(write: Callable[[io.BytesIO], object]) -> bytes:
    """Return what a function writes to a file."""
    content = io.BytesIO()
    write(content)
    return content.getvalue()


def sound_files() -> dict[str, tuple[str, bytes]]:
    """Return the ending and the content of a sound file of each format."""
    image, labels = pictures()
    small = (image // 2).astype(np.uint8)
    grey = Image.fromarray(small)
    turned = Image.Exif()
    turned[0x0112] = 6
    palette = Image.fromarray(labels.astype(np.uint8), mode="P")
    palette.putpalette([value for colour in range(256) for value in (colour, 255 - colour, 7)])
    rois = [roifile.ImagejRoi.frompoints(np.array(ring, float)) for ring in SQUARES]
    corners = [";".join(f"{x},{y}" for x, y in ring) for ring in SQUARES]
    cvat = "".join(f'<polygon label="cell" points="{points}" occluded="0"/>' for points in corners)

    def zipped(target: io.BytesIO) -> None:
        with zipfile.ZipFile(target, "w") as archive:
            for number, roi in enumerate(rois):
                archive.writestr(f"{number}.roi", roi.tobytes())

    def tiff(array: np.ndarray, **options: object) -> bytes:
        return written(lambda file: tifffile.imwrite(file, array, **options))

    return {
        "image TIFF": ("tif", tiff(image, photometric="minisblack", compression="zlib")),
        "image TIFF, ImageJ stack": (
            "tif",
            tiff(np.stack([image] * 3), imagej=True, metadata={"axes": "TYX"}),
        ),
        "image OME-TIFF": ("ome.tif", tiff(np.stack([image] * 3), ome=True, metadata={"axes": "TYX"})),
        "image PNG": ("png", written(lambda file: grey.save(file, "PNG"))),
        "image PNG, palette": ("png", written(lambda file: palette.save(file, "PNG"))),
        "image JPEG": ("jpg", written(lambda file: grey.save(file, "JPEG", exif=turned))),
        "image BMP": ("bmp", written(lambda file: grey.save(file, "BMP"))),
        "image NPY": ("npy", written(lambda file: np.save(file, image))),
        "image NPZ": ("npz", written(lambda file: np.savez_compressed(file, image))),
        "mask TIFF": ("tif", tiff(labels, photometric="minisblack")),
        "mask NPY of Cellpose": (
            "npy",
            written(lambda file: np.save(file, np.array({"masks": labels, "filename": "a.png"}, object))),
        ),
        "mask ROI": ("roi", rois[0].tobytes()),
        "mask ROI zip": ("zip", written(zipped)),
        "sheet": ("tsv", SHEET.encode()),
        "mask CVAT": (
            "xml",
            f'<annotations><image id="0" name="a.png" width="{SIDE}" height="{SIDE}">{cvat}</image></annotations>'.encode(),
        ),
        **{
            f"mask {name}": ("geojson" if name == "GeoJSON" else "json", json.dumps(content).encode())
            for name, content in JSON.items()
        },
    }


def prepare(folder: Path) -> Callable[[str, random.Random, Path], Path]:
    """Check that sound files are read; return the function that spoils them."""
    for name, (ending, content) in SOUND.items():
        path = folder / f"sound.{ending}"
        path.write_bytes(content)
        read(name, path)

    def make(way: str, chance: random.Random, path: Path) -> Path:
        ending, content = SOUND[way]
        tree = copy.deepcopy(JSON.get(way.removeprefix("mask ")))
        if tree is not None and chance.random() < 0.7:
            spoil_tree(tree, chance)
            content = json.dumps(tree).encode()
        else:
            content = spoil_bytes(content, chance)
        path = path.with_suffix(f".{ending}")
        path.write_bytes(content)
        return path

    return make


def read(way: str, path: Path) -> None:
    """Read every frame of an image, or a mask for a frame of SIDE²."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if way == "sheet":
            samples.read_samples(path, check_files=False)
            return
        if way.startswith("mask"):
            masks.read_mask(path, shape=(SIDE, SIDE), image="a.png", page=None)
            return
        with readers.open_image_file(path, stacked=True) as file:
            for page in range(min(file.pages, 5)):
                readers.frame_of(file, page)


logging.disable()  # what readers of formats say of spoilt files
SOUND = sound_files()

if __name__ == "__main__":
    try:
        faults = run(__doc__.splitlines()[0], list(SOUND), prepare, read)
    except InputError as error:
        sys.exit(f"a sound file is refused: {error}")
    sys.exit(min(faults, 100))
