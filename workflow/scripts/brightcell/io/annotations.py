"""Read cells drawn as outlines: ImageJ ROIs, COCO, GeoJSON, and the files of annotation tools."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import roifile

from brightcell.errors import InputError

from . import coco, drawn, geojson
from .outlined import Cells, Frame, Position, on_frame
from .rasterize import ellipse, fill, limited

LARGEST_UNPACKED = 500_000_000  # bytes of an unpacked zip of ROIs
AREAS = ("POLYGON", "RECT", "OVAL", "FREEHAND", "TRACED")


def read_rois(path: Path, frame: Frame) -> Cells:
    """Read ImageJ ROIs from a .zip of the ROI manager, a single .roi or a folder of them: those of one frame.

    Lines, points and texts are left out. A ROI without a position belongs to every page.
    """
    rois = [roifile.ImagejRoi.frombytes(content) for content in _roi_files(path)]
    chosen = on_frame(path, [_position(roi, frame.planes) for roi in rois], frame)
    rois = _of_channels(path, [roi for roi, here in zip(rois, chosen, strict=True) if here], frame)
    areas = [roi for roi in rois if roi.roitype.name in AREAS]
    notes = [f"{len(rois) - len(areas)} ROIs are no areas and are left out"] if len(areas) < len(rois) else []
    cells = limited(path, (fill([_rings(roi)], frame.shape) for roi in areas), frame.shape)
    return Cells([cell for cell in cells if cell], notes)


def _roi_files(path: Path) -> list[bytes]:
    if path.is_dir():
        return [each.read_bytes() for each in sorted(path.iterdir()) if each.suffix.lower() == ".roi"]
    if path.suffix.lower() == ".roi":
        return [path.read_bytes()]
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.lower().endswith(".roi")]
        if sum(member.file_size for member in members) > LARGEST_UNPACKED:
            raise InputError(
                f"{path}: more than {LARGEST_UNPACKED:,} bytes when unpacked. Expected ROIs of ImageJ."
            )
        if not members:
            raise InputError(
                f"{path}: a zip without any .roi file. Expected ROIs that ImageJ's ROI manager saved (More › Save)."
            )
        return [archive.read(member) for member in members]


def _position(roi: roifile.ImagejRoi, planes: int) -> Position:
    """Return time and slice of a ROI, from 0, None for all.

    In hyperstacks ImageJ gives channel, slice and time, in other stacks the number of the picture, from 1.
    """
    if max(roi.c_position, roi.z_position, roi.t_position) > 0:
        return (
            roi.t_position - 1 if roi.t_position > 0 else None,
            roi.z_position - 1 if roi.z_position > 0 else None,
        )
    return ((roi.position - 1) // planes if roi.position > 0 else None), None


def _of_channels(path: Path, rois: list[roifile.ImagejRoi], frame: Frame) -> list[roifile.ImagejRoi]:
    """Keep the ROIs on the channels that the config chooses, if they were drawn on several."""
    drawn = sorted({roi.c_position - 1 for roi in rois if roi.c_position > 0})
    if len(drawn) < 2:
        return rois
    chosen = set(drawn) & set(frame.channels or ())
    if not chosen:
        raise InputError(
            f"{path}: ROIs on the channels {', '.join(map(str, drawn))} of one frame. Which ones are cells? Choose the "
            "channel with the config's images.channels, or save those of one channel alone."
        )
    return [roi for roi in rois if roi.c_position <= 0 or roi.c_position - 1 in chosen]


def _rings(roi: roifile.ImagejRoi) -> list[np.ndarray]:
    if roi.roitype.name == "OVAL":
        if roi.subpixelrect:
            corner, size = (roi.xd, roi.yd), (roi.widthd, roi.heightd)
        else:
            corner, size = (roi.left, roi.top), (roi.right - roi.left, roi.bottom - roi.top)
        (left, top), (width, height) = corner, size
        return [ellipse(left + width / 2, top + height / 2, width / 2, height / 2)]
    return [np.asarray(ring, float) for ring in roi.coordinates(multi=True)]


def read_json(path: Path, frame: Frame) -> Cells:
    """Read the cells of an image from a file in COCO, GeoJSON, or of Labelme, VIA or Labelbox."""
    lines = path.suffix.lower() == ".ndjson"
    indexed = frame.database and Path(frame.database).stat().st_size
    if indexed or (not lines and not frame.database and coco.is_coco(path, path.stat().st_mtime_ns)):
        return coco.read_coco(path, frame)
    content = geojson.parsed(path)
    if drawn.is_labelme(content):
        return drawn.read_labelme(path, content, frame)
    if drawn.via_images(content):
        return drawn.read_via(path, content, frame)
    if drawn.labelbox_images(content):
        return drawn.read_labelbox(path, content, frame)
    return geojson.read_features(path, frame)


def image_names(path: Path) -> list[str]:
    """Return the names of the images of which a file holds the cells; none if it does not name them."""
    if path.suffix.lower() == ".xml":
        return drawn.cvat_names(path)
    if path.suffix.lower() != ".ndjson" and (names := coco.image_names(path)):
        return names
    content = geojson.parsed(path)
    return list(drawn.via_images(content) or drawn.labelbox_images(content))


# A format is one entry: the suffix, and the function that reads the cells of one image.
ANNOTATIONS = {
    ".zip": read_rois,
    ".roi": read_rois,
    ".json": read_json,
    ".ndjson": read_json,
    ".csv": drawn.read_napari,
    ".geojson": geojson.read_features,
    ".xml": drawn.read_cvat,
}


def reader_of(path: Path) -> Callable[[Path, Frame], Cells] | None:
    """Return the function that reads a file of outlines, or a folder of ROIs; None if the file is of another kind."""
    if path.is_dir() and any(each.suffix.lower() == ".roi" for each in path.iterdir()):
        return read_rois
    return ANNOTATIONS.get(path.suffix.lower())
