"""Read cells from GeoJSON, as QuPath and brightcell write it."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from brightcell.errors import InputError

from .outlined import Cells, Frame, by_class, on_frame
from .rasterize import Patch, fill, limited

# What QuPath called its objects before `objectType`, in the feature's `id`.
OLD_KINDS = {
    "PathCellObject": "cell",
    "PathDetectionObject": "detection",
    "PathAnnotationObject": "annotation",
    "PathTileObject": "tile",
    "PathRootObject": "root",
    "TMACoreObject": "tma_core",
}
NO_CELLS = ("tile", "root", "tma_core")


def read_features(path: Path, frame: Frame) -> Cells:
    """Read polygons in px, with holes and parts, of one frame.

    If QuPath marks cells or detections, its annotations are regions around them, except those of a class Ignore or Region.
    """
    content = parsed(path)
    features = content.get("features", [content]) if isinstance(content, dict) else content
    if not isinstance(features, list) or not all(
        isinstance(each, dict) and ("geometry" in each or "coordinates" in each) for each in features
    ):
        raise InputError(
            f"{path}: neither COCO (keys images and annotations) nor GeoJSON (features with a geometry), nor a file of Labelme, "
            "VIA or Labelbox. Export the cells again as one of them."
        )
    features = list(_with_children(features))
    series = {number for each in features if (number := _properties(each).get("series")) is not None}
    if len(series) > 1:
        raise InputError(
            f"{path}: holds the cells of {len(series)} series, whose times begin again. Expected one series: keep the "
            "features of this image's series."
        )
    planes = [_geometry(each).get("plane") or each.get("plane") for each in features]
    if frame.page and frame.pages != 1 and features and not any(planes):
        raise InputError(
            f"{path}: no feature says in its `plane` to which frame of the stack {frame.image} it belongs. Expected "
            "plane.t, as QuPath writes it, or a file of outlines for each frame."
        )
    places = [(int((plane or {}).get("t", 0)), int((plane or {}).get("z", 0))) for plane in planes]
    chosen = [each for each, here in zip(features, on_frame(path, places, frame), strict=True) if here]
    marked = any(_kind(each) in ("cell", "detection") for each in features)
    patches: list[Patch] = []
    classes: list[str] = []
    left_out = 0
    drawn = limited(path, (_patch(_geometry(each), frame.shape) for each in chosen), frame.shape)
    for feature, patch in zip(chosen, drawn, strict=True):
        kind, name = _kind(feature), _class(feature)
        around = marked and kind == "annotation" and not name.lower().startswith(("ignore", "region"))
        if patch is None or around or kind in NO_CELLS:
            left_out += 1
        else:
            patches.append(patch)
            classes.append(name)
    found = by_class(path, patches, classes, frame.classes)
    notes = [f"{left_out} features are no areas of cells and are left out"] if left_out else []
    return found._replace(notes=notes + found.notes)


def parsed(path: Path) -> Any:
    """Return the contents of a JSON file; of .ndjson a list, with an item for each line."""
    return _parsed(str(path), path.stat().st_mtime_ns)


@lru_cache(maxsize=1)  # the frames of a stack are read one after the other
def _parsed(path: str, modified: int) -> Any:
    text = Path(path).read_text(encoding="utf-8-sig")
    if path.lower().endswith(".ndjson"):
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return json.loads(text)


def _with_children(features: Iterable[dict]) -> Iterator[dict]:
    """Yield features and, after each, those below it in QuPath's hierarchy, where it was exported as a tree."""
    waiting = list(reversed(list(features)))
    while waiting:
        feature = waiting.pop()
        yield feature
        below = _properties(feature).get("childObjects") or feature.get("childObjects") or []
        waiting += [each for each in reversed(below) if isinstance(each, dict)]


def _properties(feature: dict) -> dict:
    return feature.get("properties") or {}


def _geometry(feature: dict) -> dict:
    return feature.get("geometry", feature) or {}


def _kind(feature: dict) -> str | None:
    properties = _properties(feature)
    return (
        properties.get("objectType") or OLD_KINDS.get(str(feature.get("id"))) or properties.get("object_type")
    )


def _class(feature: dict) -> str:
    found = _properties(feature).get("classification")
    if isinstance(found, dict):  # QuPath writes a class made of several as `names`
        return str(found.get("name") or ": ".join(map(str, found.get("names") or [])))
    return str(found or "")


def _patch(geometry: dict, shape: tuple[int, int]) -> Patch | None:
    parts = {"Polygon": lambda rings: [rings], "MultiPolygon": lambda parts: parts}.get(
        geometry.get("type", "")
    )
    if not parts:
        return None
    return fill(
        [[np.asarray(ring, float)[:, :2] for ring in part] for part in parts(geometry["coordinates"])], shape
    )
