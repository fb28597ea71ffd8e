"""An open image file of any format: its number of pages, its pixel size, and its pages one at a time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from brightcell.errors import InputError

# Of one frame, and of all its channels; a larger one is a decompression bomb, or a slide to be cut into tiles.
LARGEST_PX = 500_000_000
LARGEST_BYTES = 2 * LARGEST_PX
SAME_SIZE = 0.02  # pixel sizes that differ by less are the same number, rounded
UNITS_UM = {
    **{
        "µm": 1.0,
        "μm": 1.0,
        "um": 1.0,
        "micron": 1.0,
        "\\u00b5m": 1.0,
        "µ": 1.0,
        "μ": 1.0,
        "pm": 1e-6,
        "nm": 1e-3,
    },
    **{"å": 1e-4, "angstrom": 1e-4, "mm": 1e3, "cm": 1e4, "dm": 1e5, "m": 1e6, "mil": 25.4, "inch": 25_400.0},
    **{"in": 25_400.0, '"': 25_400.0, "inche": 25_400.0, "ft": 304_800.0},
    **{
        f"{prefix}{metre}": size
        for prefix, size in (
            ("pico", 1e-6),
            ("nano", 1e-3),
            ("micro", 1.0),
            ("milli", 1e3),
            ("centi", 1e4),
            ("", 1e6),
        )
        for metre in ("meter", "metre")
    },
}


@dataclass
class ImageFile:
    """An open file, which a `with` block closes.

    pages : number of frames, over all axes that are neither space nor colour
    get : returns a page as (height, width) or (height, width, channels), with the dtype of the file
    axes : what the pages count, with the lengths, such as ("T", 30), ("Z", 5): time, and slices of depth inside it
    planes : pictures that the file holds for each page, if its channels are stored one by one
    pixel_size_um, size_source : side of a pixel, and the field of the file that it comes from
    merged : the channels are chosen slices of depth, see `at_plane`
    alpha : the last of two or four channels is transparency
    palette : (colours, 3) uint8, if the pixels are indices into a table of colours
    notes : what a user should know, without the name of the file
    """

    path: Path
    format: str
    get: Callable[[int], np.ndarray]
    pages: int = 1
    axes: tuple[tuple[str, int], ...] = ()
    planes: int = 1
    pixel_size_um: float | None = None
    size_source: str = ""
    merged: bool = False
    alpha: bool = False
    palette: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> "ImageFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def axes_in_words(self) -> str:
        """The pages in words, such as `30 × T of 5 × Z`."""
        return " of ".join(f"{length} × {axis}" for axis, length in self.axes)

    @property
    def slices(self) -> int:
        """Number of slices in depth."""
        return dict(self.axes).get("Z", 1)

    def in_panels(self, panels: int | None) -> "ImageFile":
        """Return the file with pictures that stand side by side taken as slices of depth; as it is for None or 1."""
        if not panels or panels == 1:
            return self

        def get(page: int) -> np.ndarray:
            whole, panel = divmod(page, panels)
            pixels = self.get(whole)
            width, rest = divmod(pixels.shape[1], panels)
            if rest or not width:
                raise InputError(
                    f"{self.path}: {pixels.shape[1]} px wide, which is not {panels} panels of equal width (images.panels). Correct "
                    "the config, or give images with another number of panels a sheet and a config of their own."
                )
            return pixels[:, panel * width : (panel + 1) * width]

        if self.slices > 1:
            raise InputError(
                f"{self.path}: has {self.slices} slices of depth already; images.panels is for files that show them side by "
                "side. Take it out of the config."
            )
        return replace(self, get=get, axes=(*self.axes, ("Z", panels)), pages=self.pages * panels)

    def at_plane(
        self, plane: int | Sequence[int] | str | None, channels: Sequence[int] | None = None
    ) -> "ImageFile":
        """Return the file with its depth taken out, so that its pages are times; as it is for None or `time`.

        plane : the number of the slice to take; a list of numbers, whose slices become channels; or `focus`, the slice with
            the sharpest structures of each time, see `sharpness`
        channels : the channels that are looked at for `focus`, and taken of each slice of a list; None for all
        """
        if plane is None or plane == "time" or (self.slices == 1 and not isinstance(plane, list | tuple)):
            return self
        chosen = (
            range(self.slices) if isinstance(plane, str) else [plane] if isinstance(plane, int) else plane
        )
        if max(chosen) >= self.slices:
            raise InputError(
                f"{self.path}: images.plane asks for slice {max(chosen)}; the file has {self.slices}, numbered from 0. Correct "
                "the config."
            )
        names, lengths = zip(*(self.axes or (("Z", 1),)), strict=True)
        kept = tuple((name, length) for name, length in self.axes if name != "Z")

        def one(page: int, depth: int) -> np.ndarray:
            index = list(np.unravel_index(page, [length for _, length in kept])) if kept else []
            if "Z" in names:
                index.insert(names.index("Z"), np.intp(depth))
            return self.get(int(np.ravel_multi_index(index, lengths)))

        def get(page: int) -> np.ndarray:
            pictures = (one(page, depth) for depth in chosen)
            if plane == "focus":
                return max(pictures, key=lambda each: sharpness(self._of_channels(each, channels)))
            if isinstance(plane, int):
                return next(pictures)
            return np.concatenate([self._of_channels(each, channels) for each in pictures], axis=-1)

        merged = isinstance(plane, list | tuple)
        return replace(
            self,
            get=get,
            axes=kept,
            pages=math.prod(length for _, length in kept),
            merged=merged,
            alpha=self.alpha and not merged,
        )

    def _of_channels(self, pixels: np.ndarray, channels: Sequence[int] | None) -> np.ndarray:
        """Return a picture as (height, width, channels), without transparency, with the chosen channels that it has."""
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        if self.alpha and pixels.shape[-1] in (2, 4):
            pixels = pixels[..., :-1]
        return pixels[..., [each for each in channels if each < pixels.shape[-1]]] if channels else pixels

    def read(self, page: int | None = None) -> np.ndarray:
        """Read a page, counted from 0; None means the only one. Raises InputError if there is no such page."""
        if page is None and self.pages != 1:
            choice = (
                f"; or choose a slice with the config's images.plane, 0 to {self.slices - 1}, several such as [0, "
                f"{self.slices - 1}] as channels, or focus"
                if self.slices > 1
                else ""
            )
            raise InputError(
                f"{self.path}: a stack of {self.pages} pages ({self.axes_in_words}). Expected one frame a row: name the page in "
                f"the sheet's column `page`, from 0 to {self.pages - 1}, one row a page{choice}."
            )
        if page is not None and page >= self.pages:
            raise InputError(
                f"{self.path}: the sheet asks for page {page}; the file has {self.pages}, numbered from 0. "
                "Correct the column `page`."
            )
        try:
            pixels = np.asarray(self.get(page or 0))
        except Exception as error:
            raise damaged(self.path, error) from error
        if self.palette is None:
            return pixels
        if pixels.dtype == bool:  # one bit a pixel; numpy would take it for a choice of colours
            pixels = pixels.astype(np.uint8)
        if pixels.dtype.kind != "u" or pixels.max(initial=0) >= len(self.palette):
            raise InputError(
                f"{self.path}: a colour beyond its palette. The file is damaged: export it again."
            )
        return pixels


def sharpness(pixels: np.ndarray) -> float:
    """Return how sharp a picture is: the variance of its Laplacian over the square of its mean, of all channels together.

    Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy (2000). Cells in bright field may look sharper a little
    out of focus, where their contrast is higher.
    """
    grey = pixels.reshape(*pixels.shape[:2], -1).mean(axis=-1, dtype=np.float64)
    return float(ndimage.laplace(grey).var() / max(grey.mean() ** 2, 1e-12))


def damaged(path: Path, error: Exception) -> InputError:
    """Return the InputError for a file that its reader could not read; an InputError is returned as it is."""
    if isinstance(error, InputError):
        return error
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    size = f"{path.stat().st_size} bytes; " if path.is_file() else ""
    return InputError(
        f"{path}: damaged or truncated ({size}the reader said: {reason}). "
        "Copy the file again from its source, or remove its row from the sample sheet."
    )


def check_size(path: Path, height: int, width: int, pixel_bytes: float = 1) -> None:
    """Raise InputError for a frame larger than any camera takes, before it fills the memory.

    pixel_bytes : size of a pixel with all its channels
    """
    if height < 1 or width < 1:
        raise InputError(f"{path}: a picture of {height} × {width} px holds nothing. Export it again.")
    if height * width > LARGEST_PX:
        raise InputError(
            f"{path}: {height:,} × {width:,} px in one frame. Expected at most {LARGEST_PX:,} px: cut it into tiles, "
            "each with a row of its own."
        )
    if height * width * pixel_bytes > LARGEST_BYTES:
        raise InputError(
            f"{path}: {height:,} × {width:,} px of {pixel_bytes:g} bytes in one frame. Expected at most "
            f"{LARGEST_BYTES:,} bytes: leave out channels, save it with fewer bits, or cut it into tiles."
        )


def micrometres(value: str | float | None, unit: str) -> float | None:
    """Convert a length to µm; None if it is no positive number or the unit is unknown."""
    if value is None:
        return None
    try:
        name = str(unit).strip().lower()
        size = float(value) * UNITS_UM[name if name in UNITS_UM else name.rstrip("s.")]
    except (TypeError, ValueError, KeyError):
        return None
    return size if 0 < size < float("inf") else None
