"""Read cells from the files of annotation tools: Labelme, the VGG Image Annotator (VIA), CVAT, Labelbox and napari.

A tool is a function that turns its shapes into `Shape`s; what these mean is the same for all.
"""

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd
from PIL import Image

from brightcell.errors import InputError

from .image_file import LARGEST_PX
from .outlined import Cells, Frame, by_class, check_named_size, matching_name, on_frame
from .rasterize import CORNERS_OF_AN_ELLIPSE, Patch, Ring, bounded, ellipse, fill, limited


class Shape(NamedTuple):
    """One shape: its class, its rings or its pixels and the place of their first one (row, column); neither for lines."""

    name: str
    rings: Sequence[Ring] = ()
    pixels: np.ndarray | None = None
    row: int = 0
    column: int = 0


def is_labelme(content: Any) -> bool:
    """Tell whether parsed JSON is a file of Labelme."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read_labelme(path: Path, content: dict, frame: Frame) -> Cells:
    """Read the shapes of one image; those with the same `group_id` are parts of one cell."""
    size = content.get("imageHeight"), content.get("imageWidth")
    check_named_size(path, str(content.get("imagePath") or path.stem), size, frame)
    grouped: dict[object, list[Shape]] = {}
    for number, each in enumerate(content["shapes"]):
        group = each.get("group_id")
        grouped.setdefault(("own", number) if group is None else (group, each.get("label")), []).append(
            _labelme(each)
        )
    return _cells(path, grouped.values(), frame)


def _labelme(each: dict) -> Shape:
    points, name = np.reshape(np.asarray(each["points"], float), (-1, 2)), str(each.get("label") or "")
    kind = each.get("shape_type", "polygon")
    if kind == "polygon" and len(points) > 2:
        return Shape(name, [points])
    if kind == "rectangle" and len(points) == 2:
        return Shape(name, [_box(*points[0], *points[1])])
    if kind == "circle" and len(points) == 2:
        radius = float(np.hypot(*(points[1] - points[0])))
        return Shape(name, [ellipse(points[0, 0], points[0, 1], radius, radius)])
    if kind == "mask" and each.get("mask"):
        with Image.open(io.BytesIO(base64.b64decode(each["mask"]))) as picture:
            pixels = np.asarray(picture.convert("L")) > 0
        column, row = np.round(points[0]).astype(int)
        return Shape(name, pixels=pixels, row=int(row), column=int(column))
    return Shape(name)


def via_images(content: Any) -> dict[str, dict]:
    """Return the images of a file of VIA by their names; none if it is of another kind."""
    entries = content.get("_via_img_metadata", content) if isinstance(content, dict) else {}
    if not isinstance(entries, dict) or not all(
        isinstance(each, dict) and {"filename", "regions"} <= each.keys() for each in entries.values()
    ):
        return {}
    return {str(each["filename"]): each for each in entries.values()}


def read_via(path: Path, content: dict, frame: Frame) -> Cells:
    """Read the regions of one image; the class is the region's only attribute that is a text."""
    images = via_images(content)
    regions = images[matching_name(path, list(images), frame.image)]["regions"]
    found = regions.values() if isinstance(regions, dict) else regions
    return _cells(path, ([_via(each)] for each in found), frame)


def _via(each: dict) -> Shape:
    at = each["shape_attributes"]
    texts = [
        value for value in (each.get("region_attributes") or {}).values() if isinstance(value, str) and value
    ]
    name = texts[0] if len(texts) == 1 else ""
    kind = at.get("name")
    if kind == "polygon":
        return Shape(name, [np.array([at["all_points_x"], at["all_points_y"]], float).T])
    if kind == "rect":
        return Shape(name, [_box(at["x"], at["y"], at["x"] + at["width"], at["y"] + at["height"])])
    if kind == "circle":
        return Shape(name, [ellipse(at["cx"], at["cy"], at["r"], at["r"])])
    if kind == "ellipse":
        return Shape(name, [ellipse(at["cx"], at["cy"], at["rx"], at["ry"], float(at.get("theta", 0)))])
    return Shape(name)


def labelbox_images(content: Any) -> dict[str, dict]:
    """Return the images of an export of Labelbox by their names, each with `objects` and `size`; none if it is of another kind.

    Both kinds of export are known: lines with `data_row` and `projects`, and the older list with `External ID` and `Label`.
    """
    entries = content if isinstance(content, list) else [content]
    found: dict[str, dict] = {}
    for each in entries:
        if not isinstance(each, dict):
            return {}
        if isinstance(each.get("data_row"), dict) and isinstance(each.get("projects"), dict):
            row, media = each["data_row"], each.get("media_attributes") or {}
            labels = [label for project in each["projects"].values() for label in project.get("labels") or []]
            objects = [
                one for label in labels for one in (label.get("annotations") or {}).get("objects") or []
            ]
            name = str(row.get("external_id") or row.get("global_key") or row.get("row_data"))
            size = media.get("height"), media.get("width")
        elif "External ID" in each and isinstance(each.get("Label"), dict):
            name, size, objects = str(each["External ID"]), (None, None), each["Label"].get("objects") or []
        else:
            return {}
        known = found.setdefault(name, {"objects": [], "size": size})
        known["objects"] += objects
    return found


def read_labelbox(path: Path, content: Any, frame: Frame) -> Cells:
    """Read the polygons and boxes of one image; masks lie on the server of Labelbox and are refused."""
    images = labelbox_images(content)
    name = matching_name(path, list(images), frame.image)
    check_named_size(path, name, images[name]["size"], frame)
    objects = images[name]["objects"]
    masks = [
        each for each in objects if not each.get("polygon") and ("mask" in each or "instanceURI" in each)
    ]
    if masks:
        raise InputError(
            f"{path}: {len(masks)} of the {len(objects)} objects of {name} are masks, of which the export has addresses only. "
            "Expected polygons: download the masks as one label image per image, or draw polygons."
        )
    return _cells(path, ([_labelbox(each)] for each in objects), frame)


def _labelbox(each: dict) -> Shape:
    name = str(each.get("name") or each.get("title") or "")
    if polygon := each.get("polygon"):
        return Shape(name, [np.array([[point["x"], point["y"]] for point in polygon], float)])
    if box := each.get("bounding_box") or each.get("bbox"):
        left, top = float(box["left"]), float(box["top"])
        return Shape(name, [_box(left, top, left + box["width"], top + box["height"])])
    return Shape(name)


def read_napari(path: Path, frame: Frame) -> Cells:
    """Read the areas of a shapes layer that napari saved as CSV: a row for each corner, in px from the first pixel's centre.

    Axes before the last two are the page, or time and slice.
    """
    table = pd.read_csv(path)
    axes = sorted(
        (name for name in table.columns if str(name).startswith("axis-")), key=lambda name: int(str(name)[5:])
    )
    if not {"index", "shape-type", "vertex-index"} <= set(table) or len(axes) < 2:
        raise InputError(
            f"{path}: the columns {', '.join(map(str, table.columns[:6]))}. Expected a shapes layer of napari with the columns index, "
            "shape-type, vertex-index, axis-0 and axis-1: save it in napari with File › Save Selected Layers, as CSV."
        )
    if len(axes) > 4:
        raise InputError(
            f"{path}: shapes over {len(axes)} axes. Expected height and width, with time and slice at most."
        )
    shapes, places = [], []
    for _, corners in table.sort_values("vertex-index").groupby("index", sort=True):
        at = corners[axes].to_numpy(float)
        outer = np.round(at[:, :-2].mean(axis=0)).astype(int).tolist()
        places.append((outer[0] if outer else None, outer[1] if len(outer) > 1 else None))
        shapes.append(_napari(str(corners["shape-type"].iloc[0]), at[:, :-3:-1] + 0.5))
    chosen = on_frame(path, places, frame)
    return _cells(path, ([each] for each, here in zip(shapes, chosen, strict=True) if here), frame)


def _napari(kind: str, points: np.ndarray) -> Shape:
    if kind in ("polygon", "rectangle") and len(points) > 2:
        return Shape("", [points])
    if kind == "ellipse" and len(points) == 4:  # the corners of the box around it, which may be turned
        turn = np.linspace(0, 2 * np.pi, CORNERS_OF_AN_ELLIPSE, endpoint=False)[:, None]
        across, down = (points[1] - points[0]) / 2, (points[3] - points[0]) / 2
        return Shape("", [points.mean(axis=0) + np.cos(turn) * across + np.sin(turn) * down])
    return Shape("")


def read_cvat(path: Path, frame: Frame) -> Cells:
    """Read the shapes of one image from an export “CVAT for images”."""
    entries = {str(each.get("name")): each for each in _cvat_images(path)}
    name = matching_name(path, list(entries), frame.image)
    entry = entries[name]
    check_named_size(
        path, name, (int(entry.get("height", 0)) or None, int(entry.get("width", 0)) or None), frame
    )
    grouped: dict[object, list[Shape]] = {}
    for number, each in enumerate(entry):
        group = each.get("group_id")
        key = (group, each.get("label")) if group not in (None, "0") else ("own", number)
        grouped.setdefault(key, []).append(_cvat(each))
    return _cells(path, grouped.values(), frame)


def cvat_names(path: Path) -> list[str]:
    """Return the names of the images in an export of CVAT."""
    return [str(each.get("name")) for each in _cvat_images(path)]


def _cvat_images(path: Path) -> list[ElementTree.Element]:
    if b"<!ENTITY" in path.read_bytes():
        raise InputError(f"{path}: defines entities, which no export of CVAT does. Export it again.")
    images = ElementTree.parse(path).getroot().findall("image")
    if not images:
        raise InputError(
            f"{path}: no element `image`. Expected an export of CVAT as “CVAT for images 1.1”; or export COCO."
        )
    return images


def _cvat(each: ElementTree.Element) -> Shape:
    name = str(each.get("label") or "")

    def number(key: str) -> float:
        return float(each.get(key, "nan"))

    if each.tag == "polygon":
        points = [
            [float(value) for value in point.split(",")] for point in str(each.get("points")).split(";")
        ]
        return Shape(name, [np.array(points)])
    if each.tag == "box":
        return Shape(name, [_box(number("xtl"), number("ytl"), number("xbr"), number("ybr"))])
    if each.tag == "ellipse":
        return Shape(name, [ellipse(number("cx"), number("cy"), number("rx"), number("ry"))])
    if each.tag == "mask":
        runs = [int(value) for value in str(each.get("rle")).split(",")]
        height, width = int(number("height")), int(number("width"))
        left = height * width - sum(runs)  # CVAT does not write the background at the end
        if left < 0 or min(runs) < 0 or height * width > LARGEST_PX:
            raise ValueError(f"run lengths that add up to {sum(runs)}, for a mask of {height} × {width}")
        pixels = np.append(np.repeat(np.arange(len(runs)) % 2 == 1, runs), np.zeros(left, bool))
        return Shape(
            name, pixels=pixels.reshape(height, width), row=int(number("top")), column=int(number("left"))
        )
    return Shape(name)


def _box(left: float, top: float, right: float, bottom: float) -> Ring:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], float)


def _cells(path: Path, grouped: Iterable[Sequence[Shape]], frame: Frame) -> Cells:
    """Turn shapes, each a sequence of the parts of one cell, into cells."""
    parts = list(grouped)
    drawn = limited(path, _patches(parts, frame.shape), frame.shape)
    known = [(patch, each[0].name) for patch, each in zip(drawn, parts, strict=True) if patch is not None]
    found = by_class(path, [patch for patch, _ in known], [name for _, name in known], frame.classes)
    left = len(parts) - len(known)
    notes = [f"{left} shapes are no areas and are left out"] if left else []
    return found._replace(notes=notes + found.notes)


def _patches(parts: Sequence[Sequence[Shape]], shape: tuple[int, int]) -> Iterator[Patch | None]:
    for shapes in parts:
        rings = [each.rings for each in shapes if each.rings]
        masks = [each for each in shapes if each.pixels is not None]
        if not masks:
            yield fill(rings, shape) if rings else None
            continue
        whole = np.zeros(shape, bool)
        for each in masks:
            assert each.pixels is not None
            part = each.pixels[max(0, -each.row) :, max(0, -each.column) :]
            window = whole[max(0, each.row) :, max(0, each.column) :][: part.shape[0], : part.shape[1]]
            window |= part[: window.shape[0], : window.shape[1]]
        if rings:
            patch = fill(rings, shape)
            whole[patch.row :, patch.column :][: patch.pixels.shape[0], : patch.pixels.shape[1]] |= (
                patch.pixels
            )
        yield bounded(whole)
