"""Read images and masks, write stacks of frames, bring both to the working pixel size.

A *stack file* is a TIFF with one page a sample, in order; the sample's name is the page's
description. Pages may differ in size. Fiji opens it as a stack, `read_stack` as a dictionary.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import tifffile
from scipy import ndimage
from skimage import io, measure, transform

from .errors import InputError
from .files import whole


def read_png(path: Path) -> np.ndarray:
    """Read a PNG of 8 or 16 bits, grey or colour (other readers cut 16-bit colour down to 8 bits)."""
    return imagecodecs.png_decode(path.read_bytes())


# A format is one entry: the suffix, and what reads a file of it into an array.
READERS = {
    ".tif": tifffile.imread,
    ".tiff": tifffile.imread,
    ".png": read_png,
    ".jpg": io.imread,
    ".jpeg": io.imread,
}
LARGEST_FACTOR, SMALLEST_FACTOR = 10, 0.02  # beyond these somebody mixed up µm and nm


def read_pixels(path: str | Path) -> np.ndarray:
    """Read one image file as it is stored.

    Raises InputError where the file is missing, empty, of an unknown format or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file. Correct the path in the sample sheet.")
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise InputError(
            f"{path}: the format {path.suffix or '(no suffix)'} is not read. "
            f"Expected one of {', '.join(READERS)}: convert the file, for example with Fiji."
        )
    try:
        return np.asarray(READERS[suffix](path))
    except Exception as error:  # each reader has errors of its own; all mean a damaged file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: damaged or truncated ({path.stat().st_size} bytes; the reader said: {reason}). "
            "Copy the file anew from its source, or remove its row from the sample sheet."
        ) from error


def read_image(path: str | Path) -> np.ndarray:
    """Read an image as (height, width, channels), with the dtype of the file.

    Channels may stand first or last in the file; an alpha channel is dropped.
    """
    pixels = np.squeeze(read_pixels(path))
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    elif pixels.ndim == 3 and pixels.shape[0] <= 4 < min(pixels.shape[1:]):
        pixels = np.moveaxis(pixels, 0, -1)
    if pixels.ndim != 3 or pixels.shape[-1] > 4:
        raise InputError(
            f"{path}: an array of shape {pixels.shape} is no single frame. Expected height × width, "
            "with one to four channels: write stacks as one file a frame, each with a row of its own."
        )
    if pixels.shape[-1] in (2, 4) and _last_is_alpha(path):
        pixels = pixels[..., :-1]
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(
            f"{path}: {int((~np.isfinite(pixels)).sum())} pixels are NaN or infinite. "
            "Replace them by numbers, or remove the row from the sample sheet."
        )
    return pixels


def _last_is_alpha(path: str | Path) -> bool:
    """Say whether an image of two or four channels ends in transparency; a TIFF tells, PNG means it."""
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        return True
    with tifffile.TiffFile(path) as file:
        return any(int(sample) in (1, 2) for sample in file.pages[0].extrasamples)


def read_mask(path: str | Path, mask_type: str = "auto") -> tuple[np.ndarray, str]:
    """Read a mask as int32 labels (height, width) and its type, `instances` or `binary`.

    `auto` calls a mask with more than two values instances. Of instances the numbers are kept; of a
    binary mask the connected components (8-neighbours) become the labels, from 1. A binary mask of two
    values without a zero counts its smaller value as background. A JPEG can only be binary: it is cut
    at half of its largest value.
    """
    pixels = _mask_values(path)
    jpeg = Path(path).suffix.lower() in (".jpg", ".jpeg")
    if jpeg:
        top = pixels.max()
        between = np.mean((pixels > 0.2 * top) & (pixels < 0.8 * top))
        if mask_type == "instances" or between > 0.05:
            raise InputError(
                f"{path}: a JPEG as mask; JPEG changes values, so cells' numbers are lost. Expected TIFF or PNG: "
                "export the mask anew from the program in which it was drawn."
            )
        return _components(pixels > top / 2), "binary"
    values = np.unique(pixels)
    if mask_type == "instances" or (mask_type == "auto" and len(values) > 2):
        return pixels, "instances"
    return _components(pixels > (values[0] if len(values) == 2 else 0)), "binary"


def _components(foreground: np.ndarray) -> np.ndarray:
    return measure.label(foreground, connectivity=2).astype(np.int32)


def _mask_values(path: str | Path) -> np.ndarray:
    """Read the numbers in a mask as int32 (height, width)."""
    pixels = np.squeeze(read_pixels(path))
    if pixels.ndim == 3 and pixels.shape[-1] in (3, 4):
        if not (pixels[..., :1] == pixels[..., :3]).all():
            raise InputError(
                f"{path}: a coloured mask of shape {pixels.shape}. Expected one channel with 0 for the "
                "background and one number a cell: save it as a grey label image."
            )
        pixels = pixels[..., 0]
    if pixels.ndim != 2:
        raise InputError(f"{path}: a mask of shape {pixels.shape}. Expected height × width.")
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)
    if pixels.dtype.kind == "f":
        rounded = np.round(pixels)
        if not np.isfinite(pixels).all() or ((rounded != pixels).any() and len(np.unique(pixels)) > 2):
            raise InputError(f"{path}: a mask with fractions or NaN. Expected whole numbers from 0.")
        pixels = (pixels > pixels.min()).astype(np.int32) if (rounded != pixels).any() else rounded
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.int32).max:
        raise InputError(
            f"{path}: mask values from {pixels.min()} to {pixels.max()}. Expected 0 for background and "
            "numbers from 1 to 2,147,483,647 for cells."
        )
    return pixels.astype(np.int32)


def write_stack(path: str | Path, pages: Iterable[tuple[str, np.ndarray]]) -> None:
    """Write (name, array) pairs as a stack file; arrays are (height, width[, channels]).

    A single channel is stored as (height, width); `np.atleast_3d` brings it back.
    """
    with whole(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=True) as writer:
        for name, array in pages:
            if array.ndim == 3 and array.shape[-1] == 1:
                array = array[..., 0]
            writer.write(
                array,
                description=name,
                metadata=None,
                compression="zlib",
                predictor=array.dtype.kind in "iu" and array.dtype.itemsize <= 4,
                photometric="rgb" if array.ndim == 3 and array.shape[-1] == 3 else "minisblack",
                planarconfig="contig" if array.ndim == 3 else None,
            )


def iterate_stack(path: str | Path, names: Iterable[str] | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, array) of the pages named (all by default) of a stack file, in the file's order."""
    wanted = None if names is None else set(names)
    with tifffile.TiffFile(path) as file:
        for page in file.pages:
            if wanted is None or page.description in wanted:
                yield page.description, page.asarray()


def read_stack(path: str | Path, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """Read what `iterate_stack` yields into a dictionary from name to array."""
    return dict(iterate_stack(path, names))


def iterate_named(paths: Iterable[str | Path], rows: pd.DataFrame) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (sample, array) for the samples of a table from the stacks of their groups, one at a time.

    paths : stack files in folders named like the groups; rows : table with sample and group.
    Arrays are (height, width, channels); label images have one channel.
    """
    path_of = {Path(path).parent.name: path for path in paths}
    for group, members in rows.groupby("group", sort=False):
        wanted = set(members["sample"])
        for name, array in iterate_stack(path_of[group], wanted):
            yield name, np.atleast_3d(array)


def read_named(paths: Iterable[str | Path], rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Read what `iterate_named` yields into a dictionary from sample to array."""
    return dict(iterate_named(paths, rows))


def to_uint16(probability: np.ndarray) -> np.ndarray:
    """Store values in 0..1 as uint16 (0..65,535), which every viewer shows; error below 1e-5."""
    return np.round(np.clip(probability, 0, 1) * 65535).astype(np.uint16)


def from_uint16(stored: np.ndarray) -> np.ndarray:
    """Turn uint16 pages of `to_uint16` back into float32 in 0..1."""
    return stored.astype(np.float32) / np.float32(65535)


def split_maps(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Split a network's maps (height, width[, outputs]) into foreground and, where there is one, distance."""
    maps = np.atleast_3d(maps)
    return maps[..., 0], maps[..., 1] if maps.shape[-1] == 2 else None


def scale_factor(pixel_size_um: float | None, working_pixel_size_um: float | None) -> float:
    """Return by how much a frame's sides are multiplied; 1 where a pixel size is unknown (None or NaN).

    Raises InputError for a factor that no one means.
    """
    if not pixel_size_um or not working_pixel_size_um or math.isnan(pixel_size_um):
        return 1.0
    factor = pixel_size_um / working_pixel_size_um
    if not SMALLEST_FACTOR <= factor <= LARGEST_FACTOR:
        raise InputError(
            f"a pixel of {pixel_size_um:g} µm, brought to working_pixel_size_um {working_pixel_size_um:g}, makes frames "
            f"{factor:g} times as large. Expected {SMALLEST_FACTOR} to {LARGEST_FACTOR} times: "
            "are both in µm, and of the specimen, not of the camera?"
        )
    return factor


def rescale_image(image: np.ndarray, factor: float) -> np.ndarray:
    """Rescale (height, width, channels) by a factor, bilinear, anti-aliased; float32 where it changes."""
    if factor == 1:
        return image
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return transform.resize(
        image.astype(np.float32), (height, width, image.shape[2]), order=1, anti_aliasing=factor < 1
    ).astype(np.float32)


def rescale_labels(labels: np.ndarray, factor: float) -> np.ndarray:
    """Rescale a label image by a factor, nearest neighbour: ids survive and cells do not grow."""
    height, width = (max(1, round(side * factor)) for side in labels.shape)
    return resize_labels(labels, (height, width))


def resize_labels(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Bring a label image to (height, width) by nearest neighbour."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    )
    return labels[np.ix_(rows, columns)]


def normalise(image: np.ndarray, percentiles: tuple[float, float] = (0.5, 99.5)) -> np.ndarray:
    """Bring a frame (height, width, channels) to about 0..1 by two percentiles of each channel; float32.

    A constant channel becomes zero. The frame is measured whole: crops of it use the same numbers.
    """
    image = image.astype(np.float32)
    low, high = np.percentile(image, percentiles, axis=(0, 1))
    return (image - low.astype(np.float32)) / np.maximum(high - low, 1e-6).astype(np.float32)


def outlines(labels: np.ndarray) -> np.ndarray:
    """Mark the pixels of each cell that border another label or the background; bool (height, width)."""
    return (labels > 0) & (
        (ndimage.maximum_filter(labels, 3) != labels) | (ndimage.minimum_filter(labels, 3) != labels)
    )
