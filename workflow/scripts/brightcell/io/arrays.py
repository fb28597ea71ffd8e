"""Read NumPy arrays (.npy, .npz), and the masks in the files of Cellpose (`_seg.npy`), without running their pickles."""

import io
import math
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from brightcell.errors import InputError

from .image_file import LARGEST_BYTES, ImageFile, check_size

MOST_CHANNELS = 4
# What is built from a pickle: arrays. Anything else becomes an empty object; nothing that the file names is called.
ARRAYS = {
    "_reconstruct": np.zeros(0).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}


class Nothing:
    """Stands for an object of a class that is not built."""

    def __init__(self, *given: object, **named: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def append(self, item: object) -> None:
        """Take an item of a list."""

    def extend(self, items: object) -> None:
        """Take items of a list."""

    def __setitem__(self, key: object, value: object) -> None:
        pass


class ArraysOnly(pickle.Unpickler):
    """Builds lists, dictionaries, texts, numbers and arrays, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what builds an array, or `Nothing`."""
        return ARRAYS.get(name, Nothing) if module.partition(".")[0] == "numpy" else Nothing

    def persistent_load(self, pid: object) -> Any:
        """Return nothing for what lies outside of the file."""
        return Nothing()


def open_npy(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open an array as pages of height × width; of a file of Cellpose its masks."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        if not dtype.hasobject:
            _check(path, shape, dtype)
            return _pages(path, "NPY", np.load(path, mmap_mode="r", allow_pickle=False), stacked)
        if path.stat().st_size > LARGEST_BYTES:
            raise InputError(f"{path}: more than {LARGEST_BYTES:,} bytes. Expected the masks of one image.")
        content = ArraysOnly(io.BytesIO(file.read())).load()
    content = content.item() if isinstance(content, np.ndarray) and content.size == 1 else content
    masks = content.get("masks") if isinstance(content, dict) else None
    if not isinstance(masks, np.ndarray) or masks.dtype.kind not in "biu":
        raise InputError(
            f"{path}: holds Python objects in place of an array. Expected an array of numbers, or a `_seg.npy` of Cellpose "
            "with `masks`: save the masks as PNG or TIFF."
        )
    return _pages(path, "Cellpose", masks, stacked=True)


def open_npz(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open the array `masks`, `labels` or the only one of an archive of arrays."""
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        chosen = scene or next((name for name in ("masks", "labels", *names[:1]) if name in names), "")
        if chosen not in names or (len(names) > 1 and not scene and chosen not in ("masks", "labels")):
            raise InputError(
                f"{path}: holds the arrays {', '.join(names) or '(none)'}. Expected one, or one called masks or labels; or name "
                "it in the sheet's column `scene`."
            )
        if archive.getinfo(f"{chosen}.npy").file_size > LARGEST_BYTES:
            raise InputError(f"{path}: an array of more than {LARGEST_BYTES:,} bytes. Cut it into files.")
    with np.load(path, allow_pickle=False) as arrays:
        array = arrays[chosen]
    _check(path, array.shape, array.dtype)
    return _pages(path, "NPZ", array, stacked)


def _check(path: Path, shape: tuple[int, ...], dtype: np.dtype) -> None:
    if len(shape) not in (2, 3, 4) or dtype.kind not in "biuf":
        raise InputError(
            f"{path}: an array of shape {shape} and type {dtype}. Expected numbers: height × width, with pages before and "
            "channels behind, or either of them."
        )


def _pages(path: Path, name: str, array: np.ndarray, stacked: bool) -> ImageFile:
    _check(path, array.shape, array.dtype)
    channels = array.ndim > 2 and array.shape[-1] <= MOST_CHANNELS < min(array.shape[-3:-1])
    inner = 3 if channels else 2
    if array.ndim == 3 and not channels and array.shape[0] <= MOST_CHANNELS and not stacked:  # channels first
        array, inner = np.moveaxis(array, 0, -1), 3
    outer = array.shape[:-inner]
    height, width = array.shape[len(outer) : len(outer) + 2]
    check_size(path, height, width, array.dtype.itemsize)
    pages = array.reshape(-1, *array.shape[len(outer) :])
    axes = tuple(("frames", length) for length in outer) if math.prod(outer) > 1 else ()
    return ImageFile(path, name, lambda page: np.array(pages[page]), pages=len(pages), axes=axes)
