"""Read ND2, LIF and OME-Zarr with the readers of bioio, which are optional."""

import importlib
import math
from pathlib import Path

import numpy as np

from brightcell.errors import InputError

from .image_file import ImageFile, check_size

# A format is one entry: the suffix, and the package whose class `Reader` reads it.
VENDOR_PACKAGES = {
    ".nd2": "bioio_nd2",
    ".lif": "bioio_lif",
    ".zarr": "bioio_ome_zarr",
}


def open_vendor(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open a scene of an ND2, LIF or OME-Zarr file; pages are counted through time, then depth.

    Raises InputError, which says what to install, if the reader is missing.
    """
    name = VENDOR_PACKAGES[path.suffix.lower()]
    try:
        bioio, reader = importlib.import_module("bioio"), importlib.import_module(name)
    except ImportError as error:
        raise missing_reader(path, name.replace("_", "-")) from error
    image = bioio.BioImage(str(path), reader=reader.Reader)
    image.set_scene(choose_scene(path, image.scenes, scene))
    sizes = dict(zip(image.dims.order, image.dims.shape, strict=True))
    channels = sizes.get("S", 1) * sizes.get("C", 1)
    check_size(path, sizes["Y"], sizes["X"], channels * np.dtype(image.dtype).itemsize)
    counted = [(axis, sizes[axis]) for axis in "TZ" if sizes.get(axis, 1) > 1]
    colours = "S" in sizes

    def get(page: int) -> np.ndarray:
        index = np.unravel_index(page, [length for _, length in counted]) if counted else ()
        chosen = {axis: int(number) for (axis, _), number in zip(counted, index, strict=True)}
        lazy = image.get_image_dask_data("YXCS" if colours else "YXC", **chosen)
        pixels = np.asarray(lazy.compute(scheduler="synchronous"))
        return pixels.reshape(*pixels.shape[:2], -1)

    size = image.physical_pixel_sizes.X
    return ImageFile(
        path=path,
        format=path.suffix[1:].upper(),
        get=get,
        pages=math.prod(length for _, length in counted),
        axes=tuple(counted),
        planes=sizes.get("C", 1),
        pixel_size_um=float(size) if size and size > 0 else None,
        size_source="its metadata" if size else "",
    )


def missing_reader(path: Path, package: str) -> InputError:
    """Return the error of a file whose reader is not installed."""
    return InputError(
        f"{path}: {path.suffix} is read by the package {package}, which is not installed. "
        "Run `make formats` once, without containers; or convert the file to OME-TIFF, for example with Fiji."
    )


def choose_scene(path: Path, scenes: tuple[str, ...], wanted: str) -> str:
    """Return the name of the scene that the sheet wants, by name or number; InputError if that is none or unclear."""
    if not wanted and len(scenes) == 1:
        return scenes[0]
    listed = ", ".join(scenes[:20])
    if not wanted:
        raise InputError(
            f"{path}: holds {len(scenes)} scenes ({listed}). Expected one a row: name it in the sheet's column `scene`."
        )
    if wanted in scenes:
        return wanted
    if wanted.isdigit() and int(wanted) < len(scenes):
        return scenes[int(wanted)]
    raise InputError(
        f"{path}: no scene {wanted!r}; the file has {listed} (or 0 to {len(scenes) - 1}). "
        "Correct the sheet's column `scene`."
    )
