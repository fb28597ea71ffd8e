"""Read and write stacks of frames, labels and maps.

A *stack file* is a TIFF with one page per sample, in order; the sample's name is the page's
description. Pages may differ in size. Fiji opens it as a stack, `read_stack` as a dictionary.
"""

import logging
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, overload

import numpy as np
import pandas as pd
import tifffile

from brightcell import files

TILE = 256  # side in pixels of the tiles in which a page is written while it is made

logger = logging.getLogger("brightcell")


@dataclass(frozen=True)
class Bands:
    """An array that is not in memory: its shape and dtype, and an iterator over bands of rows, from the top."""

    shape: tuple[int, ...]
    dtype: np.dtype
    rows: Iterator[np.ndarray]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def tiles(self, side: int) -> Iterator[np.ndarray]:
        """Yield the array as square tiles, row by row; those at the right and the lower edge are padded with 0."""
        wide, rest = -(-self.shape[1] // side) * side, self.shape[2:]
        canvas, filled, start = np.zeros((side, wide, *rest), self.dtype), 0, 0
        for band in self.rows:
            start += len(band)
            while len(band):
                part = band[: side - filled]
                canvas[filled : filled + len(part), : self.shape[1]] = part.reshape(-1, self.shape[1], *rest)
                filled, band = filled + len(part), band[len(part) :]
                if filled == side or (start == self.shape[0] and not len(band)):
                    canvas[filled:] = 0
                    yield from (canvas[:, left : left + side].copy() for left in range(0, wide, side))
                    filled = 0


@contextmanager
def stack_writer(path: str | Path) -> Iterator[Callable[[str, np.ndarray | Bands], None]]:
    """Open a stack file for writing; the block gets a function of (name, array or Bands) that adds a page.

    Arrays are (height, width[, channels]). A single channel is stored as (height, width); `np.atleast_3d` restores it.
    """
    with files.whole(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True) as writer:

        def write(name: str, array: np.ndarray | Bands) -> None:
            if array.ndim == 3 and array.shape[-1] == 1:
                array = replace(array, shape=array.shape[:2]) if isinstance(array, Bands) else array[..., 0]
            streamed = isinstance(array, Bands)
            writer.write(
                array.tiles(TILE) if isinstance(array, Bands) else array,
                shape=array.shape if streamed else None,
                dtype=array.dtype if streamed else None,
                tile=(TILE, TILE) if streamed else None,
                description=name,
                metadata=None,
                compression="zlib",
                predictor=array.dtype.kind in "iu" and array.dtype.itemsize <= 4,
                photometric="rgb" if array.ndim == 3 and array.shape[-1] == 3 else "minisblack",
                planarconfig="contig" if array.ndim == 3 else None,
            )

        yield write


def write_stack(path: str | Path, pages: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write (name, array) pairs as a stack file, see `stack_writer`."""
    with stack_writer(path) as write:
        for name, array in pages:
            write(name, array)


def iterate_stack(path: str | Path, names: Iterable[str] | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the named pages (all by default) of a stack file, in the file's order."""
    wanted = None if names is None else set(names)
    with tifffile.TiffFile(path) as file:
        for page in _pages_of(file):
            if wanted is None or page.description in wanted:
                yield page.description, page.asarray()


def read_stack(path: str | Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Read the pages that `iterate_stack` yields into a dictionary from name to array."""
    return dict(iterate_stack(path, names))


def _pages_of(file: tifffile.TiffFile) -> Iterator[tifffile.TiffPage]:
    for page in file.pages:
        assert isinstance(page, tifffile.TiffPage)  # a TiffFrame would share the tags of another page
        yield page


Page = TypeVar("Page")


class Pages(Mapping[str, Page]):
    """The pages of a stack file by name; each is read on access and not kept.

    path : stack file; part : selects from a page, all of it by default.
    """

    @overload
    def __init__(self: "Pages[np.ndarray]", path: str | Path) -> None: ...

    @overload
    def __init__(self, path: str | Path, part: Callable[[np.ndarray], Page]) -> None: ...

    def __init__(self, path: str | Path, part: Callable[[np.ndarray], Any] = np.asarray) -> None:
        self._file = tifffile.TiffFile(path)
        self._pages = {page.description: page for page in _pages_of(self._file)}
        self._part = part

    def __getitem__(self, name: str) -> Page:
        return self._part(self._pages[name].asarray())

    def __contains__(self, name: object) -> bool:
        return name in self._pages

    def __iter__(self) -> Iterator[str]:
        return iter(self._pages)

    def __len__(self) -> int:
        return len(self._pages)

    def __enter__(self) -> "Pages[Page]":
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()


LIST = "prepared.tsv"  # of the groups' stacks, beside the folder that holds them


def list_groups(frames: Iterable[str | Path], truth: Iterable[str | Path], path: str | Path) -> None:
    """Write the list of all groups with the digests of their stacks.

    Jobs that read stacks depend on this list alone; it changes if a stack does.
    """
    rows = [
        {
            "group": Path(one).parent.name,
            "frames_sha256": files.sealed_digest(one),
            "truth_sha256": files.sealed_digest(two),
        }
        for one, two in zip(frames, truth, strict=True)
    ]
    files.write_table(pd.DataFrame(rows), path)


def listed_groups(path: str | Path, kind: str) -> list[Path]:
    """Return the stacks `kind`, which is frames or truth, of all groups in a list."""
    groups = files.read_table(path)["group"]
    return [Path(path).with_name("prepared") / group / f"{kind}.tif" for group in groups]


def check_group(path: str | Path) -> Path:
    """Return the path of a group's stack; raise InputError if it is missing or not as its job wrote it."""
    path = Path(path)
    files.check_listed(path, path.parent.parent.parent / LIST)
    return path


def open_groups(paths: Iterable[str | Path], groups: Iterable[str]) -> Mapping[str, np.ndarray]:
    """Open the stacks of some groups, which lie in folders named after them: sample → page, read on access."""
    wanted = set(groups)
    pages = (Pages(check_group(path)) for path in paths if Path(path).parent.name in wanted)
    return ChainMap(*pages)  # type: ignore[arg-type]  # a ChainMap that is only read needs no mutable mappings


def iterate_named(paths: Iterable[str | Path], rows: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (sample, array) for the samples of a table from the stacks of their groups, one at a time.

    paths : stack files in folders named after the groups; rows : table with sample and group.
    Arrays are (height, width, channels); label images have one channel.
    """
    path_of = {Path(path).parent.name: path for path in paths}
    for group, members in rows.groupby("group", sort=False):
        wanted = set(members["sample"])
        for name, array in iterate_stack(check_group(path_of[group]), wanted):
            yield name, np.atleast_3d(array)


def read_named(paths: Iterable[str | Path], rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Read the arrays that `iterate_named` yields into a dictionary from sample to array."""
    return dict(iterate_named(paths, rows))


def to_uint16(probability: np.ndarray) -> np.ndarray:
    """Convert values in 0..1 to uint16 (0..65,535), which every viewer shows; the error is below 1e-5."""
    return np.round(np.clip(probability, 0, 1) * 65535).astype(np.uint16)


def from_uint16(stored: np.ndarray) -> np.ndarray:
    """Convert uint16 pages of `to_uint16` back to float32 in 0..1."""
    return stored.astype(np.float32) / np.float32(65535)


class Maps(NamedTuple):
    """A network's maps of a frame, float32 (height, width) in 0..1; `distance` is None if it learned none."""

    foreground: np.ndarray
    distance: np.ndarray | None = None


def split_maps(maps: np.ndarray) -> Maps:
    """Split a network's maps (height, width[, outputs]) into foreground and distance."""
    maps = np.atleast_3d(maps)
    return Maps(maps[..., 0], maps[..., 1] if maps.shape[-1] == 2 else None)


def open_maps(path: str | Path) -> Pages[Maps]:
    """Open a stack of a network's maps, as the script `predict` writes it: name → `Maps`, read on access."""
    return Pages(path, lambda page: split_maps(from_uint16(page)))
