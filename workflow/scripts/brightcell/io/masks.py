"""Read masks of any kind as label images: one number per cell, 0 for background."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from skimage import measure

from brightcell.errors import InputError

from .annotations import reader_of
from .image_file import ImageFile, damaged
from .outlined import Cells, Frame, refuse_micrometres, without_enclosing
from .rasterize import Patch, bounded, paint
from .readers import READERS, open_image_file

LARGEST_NUMBER = np.iinfo(np.int32).max
LEAST_PANEL_PX = 16
SPECK_PX = 4  # colours on fewer pixels are blends, which a drawing program made along edges
TRANSPARENT_CHANNELS = (2, 4)
IGNORED = -1  # in labels: pixels that do not count, in training, calibration and scores


class Mask(NamedTuple):
    """The contents of a mask file.

    labels : int32 (height, width), IGNORED where the pixels do not count
    mask_type : `instances` (numbers as in the file) or `binary` (the connected components, from 1)
    source : kind of file in words, for the log
    numbers : for a binary mask not declared as one, the file's numbers for background and cell, see `as_instances`
    notes : what a user should know
    """

    labels: np.ndarray
    mask_type: str
    source: str
    numbers: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()


def read_mask(
    path: str | Path,
    mask_type: str = "auto",
    page: int | None = None,
    shape: tuple[int, int] | None = None,
    image: str | Path = "",
    ignore: int | None = None,
    panel_width: int | None = None,
    **known: Any,
) -> Mask:
    """Read the mask of one frame.

    mask_type : with `auto`, outlines and masks of more than two values or colours are instances; with `pieces` every
        connected part of a number is a cell
    page : number of the page in a stack, from 0
    shape : (height, width) of the image, which outlines need; image : its path, by which COCO identifies images
    ignore : number of the pixels that do not count; panel_width : see `mask_of`; known : what else outlines need, see `outlined.Frame`

    Instances keep their numbers; a binary mask is labelled by its connected components (8-neighbours).
    In a mask of two values the background is 0, or else the smaller value; in colours it is black, or else the most
    frequent colour. Raises InputError if the file is no mask: fractions, NaN, negative numbers, smoothed edges.
    """
    path = Path(path)
    if reader := reader_of(path):
        if shape is None:
            raise ValueError("outlines need the size of their image")
        return _outlines(path, reader, mask_type, Frame(shape, str(image), page, **known))
    if not holds_pixels(path):
        return _one_file_a_cell(path, mask_type)
    with open_image_file(path, stacked=True) as file:
        return mask_of(file, mask_type, page, ignore, panel_width)


def holds_pixels(path: Path) -> bool:
    """Tell whether a mask is a file of pixels, and not of outlines, nor a folder with a file a cell."""
    return not reader_of(path) and (not path.is_dir() or path.suffix.lower() == ".zarr")


def mask_of(
    file: ImageFile,
    mask_type: str = "auto",
    page: int | None = None,
    ignore: int | None = None,
    panel_width: int | None = None,
) -> Mask:
    """Read a mask of pixels from an open file; a single page serves every page of the image.

    panel_width : of a panel of the image, in px; a mask may then hold panels of that width, one for each cell
    """
    path, pixels = file.path, file.read(page if file.pages > 1 else None)
    in_panels = panel_width and pixels.ndim == 2 and pixels.shape[1] % panel_width == 0
    if panel_width and in_panels and (cells := _panels(path, pixels, panel_width, mask_type)):
        return cells
    if file.format == "JPEG":
        if ignore is not None:
            raise InputError(
                f"{path}: a JPEG as mask, which changes values, so that images.ignore_value {ignore} is lost. Expected TIFF "
                "or PNG."
            )
        return _from_jpeg(path, pixels, mask_type)
    numbers, source = _numbers(file, pixels)
    ignored = numbers == ignore if ignore is not None else None
    if ignored is not None:
        numbers[ignored] = IGNORED
    values = distinct(numbers)
    if mask_type == "pieces":
        return Mask(_pieces(numbers), "instances", f"connected {source}")
    if mask_type == "instances" or (mask_type == "auto" and len(values) > 2):
        return Mask(numbers, "instances", source)
    labels = components(numbers > (values[0] if len(values) == 2 else 0))
    if ignored is not None:
        labels[ignored] = IGNORED
    found = (int(values[0]) if len(values) == 2 else 0, int(values.max(initial=0)))
    return Mask(labels, "binary", source, None if mask_type == "binary" else found)


def as_instances(labels: np.ndarray, numbers: tuple[int, int]) -> np.ndarray:
    """Return the numbers of the file for a binary mask, because other masks of its group number their cells."""
    return np.where(labels > 0, np.int32(numbers[1]), np.where(labels < 0, labels, np.int32(numbers[0])))


def components(foreground: np.ndarray) -> np.ndarray:
    """Number the connected components (8-neighbours) of a bool image from 1; int32."""
    labels = np.empty(foreground.shape, np.int32)
    ndimage.label(foreground, np.ones((3, 3)), labels)
    return labels


def distinct(numbers: np.ndarray) -> np.ndarray:
    """Return the sorted values from 0 in an array of whole numbers, without sorting all pixels if values are small."""
    top = int(numbers.max(initial=0))
    if top >= 1 << 24:
        values = np.unique(numbers)
        return values[values >= 0]
    seen = np.zeros(top + 2, bool)
    for row in numbers:
        seen[row] = True  # IGNORED, -1, falls into the last place
    return np.flatnonzero(seen[:-1])


def _outlines(path: Path, reader: Callable[[Path, Frame], Cells], mask_type: str, frame: Frame) -> Mask:
    if not path.exists():
        raise InputError(f"{path}: no such file. Correct the path in the sample sheet.")
    try:
        found = without_enclosing(reader(path, frame))
    except Exception as error:  # JSON, zip and ROI readers each have their own errors
        raise damaged(path, error) from error
    patches, notes = found.cells, list(found.notes)
    drawn = [patch for patch in patches if patch.pixels.any()]
    if patches and not drawn:
        height, width = frame.shape
        raise InputError(
            f"{path}: none of its {len(patches)} outlines holds a pixel of the image {frame.image} ({height} × {width} "
            "px). Expected coordinates in px of this image, not in µm: is it another image's file?"
        )
    if len(drawn) < len(patches):
        notes.append(f"{len(patches) - len(drawn)} outlines hold no pixel of the image and are left out")
    refuse_micrometres(path, drawn, frame)
    labels, overlap = paint(drawn, frame.shape)
    if overlap:
        notes.append(f"outlines overlap on {overlap} pixels, which go to the smaller cell")
    ignored = _ignored(found, labels)
    labels[ignored] = 0
    if mask_type == "binary":
        labels = components(labels > 0)
    labels[ignored] = IGNORED
    return Mask(labels, "binary" if mask_type == "binary" else "instances", "outlines", notes=tuple(notes))


def _pieces(numbers: np.ndarray) -> np.ndarray:
    """Number the connected pixels (8-neighbours) of the same number from 1; ignored pixels stay so."""
    labels = measure.label(np.maximum(numbers, 0), background=0, connectivity=2).astype(np.int32)
    labels[numbers == IGNORED] = IGNORED
    return labels


def _panels(path: Path, pixels: np.ndarray, width: int, mask_type: str) -> Mask | None:
    """Read panels side by side, each with one cell, filled or as a line around it; None for an ordinary mask."""
    several = pixels.shape[1] > width
    if len(np.unique(pixels)) > 2:
        if several:
            raise InputError(
                f"{path}: {pixels.shape[1] // width} panels of {width} px with more than two values. Expected one panel for each "
                "cell, with 0 for background (images.panels); or one mask as wide as a panel of the image."
            )
        return None
    drawn = pixels > pixels.min() if pixels.any() else pixels > 0
    panels = [drawn[:, start : start + width] for start in range(0, pixels.shape[1], width)]
    labels, overlap = paint(
        [bounded(_filled(panel)) for panel in panels if panel.any()], drawn[:, :width].shape
    )
    notes = (f"cells overlap on {overlap} pixels, which go to the smaller cell",) if overlap else ()
    if mask_type == "binary":
        return Mask(components(labels > 0), "binary", "a panel a cell", notes=notes)
    return Mask(labels, "instances", "a panel a cell", notes=notes)


def _filled(drawn: np.ndarray) -> np.ndarray:
    """Fill the line around a cell, which the border of the image may cut off; a filled cell stays as it is."""
    filled = ndimage.binary_fill_holes(drawn)
    if (filled != drawn).any():
        return filled
    closed = drawn.copy()
    for side in (closed[0], closed[-1], closed[:, 0], closed[:, -1]):
        touched = np.flatnonzero(side)
        if len(touched):
            side[touched[0] : touched[-1] + 1] = True
    return ndimage.binary_fill_holes(closed)


def check_size_of_mask(
    path: str | Path,
    mask: tuple[int, ...],
    image: str | Path,
    shape: tuple[int, ...],
    panels: int | None = None,
) -> None:
    """Raise InputError if a mask is not as large as its image, (height, width); panels : the config's `images.panels`."""
    if mask[:2] == shape[:2]:
        return
    width = math.gcd(mask[1], shape[1])
    beside = mask[0] == shape[0] and width >= LEAST_PANEL_PX and panels is None
    advice = (
        f"Are pictures of {width} px side by side in both? Then write `images: {{panels: {shape[1] // width}}}` into the config."
        if beside
        else "Is it another frame's mask, or was one of the two cropped, scaled or turned?"
    )
    raise InputError(
        f"the mask {path} is {mask[0]} × {mask[1]} px, its image {image} is {shape[0]} × {shape[1]} px (height × width). "
        f"Expected the same size. {advice}"
    )


def _one_file_a_cell(folder: Path, mask_type: str) -> Mask:
    """Join the masks in a folder, each of which shows one cell; where they overlap, a pixel goes to the smaller cell."""
    patches: list[Patch] = []
    first = (0, 0), folder
    for path in sorted(each for each in folder.iterdir() if each.suffix.lower() in READERS):
        with open_image_file(path) as file:
            cell = mask_of(file, "binary").labels > 0
        first = first if patches else ((cell.shape[0], cell.shape[1]), path)
        if cell.shape != first[0]:
            raise InputError(
                f"{path}: {cell.shape[0]} × {cell.shape[1]} px, {first[1].name} in the same folder is {first[0][0]} × "
                f"{first[0][1]} px. Expected masks of one image, a file a cell."
            )
        patches.append(bounded(cell))
    if not patches:
        raise InputError(
            f"{folder}: a folder without masks. Expected a mask, or a folder with a file a cell."
        )
    labels, overlap = paint(patches, first[0])
    notes = (f"cells overlap on {overlap} pixels, which go to the smaller cell",) if overlap else ()
    if mask_type == "binary":
        return Mask(components(labels > 0), "binary", "a file a cell", notes=notes)
    return Mask(labels, "instances", "a file a cell", notes=notes)


def _ignored(found: Cells, labels: np.ndarray) -> np.ndarray:
    """Return the pixels that do not count, bool: ignored areas, what lies outside of the regions, cells mostly in them."""
    ignored = _union(found.ignored, labels.shape)
    if found.regions:
        ignored |= ~_union(found.regions, labels.shape)
    if not ignored.any():
        return ignored
    inside, whole = (np.bincount(labels[part], minlength=labels.max() + 1) for part in (ignored, labels >= 0))
    gone = 2 * inside > whole
    gone[0] = False
    return (ignored & (labels == 0)) | gone[labels]


def _union(patches: Sequence[Patch], shape: tuple[int, ...]) -> np.ndarray:
    union = np.zeros(shape, bool)
    for row, column, pixels in patches:
        union[row : row + pixels.shape[0], column : column + pixels.shape[1]] |= pixels
    return union


def _from_jpeg(path: Path, pixels: np.ndarray, mask_type: str) -> Mask:
    """Threshold a JPEG at half of its largest value; JPEG changes values, so it can only be a binary mask."""
    pixels = pixels.max(axis=-1) if pixels.ndim == 3 else pixels
    top = pixels.max()
    between = np.mean((pixels > 0.2 * top) & (pixels < 0.8 * top))
    if mask_type == "instances" or between > 0.05:
        raise InputError(
            f"{path}: a JPEG as mask; JPEG changes values, so cells' numbers are lost. Expected TIFF or PNG: "
            "export the mask again from the program in which it was drawn."
        )
    return Mask(components(pixels > top / 2), "binary", "JPEG")


def _numbers(file: ImageFile, pixels: np.ndarray) -> tuple[np.ndarray, str]:
    """Return the pixels of a mask as int32 (height, width), and what tells cells apart in it."""
    path = file.path
    if file.palette is not None and pixels.ndim == 2:
        grey = (file.palette == file.palette[:, :1]).all()
        if grey or file.palette[:1].any():
            pixels = file.palette[pixels]
        else:
            return pixels.astype(np.int32), "indexed colours"
    if pixels.ndim == 3 and pixels.shape[-1] in TRANSPARENT_CHANNELS and file.alpha:
        opaque, pixels = pixels[..., -1], pixels[..., :-1]
        if (pixels == pixels[0, 0]).all():  # drawn on a transparent sheet in one colour
            pixels = opaque
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if pixels.ndim == 3 and pixels.shape[-1] == 3 and pixels.dtype == np.uint8:
        return _colours(path, pixels), "colours"
    if pixels.ndim != 2:
        raise InputError(
            f"{path}: a mask of shape {pixels.shape}. Expected height × width: one channel of numbers, or 8-bit colours."
        )
    return _whole_numbers(path, pixels), "numbers"


def _colours(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Convert each colour to a number: red × 65,536 + green × 256 + blue; background is 0."""
    numbers = np.zeros(pixels.shape[:2], np.int32)
    for channel in range(3):
        numbers = numbers << 8 | pixels[..., channel]
    values, counts = np.unique(numbers, return_counts=True)
    specks = int((counts < SPECK_PX).sum())
    if specks > 0.2 * len(values):
        raise InputError(
            f"{path}: a coloured mask of {len(values)} colours, {specks} of them on fewer than {SPECK_PX} pixels. "
            "Expected one colour a cell, without smoothed edges: export it again without anti-aliasing, as a label image."
        )
    if values[0] != 0:
        background = values[counts.argmax()]
        numbers[numbers == background] = 0
    return numbers


def _whole_numbers(path: Path, pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype.kind not in "buif":
        raise InputError(f"{path}: a mask of type {pixels.dtype}. Expected whole numbers from 0.")
    if pixels.dtype.kind == "f":
        fractions = (np.round(pixels) != pixels).any()
        if not np.isfinite(pixels).all() or (fractions and len(np.unique(pixels)) > 2):
            raise InputError(f"{path}: a mask with fractions or NaN. Expected whole numbers from 0.")
        if fractions:
            pixels = pixels > pixels.min()
    if pixels.min() < 0 or pixels.max() > LARGEST_NUMBER:
        raise InputError(
            f"{path}: mask values from {pixels.min()} to {pixels.max()}. Expected 0 for background and "
            f"numbers from 1 to {LARGEST_NUMBER:,} for cells."
        )
    return pixels.astype(np.int32)
