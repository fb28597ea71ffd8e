"""Read the frames of image files: which reader opens which format, and what counts as a frame."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
from PIL import Image, ImageOps

from brightcell.errors import InputError, counted

from .arrays import open_npy, open_npz
from .czi import open_czi
from .image_file import LARGEST_BYTES, LARGEST_PX, ImageFile, check_size, damaged
from .page_chain import MOST_PAGES
from .tiff import open_tiff
from .vendor import VENDOR_PACKAGES, open_vendor

Image.MAX_IMAGE_PIXELS = LARGEST_PX  # above it Pillow only warns; `check_size` raises an InputError
PNG_HEADER, PNG_PALETTE = 26, 3
PNG_CHANNELS = {2: 3, 4: 2, 6: 4}  # by the kind of colour; one for all others


def open_png(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open a PNG of 1 to 16 bits: grey, colour or with a palette."""
    with path.open("rb") as file:
        header = file.read(PNG_HEADER)
    width, height, bits, colour = struct.unpack(">IIBB", header[16:PNG_HEADER])
    check_size(path, height, width, PNG_CHANNELS.get(colour, 1) * max(bits, 8) / 8)
    if colour == PNG_PALETTE:
        return _open_pillow(path, "PNG")
    # Pillow would cut 16-bit colours down to 8 bits.
    return ImageFile(path, "PNG", lambda _: imagecodecs.png_decode(_content(path)), alpha=True)


def _content(path: Path) -> bytes:
    """Return the bytes of a file, no more than its pixels may have."""
    with path.open("rb") as file:
        return file.read(LARGEST_BYTES)


def open_jpeg(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open a JPEG, turned as its EXIF orientation says."""
    return _open_pillow(path, "JPEG")


def open_bmp(path: Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open a Windows bitmap."""
    return _open_pillow(path, "BMP")


def _open_pillow(path: Path, name: str) -> ImageFile:
    with Image.open(path) as image:
        check_size(path, image.height, image.width, len(image.getbands()))
        turned = image.getexif().get(0x0112, 1) != 1
        colours = image.getpalette("RGB") if image.mode == "P" else None
        kind = image.mode

    def get(_: int) -> np.ndarray:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return np.asarray(upright.convert("RGB") if kind in ("CMYK", "YCbCr") else upright)

    return ImageFile(
        path,
        name,
        get,
        palette=None if colours is None else np.array(colours, np.uint8).reshape(-1, 3),
        notes=["turned as its EXIF orientation says"] if turned else [],
    )


Opener = Callable[[Path, str, bool], ImageFile]
# A format is one entry: the suffix, and the function that opens a file of it.
READERS: dict[str, Opener] = {
    ".tif": open_tiff,
    ".tiff": open_tiff,
    ".png": open_png,
    ".jpg": open_jpeg,
    ".jpeg": open_jpeg,
    ".bmp": open_bmp,
    ".npy": open_npy,
    ".npz": open_npz,
    ".czi": open_czi,
    **dict.fromkeys(VENDOR_PACKAGES, open_vendor),
}
# The first bytes of a file, which count for more than its suffix.
SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"II+\0": ".tif",
    b"MM\0+": ".tif",
}


def open_image_file(path: str | Path, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open an image file of any format in READERS.

    scene : name or number, from 0, of a scene in a file with several
    stacked : read images of unknown meaning in a TIFF as pages, not as channels
    Raises InputError if the file is missing, empty, damaged or of an unknown format.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file. Correct the path in the sample sheet.")
    suffix = path.suffix.lower()
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(8)
        suffix = next((each for signature, each in SIGNATURES.items() if start.startswith(signature)), suffix)
    elif not path.is_dir() or suffix != ".zarr":
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise InputError(f"{path}: {kind}. Expected an image file: correct the path in the sample sheet.")
    if suffix == ".labeling":
        raise InputError(
            f"{path}: labels of Labkit in its own format. Expected an image: save them in Labkit as TIFF. Every label becomes a "
            "number there, so give every cell a label of its own, or set images.mask_type: pieces."
        )
    if suffix not in READERS:
        raise InputError(
            f"{path}: the format {path.suffix or '(no suffix)'} is not read. "
            f"Expected one of {', '.join(READERS)}: convert the file, for example with Fiji."
        )
    try:
        image = READERS[suffix](path, scene, stacked)
    except Exception as error:  # each reader has its own errors; all mean a damaged file
        raise damaged(path, error) from error
    if image.pages > MOST_PAGES:
        image.close()
        raise InputError(
            f"{path}: names {image.pages:,} frames. Expected at most {MOST_PAGES:,}: cut it into several files, or export it "
            "again if it holds fewer."
        )
    return image


def open_chosen(path: str | Path, images: dict, scene: str = "", stacked: bool = False) -> ImageFile:
    """Open an image with the files of channels, the panels and the depth that the config's `images` chooses.

    See `open_image_file`.
    """
    opened: list[ImageFile] = []
    try:
        for name in channel_files(path, images.get("channel_endings")):
            opened.append(open_image_file(name, scene, stacked))
        file = joined(opened)
    except InputError:
        for each in opened:
            each.close()
        raise
    return file.in_panels(images["panels"]).at_plane(images["plane"], images["channels"])


def channel_files(path: str | Path, endings: Sequence[str] | None) -> list[Path]:
    """Return the files of an image's channels: the file named, and those whose names have the other endings.

    >>> [str(file) for file in channel_files("a/x_0000.tif", ["_0000", "_0001"])]
    ['a/x_0000.tif', 'a/x_0001.tif']
    """
    path = Path(path)
    if not endings:
        return [path]
    if not path.stem.endswith(endings[0]):
        raise InputError(
            f"{path}: its name does not end in {endings[0]}, the first of images.channel_endings. Expected the file of the first "
            "channel in the sheet: correct the sheet or the config."
        )
    start = path.stem.removesuffix(endings[0])
    return [path.with_name(f"{start}{ending}{path.suffix}") for ending in endings]


def joined(files: Sequence[ImageFile]) -> ImageFile:
    """Return files of one channel each as one file with all of them."""
    first = files[0]
    if len(files) == 1:
        return first
    for each in files[1:]:
        if each.axes != first.axes:
            raise InputError(
                f"{each.path}: {each.axes_in_words or 'a single frame'}; {first.path} has "
                f"{first.axes_in_words or 'a single frame'}. Expected the channels of the same frames (images.channel_endings)."
            )

    def get(page: int) -> np.ndarray:
        pictures = [np.asarray(each.get(page)) for each in files]
        for each, picture in zip(files, pictures, strict=True):
            if picture.shape[:2] != pictures[0].shape[:2]:
                raise InputError(
                    f"{each.path}: {picture.shape[0]} × {picture.shape[1]} px; {first.path} has {pictures[0].shape[0]} × "
                    f"{pictures[0].shape[1]} px. Expected the channels of one image (images.channel_endings)."
                )
        return np.concatenate([each.reshape(*each.shape[:2], -1) for each in pictures], axis=-1)

    def close() -> None:
        for each in files:
            each.close()

    return replace(first, get=get, close=close, alpha=False)


def read_image(
    path: str | Path, page: int | None = None, scene: str = "", channels: Sequence[int] | None = None
) -> np.ndarray:
    """Read a frame of an image file; see `frame_of`."""
    with open_image_file(path, scene, page is not None) as file:
        return frame_of(file, page, channels)


def frame_of(file: ImageFile, page: int | None = None, channels: Sequence[int] | None = None) -> np.ndarray:
    """Read a frame of an open file as (height, width, channels), with the dtype of the file.

    page : number of the page in a stack, from 0; channels : the channels to keep, from 0, or None for all
    Channels may come first or last in the file; transparency is dropped, palette indices become colours.
    """
    if file.format == "Cellpose":
        raise InputError(
            f"{file.path}: the masks of Cellpose. Expected an image: correct the path in the sheet."
        )
    path, pixels = file.path, file.read(page)
    if file.palette is not None:
        pixels = _coloured(pixels, file.palette)
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.dtype.kind not in "buif":
        raise InputError(
            f"{path}: an array of shape {pixels.shape} and type {pixels.dtype} is no single frame. Expected height × "
            "width × channels of whole or real numbers."
        )
    if pixels.shape[-1] in (2, 4) and file.alpha:
        pixels = pixels[..., :-1]
    if channels and not file.merged:
        if max(channels) >= pixels.shape[-1]:
            raise InputError(
                f"{path}: images.channels asks for channel {max(channels)}; the file has {pixels.shape[-1]}, numbered "
                "from 0. Correct the config."
            )
        pixels = pixels[..., list(channels)]
    if not 1 <= pixels.shape[-1] <= 4:
        slices = ", and fewer slices with `images.plane`" if file.merged else ""
        raise InputError(
            f"{path}: {pixels.shape[-1]} channels. Expected one to four: choose them with the config's "
            f"`images.channels`{slices}."
        )
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(
            f"{path}: {counted(int((~np.isfinite(pixels)).sum()), 'pixel is', 'pixels are')} NaN or infinite. "
            "Replace them by numbers, or remove the row from the sample sheet."
        )
    return pixels


def _coloured(indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Look up the colours of a palette; if all are grey, return one channel."""
    colours = palette[indices]
    return colours[..., :1] if (colours == colours[..., :1]).all() else colours
