"""Read TIFF files: plain, tiled, compressed, BigTIFF, ImageJ hyperstacks and OME-TIFF, one page at a time."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from brightcell.errors import InputError

from .image_file import ImageFile, check_size, micrometres
from .page_chain import MOST_PAGES, check_pages

LARGEST_PIXEL_UM = 20  # larger values are for printing: 1200 dpi are 21 µm
MOST_CHANNELS = 4
ORIENTATION_AS_STORED = 1


class Frames(NamedTuple):
    """Frames of a file: the axes that they run along with their lengths, how one is read, and the pictures of each."""

    axes: tuple[tuple[str, int], ...]
    get: Callable[[int], np.ndarray]
    planes: int = 1


def open_tiff(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open a TIFF file.

    scene : name or number, from 0, of an image in an OME-TIFF with several
    stacked : read 2 to 4 images of unknown meaning as pages, not as channels
    """
    check_pages(path)
    file = _opened(path)
    try:
        number, series = _choose(path, file, scene)
        frames = _single_pages(file) if series is None else _pages(path, series, stacked)
        first = file.pages.first if series is None else series.keyframe
        _check_page(first)
        size, source, notes = _pixel_size(file, number)
        orientation = first.tags.valueof("Orientation", ORIENTATION_AS_STORED)
        if orientation != ORIENTATION_AS_STORED:
            notes.append(
                f"its orientation tag ({int(orientation)}) is not followed: rows are taken as stored, as Fiji does"
            )
        return ImageFile(
            path=path,
            format="TIFF",
            get=frames.get,
            pages=math.prod(length for _, length in frames.axes),
            axes=frames.axes,
            planes=frames.planes,
            pixel_size_um=size,
            size_source=source,
            alpha=any(int(sample) in (1, 2) for sample in first.extrasamples),
            palette=_palette(first),
            notes=notes,
            close=file.close,
        )
    except Exception:
        file.close()
        raise


def _opened(path: Path) -> tifffile.TiffFile:
    """Open a TIFF. Of an OME-TIFF in several files the others are opened only where their pages must be told apart."""
    file = tifffile.TiffFile(path, _multifile=False)
    _check_counts(path, file.ome_metadata or "")
    if not file.is_ome or len(file.pages) == 1 or file.series[0].kind == "ome":
        return file
    file.close()
    return tifffile.TiffFile(path)


def _check_counts(path: Path, ome: str) -> None:
    """Raise InputError if OME metadata tell of more pages than a file may have; tifffile makes a list of them all."""
    for pixels in re.findall(r"<(?:\w+:)?Pixels\b[^>]*>", ome):
        counts = re.findall(r"""Size[ZCT]\s*=\s*["']\s*(\d+)""", pixels)
        if math.prod(map(int, counts)) > MOST_PAGES:
            raise InputError(
                f"{path}: its OME metadata name {' × '.join(counts)} pages. Expected at most {MOST_PAGES:,}: export it "
                "again, or cut it into several files."
            )


def _check_page(page: tifffile.TiffPage | tifffile.TiffFrame, channels: int = 1) -> None:
    """Raise InputError if a frame of so many pages like this one is too large."""
    key, path = page.keyframe, Path(page.parent.filehandle.path)
    assert key is not None  # every page of a series has one
    height, width = key.imagelength, key.imagewidth
    check_size(path, height, width, channels * key.nbytes / max(1, height * width))


def _choose(path: Path, file: tifffile.TiffFile, scene: str) -> tuple[int, tifffile.TiffPageSeries | None]:
    """Return the number of the series that a scene names, and the series; None if pages of a plain TIFF differ in size."""
    several = len(file.series) > 1
    if several and not file.is_ome:
        return 0, None
    if not scene:
        if several:
            raise InputError(
                f"{path}: holds {len(file.series)} scenes ({_names(file)}). Expected one a row: name it in the sheet's "
                "column `scene`."
            )
        return 0, file.series[0]
    for number, series in enumerate(file.series):
        if scene in (series.name, str(number)):
            return number, series
    raise InputError(
        f"{path}: no scene {scene!r}; the file has {_names(file)} (or 0 to {len(file.series) - 1}). "
        "Correct the sheet's column `scene`."
    )


def _names(file: tifffile.TiffFile) -> str:
    return ", ".join(series.name or str(number) for number, series in enumerate(file.series[:20]))


def _single_pages(file: tifffile.TiffFile) -> Frames:
    """Return the pages of a TIFF with pages of several sizes, without reduced copies of a page."""
    pages = [page for page in file.pages if not (isinstance(page, tifffile.TiffPage) and page.is_reduced)]
    return Frames((("pages of several sizes", len(pages)),), lambda page: _spatial(pages[page]))


def _spatial(page: tifffile.TiffPage | tifffile.TiffFrame) -> np.ndarray:
    """Read a page as (height, width[, samples])."""
    _check_page(page)
    pixels = page.asarray()
    return np.moveaxis(pixels, 0, -1) if page.axes == "SYX" else pixels


def _pages(path: Path, series: tifffile.TiffPageSeries, stacked: bool) -> Frames:
    """Return the frames of a series."""
    inner = series.keyframe.axes
    outer, shape = series.axes[: -len(inner)], series.shape[: -len(inner)]
    if series.axes[len(outer) :] != inner or inner not in ("YX", "YXS", "SYX"):
        raise InputError(
            f"{path}: axes {series.axes} of {series.shape}. Expected pages of height × width, with channels at most: "
            "save it as an OME-TIFF or an ImageJ hyperstack, for example with Fiji."
        )
    if inner == "YX" and outer in ("Q", "I") and series.shape[-1] <= MOST_CHANNELS < min(series.shape[:2]):
        # Height × width × channels, from a program that took the rows for pages.
        _check_page(series.keyframe, series.shape[0])
        return Frames((), lambda _: series.asarray())
    channel = outer.find("C") if "S" not in inner else -1
    if outer == "C" and shape[0] > MOST_CHANNELS and stacked:
        channel = -1  # some programs call the frames of a stack channels
    if channel < 0 and outer in ("Q", "I") and inner == "YX" and shape[0] <= MOST_CHANNELS and not stacked:
        channel = 0
    _check_page(series.keyframe, shape[channel] if channel >= 0 else 1)
    axes = tuple(
        (name, length)
        for axis, (name, length) in enumerate(zip(outer, shape, strict=True))
        if axis != channel
    )
    if series.kind == "ome" and (
        series.is_multifile or any(series[n] is None for n in range(math.prod(shape)))
    ):
        return _own_frames(path, series, shape, channel, axes)
    counted = tuple(length for _, length in axes)

    def picture(index: tuple[int, ...]) -> np.ndarray:
        number = int(np.ravel_multi_index(index, shape)) if shape else 0
        try:
            page = series[number]
        except IndexError:  # an ImageJ stack above 4 GB describes only its first page
            page = None
            if series.dataoffset is None:
                raise
            dtype = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
            stack = np.memmap(path, dtype, "r", series.dataoffset, (math.prod(shape), *series.keyframe.shape))
            return np.array(stack[number], dtype=series.dtype)
        if page is None:
            raise InputError(f"{path}: page {number} is not in the file. Export it again.")
        return _spatial(page)

    def get(page: int) -> np.ndarray:
        index = [int(i) for i in np.unravel_index(page, counted)] if counted else []
        if channel < 0:
            return picture(tuple(index))
        return np.stack(
            [picture((*index[:channel], number, *index[channel:])) for number in range(shape[channel])],
            axis=-1,
        )

    return Frames(axes, get, shape[channel] if channel >= 0 else 1)


def _own_frames(
    path: Path,
    series: tifffile.TiffPageSeries,
    shape: tuple[int, ...],
    channel: int,
    axes: tuple[tuple[str, int], ...],
) -> Frames:
    """Return the frames of an OME-TIFF in several files that lie in this file; the others are read from theirs.

    Every file describes the whole series. Channels in files of their own are left to those files, too.
    """
    pictures = [series[number] for number in range(math.prod(shape))]
    own = np.array([page is not None and page.parent is series.parent for page in pictures]).reshape(shape)
    pages = np.arange(own.size).reshape(own.shape)
    if channel >= 0:
        own, pages = (np.moveaxis(each, channel, -1).reshape(-1, shape[channel]) for each in (own, pages))
    else:
        own, pages = own.reshape(-1, 1), pages.reshape(-1, 1)
    held = np.flatnonzero(own.any(axis=1))
    if not len(held) or (own[held] != own[held[0]]).any():
        raise InputError(
            f"{path}: one of several files of an OME-TIFF, with {int(own.sum())} of {own.size} pictures, not all channels of "
            "each frame. Expected whole frames in each file: save the series as one file, for example with Fiji."
        )
    places = np.array(np.unravel_index(held, [length for _, length in axes] or [1]))
    mine = tuple((name, len(np.unique(place))) for (name, _), place in zip(axes, places, strict=False))
    if math.prod(length for _, length in mine) != len(held):
        mine = (("frames", len(held)),)

    def get(page: int) -> np.ndarray:
        channels = [_spatial(pictures[number]) for number in pages[held[page]][own[held[page]]]]
        return channels[0] if len(channels) == 1 else np.stack(channels, axis=-1)

    return Frames(tuple((name, length) for name, length in mine if length > 1), get, int(own[held[0]].sum()))


def _palette(page: tifffile.TiffPage) -> np.ndarray | None:
    if page.photometric != tifffile.PHOTOMETRIC.PALETTE or page.colormap is None:
        return None
    return (page.colormap.T >> 8).astype(np.uint8)


def _pixel_size(file: tifffile.TiffFile, number: int) -> tuple[float | None, str, list[str]]:
    """Return the pixel size in µm, the field that it comes from, and notes about it."""
    sides: list[float | None] = [None, None]
    source = ""
    page = file.pages.first
    if file.ome_metadata:
        source = "the OME metadata"
        images = tifffile.xml2dict(file.ome_metadata).get("OME", {}).get("Image", {})
        image = images[min(number, len(images) - 1)] if isinstance(images, list) else images
        pixels = image.get("Pixels", {})
        sides = [
            micrometres(pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm"))
            for axis in "XY"
        ]
    elif file.imagej_metadata and file.imagej_metadata.get("unit"):
        source = "ImageJ's scale"
        unit = str(file.imagej_metadata["unit"])
        sides = [micrometres(_side(page, axis), unit) for axis in "XY"]
    elif page.tags.valueof("ResolutionUnit") in (2, 3):
        source = "the resolution tags"
        unit = {2: "inch", 3: "cm"}[int(page.tags.valueof("ResolutionUnit"))]
        sides = [micrometres(_side(page, axis), unit) for axis in "XY"]
    if not sides[0]:
        return None, "", []
    if source != "the OME metadata" and sides[0] > LARGEST_PIXEL_UM:
        return None, "", []
    odd = sides[1] and abs(sides[1] / sides[0] - 1) > 0.01
    notes = [f"pixels of {sides[0]:g} × {sides[1]:g} µm are not square; the first counts"] if odd else []
    return sides[0], source, notes


def _side(page: tifffile.TiffPage, axis: str) -> float | None:
    """Return the units per pixel from a resolution tag, which gives pixels per unit as a fraction."""
    tag = page.tags.valueof(f"{axis}Resolution")
    return tag[1] / tag[0] if tag and tag[0] and tag[1] else None
