"""Read CZI, the format of Zeiss, with Zeiss' own library, which is optional."""

import importlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from .image_file import ImageFile, check_size
from .vendor import choose_scene, missing_reader

BYTES = {"Gray8": 1, "Gray16": 2, "Gray32Float": 4, "Bgr24": 3, "Bgr48": 6, "Bgr96Float": 12}  # of a pixel


def open_czi(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open a scene of a CZI file; pages are counted through time, then depth. Tiles of a mosaic are put together.

    Raises InputError, which says what to install, if the reader is missing.
    """
    try:
        importlib.import_module("pylibCZIrw")
        library = importlib.import_module("pylibCZIrw.czi")
    except ImportError as error:
        raise missing_reader(path, "pylibCZIrw") from error
    with ExitStack() as opened:
        file = opened.enter_context(library.open_czi(str(path)))
        numbers = dict(zip(_scene_names(file), file.scenes_bounding_rectangle, strict=False))
        chosen = {"scene": numbers[choose_scene(path, tuple(numbers), scene)]} if numbers else {}
        box, place = file.total_bounding_box, file.total_bounding_rectangle
        if chosen:
            place = file.scenes_bounding_rectangle[chosen["scene"]]
        first, length = ({axis: ends[at] for axis, ends in box.items()} for at in (0, 1))
        channels = range(first.get("C", 0), length.get("C", 1))
        kinds = [file.get_channel_pixel_type(channel) for channel in channels]
        check_size(path, place.h, place.w, sum(BYTES.get(kind, 16) for kind in kinds))
        counted = [
            (axis, length[axis] - first[axis])
            for axis in "TZ"
            if length.get(axis, 1) - first.get(axis, 0) > 1
        ]
        size = _pixel_size_um(file.metadata)
        close = opened.pop_all().close

    def get(page: int) -> np.ndarray:
        index = np.unravel_index(page, [number for _, number in counted]) if counted else ()
        plane = {axis: first.get(axis, 0) for axis in "TZ"}
        plane |= {axis: first[axis] + int(at) for (axis, _), at in zip(counted, index, strict=True)}
        pictures = []
        for channel, kind in zip(channels, kinds, strict=True):
            picture = file.read(plane=plane | {"C": channel}, **chosen)
            pictures.append(picture[..., ::-1] if kind.startswith("Bgr") else picture)
        return np.concatenate(pictures, -1)

    return ImageFile(
        path=path,
        format="CZI",
        get=get,
        pages=int(np.prod([number for _, number in counted])),
        axes=tuple(counted),
        planes=len(channels),
        pixel_size_um=size,
        size_source="its metadata" if size else "",
        close=close,
    )


def _entry(metadata: Any, *names: str) -> Any:
    """Return what stands below a path of names in the metadata, None if it is not there."""
    for name in names:
        metadata = metadata.get(name) if isinstance(metadata, dict) else None
    return metadata


def _listed(entry: Any) -> list:
    """Return the elements of a name in XML as a list: one of them is not one by itself."""
    return entry if isinstance(entry, list) else [] if entry is None else [entry]


def _scene_names(file: Any) -> list[str]:
    """Return the names of the scenes, in the order of their numbers; the number where a scene has no name of its own."""
    named = _entry(
        file.metadata,
        "ImageDocument",
        "Metadata",
        "Information",
        "Image",
        "Dimensions",
        "S",
        "Scenes",
        "Scene",
    )
    of_number = {
        str(each.get("@Index")): each.get("@Name") for each in _listed(named) if isinstance(each, dict)
    }
    names = [of_number.get(str(number)) or str(number) for number in file.scenes_bounding_rectangle]
    return (
        names if len(set(names)) == len(names) else [str(number) for number in file.scenes_bounding_rectangle]
    )


def _pixel_size_um(metadata: Any) -> float | None:
    """Return the side of a pixel that the scaling tells, in metres there."""
    distances = _entry(metadata, "ImageDocument", "Metadata", "Scaling", "Items", "Distance")
    for each in _listed(distances):
        if isinstance(each, dict) and each.get("@Id") == "X":
            size = 1e6 * float(each.get("Value") or 0)
            return size if 0 < size < np.inf else None
    return None
