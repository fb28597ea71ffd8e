"""Read cells drawn as outlines: ImageJ ROIs, COCO and GeoJSON."""

import json
import zipfile
from collections import defaultdict
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np
import roifile

from brightcell.errors import InputError

from .rasterize import Patch, bounded, fill

LARGEST_UNPACKED = 500_000_000  # bytes of an unpacked zip of ROIs
AREAS = ("POLYGON", "RECT", "OVAL", "FREEHAND", "TRACED")
CORNERS_OF_AN_ELLIPSE = 256

Cells = tuple[list[Patch], list[str]]  # the cells, and what a user should know


def read_rois(path: Path, shape: tuple[int, int], image: str, page: int | None) -> Cells:
    """Read ImageJ ROIs from a .zip of the ROI manager or a single .roi, in a stack those of one page.

    Lines, points and texts are left out. A ROI without a position belongs to every page.
    """
    rois = [roifile.ImagejRoi.frombytes(content) for content in _roi_files(path)]
    if page is not None:
        rois = [roi for roi in rois if _position(roi) in (0, page + 1)]  # ImageJ counts from 1
    areas = [roi for roi in rois if roi.roitype.name in AREAS]
    notes = [f"{len(rois) - len(areas)} ROIs are no areas and are left out"] if len(areas) < len(rois) else []
    return [fill([_rings(roi)], shape) for roi in areas], notes


def _roi_files(path: Path) -> list[bytes]:
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


def _position(roi: roifile.ImagejRoi) -> int:
    """Return the page of a stack that a ROI belongs to, from 1; 0 for all."""
    return max(roi.t_position, 0) or max(roi.z_position, 0) or max(roi.position, 0)


def _rings(roi: roifile.ImagejRoi) -> list[np.ndarray]:
    if roi.roitype.name == "OVAL":
        angle = np.linspace(0, 2 * np.pi, CORNERS_OF_AN_ELLIPSE, endpoint=False)
        unit = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        if roi.subpixelrect:
            corner, size = (roi.xd, roi.yd), (roi.widthd, roi.heightd)
        else:
            corner, size = (roi.left, roi.top), (roi.right - roi.left, roi.bottom - roi.top)
        return [np.array(corner) + (unit + 1) / 2 * size]
    return [np.asarray(ring, float) for ring in roi.coordinates(multi=True)]


def read_json(path: Path, shape: tuple[int, int], image: str, page: int | None) -> Cells:
    """Read the cells of an image from a file in COCO or GeoJSON."""
    content = _parsed(str(path), path.stat().st_mtime_ns)
    if isinstance(content, dict) and "annotations" in content:
        return _coco(path, content, shape, image)
    features = content.get("features", [content]) if isinstance(content, dict) else content
    if not isinstance(features, list) or not all(
        isinstance(each, dict) and ("geometry" in each or "coordinates" in each) for each in features
    ):
        raise InputError(
            f"{path}: neither COCO (keys images and annotations) nor GeoJSON (features with a geometry). "
            "Export the cells anew as one of them."
        )
    return _geojson(features, shape)


@lru_cache(maxsize=1)  # the cells of all images of a COCO file are read one image after the other
def _parsed(path: str, modified: int) -> dict | list:
    content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    if isinstance(content, dict) and "annotations" in content:
        content["of"] = defaultdict(list)
        for annotation in content["annotations"]:
            content["of"][annotation["image_id"]].append(annotation)
    return content


def _coco(path: Path, content: dict, shape: tuple[int, int], image: str) -> Cells:
    """Read the annotations of one image of a COCO file; images are identified by their file names."""
    entry = _coco_image(path, content.get("images", []), image)
    size = (entry.get("height", shape[0]), entry.get("width", shape[1]))
    if size != shape:
        raise InputError(
            f"{path}: the annotations of {entry['file_name']} are for {size[0]} × {size[1]} px, the image {image} is "
            f"{shape[0]} × {shape[1]} px (height × width). Expected the same size: was the image scaled or cropped since?"
        )
    patches, empty = [], 0
    for annotation in content["of"][entry["id"]]:
        shapes = annotation.get("segmentation")
        if isinstance(shapes, dict):
            patches.append(bounded(run_lengths(shapes, shape)))
        elif shapes:
            patches.append(fill([[np.reshape(np.asarray(ring, float), (-1, 2))] for ring in shapes], shape))
        else:
            empty += 1
    return patches, [f"{empty} annotations have a box but no outline and are left out"] if empty else []


def _coco_image(path: Path, entries: list[dict], image: str) -> dict:
    """Return the entry of an image: the one whose path shares the longest end, at least the file's name."""
    parts = Path(image).parts

    def shared_end(entry: dict) -> int:
        named = PurePosixPath(str(entry["file_name"]).replace("\\", "/")).parts
        pairs = zip(reversed(parts), reversed(named), strict=False)
        return next((same for same, (a, b) in enumerate(pairs) if a != b), min(len(parts), len(named)))

    scores = [shared_end(entry) for entry in entries]
    best = max(scores, default=0)
    if best == 0 or scores.count(best) > 1:
        found = "none is" if best == 0 else f"{scores.count(best)} are"
        names = ", ".join(str(entry["file_name"]) for entry in entries[:3])
        raise InputError(
            f"{path}: of its {len(entries)} images ({names}, …) {found} called {Path(image).name}. "
            "Expected one file_name that ends like the path in the sheet."
        )
    return entries[scores.index(best)]


def run_lengths(code: dict, shape: tuple[int, int]) -> np.ndarray:
    """Decode COCO's run lengths {"size", "counts"}, a list or compressed text, into a bool image.

    Runs of background and cell alternate down the columns, background first. The text holds them in base 32, five
    bits per character from "0" on, lowest first; from the third run on as differences to the run before the last
    (cocodataset/cocoapi, maskApi.c).
    >>> run_lengths({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3)).astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    counts = code["counts"]
    if isinstance(counts, str):
        counts = _decompressed(counts)
    if (
        tuple(code["size"]) != tuple(shape)
        or sum(counts) != shape[0] * shape[1]
        or min(counts, default=0) < 0
    ):
        raise ValueError(
            f"run lengths of {code['size']} that add up to {sum(counts)}, for an image of {list(shape)}"
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape[::-1]).T


def _decompressed(text: str) -> list[int]:
    counts: list[int] = []
    value = bits = 0
    for character in text:
        digit = ord(character) - 48
        value |= (digit & 31) << bits
        bits += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << bits
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = bits = 0
    return counts


def _geojson(features: list[dict], shape: tuple[int, int]) -> Cells:
    """Read polygons in px, with holes and parts; if QuPath marks cells, its other annotations are regions around them."""
    kinds = [(feature.get("properties") or {}).get("objectType") for feature in features]
    if {"cell", "detection"} & set(kinds):
        features = [
            feature for feature, kind in zip(features, kinds, strict=True) if kind in ("cell", "detection")
        ]
    patches = []
    for feature in features:
        geometry = feature.get("geometry", feature) or {}
        parts = {"Polygon": lambda rings: [rings], "MultiPolygon": lambda parts: parts}.get(
            geometry.get("type", "")
        )
        if parts:
            rings = [
                [np.asarray(ring, float)[:, :2] for ring in part] for part in parts(geometry["coordinates"])
            ]
            patches.append(fill(rings, shape))
    left_out = len(kinds) - len(patches)
    return patches, [f"{left_out} features are no areas of cells and are left out"] if left_out else []


# A format is one entry: the suffix, and the function that reads the cells of one image.
ANNOTATIONS = {".zip": read_rois, ".roi": read_rois, ".json": read_json, ".geojson": read_json}
