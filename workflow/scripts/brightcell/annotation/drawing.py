"""Write a crop for a person to draw on: its picture, the predicted cells in the forms of several programs, and where it is from."""

import json
import zipfile
from pathlib import Path

import numpy as np
import tifffile
from skimage import measure

from brightcell import files
from brightcell.io import ome_tiff, rois

from .folder import path_of

PLAIN = dict.fromkeys(
    ("pixel_size_um", "cell_diameter_px", "channels", "channel_endings", "plane", "panels"), None
)
"""changes to the config's `images` for crops, which are files of their own, made of what it chose"""
UNCHANGED = dict.fromkeys(("flat", "dark", "bayer", "crop"), None) | dict.fromkeys(
    ("background", "bit_depth", "denoise"), "none"
)
"""changes to the config's `preprocess`: crops were cut after it"""


def write_crop(folder: Path, name: str, image: np.ndarray, labels: np.ndarray, about: dict) -> bool:
    """Write the files of a crop, unless they are there; return whether they were written.

    Parameters
    ----------
    image : (height, width, channels), after preprocessing
    labels : int (height, width), the cells predicted in it
    about : recording, sample, frame, image (the file), page, scene, top_px, left_px, height, width, pixel_size_um and
        cell_diameter_px (None where unknown), network
    """
    if path_of(folder, "crops", name).is_file():
        return False
    started = pieces(labels)
    pixel_um = about["pixel_size_um"]
    write_picture(path_of(folder, "images", name), image, pixel_um)
    write_picture(
        path_of(folder, "predicted", name), started.astype(ome_tiff.smallest_type(started.max())), pixel_um
    )
    outlines = list(rois.outlines(started))
    with (
        files.whole(path_of(folder, "rois", name)) as path,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for outline in outlines:
            member = zipfile.ZipInfo(f"{outline.cell:04d}.roi")
            archive.writestr(member, rois.imagej_roi(outline, str(outline.cell), 0).tobytes())
    features = [
        rois.geojson_feature(outline, about["recording"], name, 0, (1, 0), {}, "annotation")
        for outline in outlines
    ]
    with files.whole(path_of(folder, "geojson", name)) as path:
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}) + "\n", "utf-8")
    files.write_json(about | {"cells": int(started.max())}, path_of(folder, "crops", name))
    return True


def pieces(labels: np.ndarray) -> np.ndarray:
    """Number the connected pieces of cells from 1, int32: a cell that a crop cuts in two is two cells.

    >>> pieces(np.array([[5, 5, 0, 5, 7]])).tolist()
    [[1, 1, 0, 2, 3]]
    """
    return measure.label(labels, background=0, connectivity=2).astype(np.int32)


def write_picture(path: Path, picture: np.ndarray, pixel_um: float | None) -> None:
    """Write a picture (height, width[, channels]) as a TIFF that ImageJ opens, with its pixel size."""
    picture = picture[..., 0] if picture.ndim == 3 and picture.shape[-1] == 1 else picture
    if picture.dtype not in (np.uint8, np.uint16, np.float32):
        picture = picture.astype(np.float32)
    colour = picture.ndim == 3 and picture.shape[-1] == 3 and picture.dtype == np.uint8
    axes = "YX" if picture.ndim == 2 else "YXS" if colour else "CYX"
    stored = np.moveaxis(picture, -1, 0) if axes == "CYX" else picture
    with files.whole(path) as temporary:
        tifffile.imwrite(
            temporary,
            stored,
            imagej=True,
            photometric="rgb" if colour else "minisblack",
            metadata={"axes": axes, **({"unit": "um"} if pixel_um else {})},
            resolution=(1 / pixel_um, 1 / pixel_um) if pixel_um else None,
        )
