"""Write arrays as Zarr folders of version 2, compressed by zlib, which all readers of Zarr know.

The format: https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html. Every chunk is a file, so that one frame at a time is
enough in memory.
"""

import json
import zlib
from pathlib import Path

import numpy as np

LEVEL = 1  # of zlib: labels compress well at any


def write_group(folder: Path, attributes: dict | None = None) -> None:
    """Make a folder a group, with attributes."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ".zgroup", {"zarr_format": 2})
    if attributes is not None:
        _write(folder / ".zattrs", attributes)


class ZarrArray:
    """An array that is written chunk by chunk; chunks that are not written, or are all zero, are zero."""

    def __init__(self, folder: Path, shape: tuple[int, ...], chunks: tuple[int, ...], dtype: np.dtype):
        self.folder, self.chunks, self.dtype = folder, chunks, np.dtype(dtype).newbyteorder("<")
        folder.mkdir(parents=True)
        described = {
            "zarr_format": 2, "shape": shape, "chunks": chunks, "dtype": self.dtype.str, "order": "C", "fill_value": 0,
            "compressor": {"id": "zlib", "level": LEVEL}, "filters": None, "dimension_separator": "/",
        }  # fmt: skip
        _write(folder / ".zarray", described)

    def write_chunk(self, place: tuple[int, ...], values: np.ndarray) -> None:
        """Write the chunk at a place, which is counted in chunks; values at the end of the array may be fewer."""
        if not values.any():
            return
        whole = np.zeros(self.chunks, self.dtype)
        whole[tuple(slice(0, length) for length in values.shape)] = values
        path = self.folder.joinpath(*map(str, place))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zlib.compress(whole.tobytes(), LEVEL))


def write_array(folder: Path, values: np.ndarray) -> None:
    """Write an array as one chunk."""
    shape = tuple(max(1, length) for length in values.shape)
    ZarrArray(folder, values.shape, shape, values.dtype).write_chunk((0,) * values.ndim, values)


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
