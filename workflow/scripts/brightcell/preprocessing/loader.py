"""Read and preprocess the frames and masks of a sheet's rows, for training and for new recordings."""

import logging
import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from brightcell.errors import InputError
from brightcell.io import masks, readers
from brightcell.io.image_file import SAME_SIZE, ImageFile

from .steps import apply, apply_to_labels, plan, shrinkage, with_limits

logger = logging.getLogger("brightcell")

FRAMES_OF_A_RANGE = 16  # read once more where the grey values of a whole group are asked for


class RawFrame(NamedTuple):
    """A frame in its file: shape, and what outlines of its cells need, see `outlined.Frame`."""

    shape: tuple[int, ...]
    axes: tuple[tuple[str, int], ...]
    planes: int
    pixel_size_um: float


class LoadedFrame(NamedTuple):
    """A frame after preprocessing: (height, width, channels), its pixel size in µm or nan, and where it stands in its file.

    cell_diameter_px : of a typical cell, where the pixel size is unknown and the sheet or config gives it; else nan
    """

    image: np.ndarray
    pixel_size_um: float
    raw: RawFrame
    cell_diameter_px: float = math.nan


class FrameLoader:
    """Reads the rows of one group; of images and of masks one file stays open, so that a stack is opened once.

    rows : rows of the sheet, as dictionaries of text
    images, steps : the config's `images` and `preprocess`, complete
    """

    def __init__(self, rows: list[dict], images: dict, steps: dict):
        self.options = images
        self._open: dict[str, tuple[tuple, ImageFile]] = {}
        self._told: set[str] = set()
        references = {name: steps[name] and readers.read_image(steps[name]) for name in ("flat", "dark")}
        self.steps = plan(steps | references)
        if "bit_depth" in self.steps and steps["bit_depth"] == "group":
            self.steps = with_limits(self.steps, self._some_frames(rows))
        if self.steps:
            logger.info("preprocessing: %s", ", ".join(self.steps))

    def frame(self, row: dict) -> LoadedFrame:
        """Read and preprocess the frame of a row; raises InputError."""
        file, pixels = self._pixels(row)
        size = self._pixel_size(row, file)
        image = apply(pixels, self.steps)
        raw = RawFrame(pixels.shape, file.axes, file.planes, size)
        diameter = number(row.get("cell_diameter_px"), self.options["cell_diameter_px"])
        if not math.isnan(size):
            diameter = math.nan  # the pixel size counts
        return LoadedFrame(image, size * shrinkage(self.steps), raw, diameter / shrinkage(self.steps))

    def mask(self, row: dict, mask_type: str, raw: RawFrame) -> masks.Mask:
        """Read the mask of a row whose frame was read; raises InputError."""
        path, page, raw_shape = row["mask"], page_of(row), raw.shape
        if not masks.holds_pixels(Path(path)):
            mask = masks.read_mask(
                path,
                mask_type,
                page,
                (raw_shape[0], raw_shape[1]),
                row["image"],
                axes=raw.axes,
                planes=raw.planes,
                pixel_size_um=raw.pixel_size_um,
                turn=row.get("turn", (0, 1)),
                database=row.get("database", ""),
                channels=self.options["channels"],
                classes=self.options["cell_classes"],
            )
        else:
            file = self._file("mask", path, "", True)
            panel = raw_shape[1] if self.options["panels"] else None
            mask = masks.mask_of(file, mask_type, page, self.options["ignore_value"], panel)
        for note in mask.notes:
            logger.warning("%s: %s", path, note)
        masks.check_size_of_mask(path, mask.labels.shape, row["image"], raw_shape, self.options["panels"])
        return mask._replace(labels=apply_to_labels(mask.labels, self.steps))

    def close(self) -> None:
        """Close the files that are still open."""
        for _, file in self._open.values():
            file.close()
        self._open.clear()

    def _pixels(self, row: dict) -> tuple[ImageFile, np.ndarray]:
        page = page_of(row)
        file = self._file("image", row["image"], row.get("scene") or "", page is not None)
        return file, readers.frame_of(file, page, self.options["channels"])

    def _file(self, kind: str, path: str, scene: str, stacked: bool) -> ImageFile:
        wanted = (path, scene, stacked)
        if kind in self._open:
            key, file = self._open[kind]
            if key == wanted:
                return file
            file.close()
            del self._open[kind]
        if kind == "image":
            file = readers.open_chosen(path, self.options, scene, stacked)
        else:
            file = _open_mask(path, self.options["plane"])
        self._open[kind] = wanted, file
        for note in file.notes:
            self._tell(logging.WARNING, path, note)
        if kind == "image" and len(file.axes) > 1 and stacked and self.options["plane"] is None:
            self._tell(
                logging.WARNING,
                path,
                f"pages count {file.axes_in_words}: slices of depth are frames of their own, unless images.plane chooses",
            )
        return file

    def _some_frames(self, rows: list[dict]) -> Iterable[np.ndarray]:
        chosen = np.unique(np.linspace(0, len(rows) - 1, FRAMES_OF_A_RANGE).round().astype(int))
        for index in chosen:
            try:
                yield self._pixels(rows[index])[1]
            except InputError:
                continue  # reported when all frames are read

    def _pixel_size(self, row: dict, file: ImageFile) -> float:
        """Return the pixel size of the file: the sheet's, else the config's, else the file's own, else nan."""
        declared = number(row.get("pixel_size_um"), self.options["pixel_size_um"])
        found = file.pixel_size_um
        if math.isnan(declared) and found:
            self._tell(logging.INFO, file.path, f"pixel size {found:.6g} µm, from {file.size_source}")
            return found
        if found and abs(found / declared - 1) > SAME_SIZE:
            self._tell(
                logging.WARNING,
                file.path,
                f"{file.size_source} says {found:.6g} µm a pixel; the sheet or the config says {declared:.6g} µm, "
                "which counts",
            )
        return declared

    def _tell(self, level: int, path: object, message: str) -> None:
        """Log a message that holds for many files once, with the first of them."""
        if message not in self._told:
            self._told.add(message)
            logger.log(level, "%s: %s", path, message)


def _open_mask(path: str, plane: object) -> ImageFile:
    """Open a file of masks, of which a slice is taken as of the images; raises InputError where none can be."""
    file = readers.open_image_file(path, stacked=True)
    if file.slices == 1 or plane is None or plane == "time":
        return file
    if isinstance(plane, int):
        return file.at_plane(plane)
    file.close()
    raise InputError(
        f"{path}: a mask with {file.slices} slices of depth, and images.plane is {plane}. Expected one mask for all slices that are "
        "taken: save the slice in which the cells were drawn."
    )


def page_of(row: dict) -> int | None:
    """Return the page that a row names, from 0, or None."""
    value = number(row.get("page"), None)
    return None if math.isnan(value) else int(value)


def number(cell: object, default: float | None) -> float:
    """Return the number in a cell of a sheet; if it is empty, `default` or nan."""
    text = "" if cell is None else str(cell)
    if text in ("", "nan"):
        return math.nan if default is None else default
    return float(text)
