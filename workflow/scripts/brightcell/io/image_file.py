"""An open image file of any format: its number of pages, its pixel size, and its pages one at a time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from brightcell.errors import InputError

LARGEST_PX = (
    500_000_000  # of one channel; a larger file is a decompression bomb, or a slide to be cut into tiles
)
SAME_SIZE = 0.02  # pixel sizes that differ by less are the same number, rounded
UNITS_UM = {
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer", "\\u00b5m"), 1.0),
    **{"nm": 1e-3, "å": 1e-4, "mm": 1e3, "cm": 1e4, "m": 1e6, "inch": 25_400.0},
}


@dataclass
class ImageFile:
    """An open file, which a `with` block closes.

    pages : number of frames, over all axes that are neither space nor colour
    get : returns a page as (height, width) or (height, width, channels), with the dtype of the file
    axes : the pages in words, such as "30 × T", for messages
    pixel_size_um, size_source : side of a pixel, and the field of the file that it comes from
    alpha : the last of two or four channels is transparency
    palette : (colours, 3) uint8, if the pixels are indices into a table of colours
    notes : what a user should know, without the name of the file
    """

    path: Path
    format: str
    get: Callable[[int], np.ndarray]
    pages: int = 1
    axes: str = ""
    pixel_size_um: float | None = None
    size_source: str = ""
    alpha: bool = False
    palette: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> "ImageFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def read(self, page: int | None = None) -> np.ndarray:
        """Read a page, counted from 0; None means the only one. Raises InputError if there is no such page."""
        if page is None and self.pages != 1:
            raise InputError(
                f"{self.path}: a stack of {self.pages} pages ({self.axes}). Expected one frame a row: name the page in "
                f"the sheet's column `page`, from 0 to {self.pages - 1}, one row a page."
            )
        if page is not None and page >= self.pages:
            raise InputError(
                f"{self.path}: the sheet asks for page {page}; the file has {self.pages}, numbered from 0. "
                "Correct the column `page`."
            )
        try:
            return np.asarray(self.get(page or 0))
        except Exception as error:
            raise damaged(self.path, error) from error


def damaged(path: Path, error: Exception) -> InputError:
    """Return the InputError for a file that its reader could not read; an InputError is returned as it is."""
    if isinstance(error, InputError):
        return error
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    size = f"{path.stat().st_size} bytes; " if path.is_file() else ""
    return InputError(
        f"{path}: damaged or truncated ({size}the reader said: {reason}). "
        "Copy the file anew from its source, or remove its row from the sample sheet."
    )


def check_size(path: Path, height: int, width: int) -> None:
    """Raise InputError for a frame larger than any camera takes, before it fills the memory."""
    if height < 1 or width < 1:
        raise InputError(f"{path}: a picture of {height} × {width} px holds nothing. Export it anew.")
    if height * width > LARGEST_PX:
        raise InputError(
            f"{path}: {height:,} × {width:,} px in one frame. Expected at most {LARGEST_PX:,} px: cut it into tiles, "
            "each with a row of its own."
        )


def micrometres(value: str | float | None, unit: str) -> float | None:
    """Convert a length to µm; None if it is no positive number or the unit is unknown."""
    if value is None:
        return None
    try:
        size = float(value) * UNITS_UM[str(unit).strip().lower()]
    except (TypeError, ValueError, KeyError):
        return None
    return size if 0 < size < float("inf") else None
