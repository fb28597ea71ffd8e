"""Look through the pages of a TIFF before a reader follows them."""

import struct
from pathlib import Path

from brightcell.errors import InputError

from .image_file import check_size

MOST_PAGES = 100_000
MOST_SIZES = 100  # that the pages of a file may have; tifffile compares each with each
FIRST = 4  # tags that are looked at; they are in the order of their numbers, from 254 on
WIDTH, HEIGHT = 256, 257  # tags
WHOLE_NUMBERS = {3: "H", 4: "I"}  # kinds of their values


def check_pages(path: Path) -> None:
    """Raise InputError for pages that no program would write: too many, too large, of too many sizes, or in a ring.

    Each page says where the next one is. tifffile follows without end where the last one leads back.
    """
    with path.open("rb") as file:
        start = file.read(16)
        order = "<" if start[:2] == b"II" else ">"
        big = struct.unpack(f"{order}H", start[2:4])[0] == 43
        number, offset, entry = ("Q", "Q", "HHQ8s") if big else ("H", "I", "HHI4s")
        tag_bytes = struct.calcsize(f"={entry}")
        (place,) = struct.unpack_from(f"{order}{offset}", start, 8 if big else 4)
        seen: set[int] = set()
        sizes = set()
        while place:
            if place in seen:
                raise InputError(
                    f"{path}: page {len(seen)} leads back to an earlier page. The file is damaged: export it again."
                )
            if len(seen) == MOST_PAGES:
                raise InputError(
                    f"{path}: more than {MOST_PAGES:,} pages. Expected a recording of at most that: cut it into several "
                    "files. If it should have few pages it is damaged: export it again."
                )
            seen.add(place)
            file.seek(place)
            try:
                (tags,) = struct.unpack(f"{order}{number}", file.read(struct.calcsize(number)))
                after = file.tell() + tags * tag_bytes
                first = file.read(min(tags, FIRST) * tag_bytes)
                file.seek(after)
                (place,) = struct.unpack(f"{order}{offset}", file.read(struct.calcsize(offset)))
            except (struct.error, OSError, OverflowError):  # cut off; tifffile tells what is lost
                break
            sizes.add(_size(first, order, entry))
            if len(sizes) > MOST_SIZES:
                raise InputError(
                    f"{path}: pages of more than {MOST_SIZES} sizes. Expected one size, or a few: save the pages as files "
                    "of their own."
                )
    for height, width in sizes - {(0, 0)}:
        check_size(path, height, width)


def _size(tags: bytes, order: str, entry: str) -> tuple[int, int]:
    """Return the height and width in a page's first tags; 0 where they are not among them."""
    values = {
        tag: struct.unpack_from(f"{order}{WHOLE_NUMBERS[kind]}", value)[0]
        for tag, kind, _, value in struct.iter_unpack(f"{order}{entry}", tags)
        if tag in (WIDTH, HEIGHT) and kind in WHOLE_NUMBERS
    }
    return values.get(HEIGHT, 0), values.get(WIDTH, 0)
