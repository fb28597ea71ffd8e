"""Pair images with their masks by the common parts of their names."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from .filenames import Pair, natural

IMAGE_ENDS = ("_image", "_img", "_raw", "_bf", "_phase")
MASK_ENDS = ("_cp_masks", "_masks", "_mask", "_labels", "_label", "_instances", "_seg", "_gt")


@dataclass
class Found:
    """The images and masks that a layout found in a folder; paths are relative to the folder.

    pairs : images with masks; unlabelled : images without; unpaired : (file, reason) for files that could not be used;
    notes : what a user should know.
    """

    pairs: list[Pair] = field(default_factory=list)
    unlabelled: list[Pair] = field(default_factory=list)
    unpaired: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def match(
    images: dict[str, str], masks: Iterable[tuple[str, str]], split: str = "", by_order: bool = False
) -> Found:
    """Pair images and masks by their keys: equal, equal without endings such as _mask, or else by their last number.

    images : key → file; masks : (key, file). `by_order` pairs the rest in natural order if there are as many masks as
    images, and adds a note.
    """
    found = Found()
    taken: dict[str, str] = {}
    masks = list(masks)
    if len(masks) == 1 and masks[0][1].lower().endswith(".json") and len(images) > 1:  # one COCO file for all
        return Found([Pair(file, masks[0][1], split=split) for file in images.values()])
    for way in (str.lower, plain, last_number):
        keys = unique((way(key), key) for key in images if key not in taken)
        used = set(taken.values())
        files = unique((way(key), file) for key, file in masks if file not in used)
        taken |= {keys[key]: file for key, file in files.items() if key and key in keys}
    rest = [key for key in images if key not in taken]
    used = set(taken.values())
    left = sorted((file for _, file in masks if file not in used), key=natural)
    if by_order and rest and len(rest) == len(left):
        taken |= dict(zip(sorted(rest, key=natural), left, strict=True))
        found.notes.append(
            f"{len(left)} pairs by their order alone, such as {images[rest[0]]} and {taken[rest[0]]}: names do not tell. "
            "Look at the pictures of the check before you train."
        )
        rest, left = [], []
    found.pairs = [Pair(file, taken[key], split=split) for key, file in images.items() if key in taken]
    found.unlabelled = [Pair(images[key], split=split) for key in rest]
    found.unpaired = [(file, "a mask without image") for file in left]
    return found


def plain(key: str) -> str:
    """Remove the endings and beginnings of a name that mark an image or a mask.

    >>> plain("dish/a_cp_masks"), plain("mask_07"), plain("a_img")
    ('dish/a', '07', 'a')
    """
    folder, _, name = key.lower().rpartition("/")
    for end in (*MASK_ENDS, *IMAGE_ENDS):
        for trimmed in (name.removesuffix(end), name.removeprefix(f"{end[1:]}_")):
            if trimmed != name and trimmed:
                return f"{folder}/{trimmed}".lstrip("/")
    return f"{folder}/{name}".lstrip("/")


def last_number(key: str) -> str:
    """Return the last number in a name, with its folder; "" if there is none."""
    folder, _, name = key.lower().rpartition("/")
    numbers = re.findall(r"\d+", name)
    return f"{folder}/{int(numbers[-1])}" if numbers else ""


def unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the pairs whose key occurs once, as a dictionary."""
    pairs = list(pairs)
    count = Counter(key for key, _ in pairs)
    return {key: value for key, value in pairs if count[key] == 1}


def join(parts: Iterable[Found]) -> Found:
    """Return all that several layouts or folders found as one."""
    whole = Found()
    for part in parts:
        for name in ("pairs", "unlabelled", "unpaired", "notes"):
            getattr(whole, name).extend(getattr(part, name))
    return whole
