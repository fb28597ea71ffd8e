"""Pair images with their masks by the common parts of their names."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from brightcell.errors import counted

from .filenames import OUTLINES, Pair
from .names import IMAGE, MASK, ROI, Words, group_and_frame, natural, stem

IMAGE_SUFFIXES = (
    ".tif",
    ".tiff",
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".npy",
    ".npz",
    ".czi",
    ".nd2",
    ".lif",
    ".zarr",
)


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


@dataclass(frozen=True)
class Layout:
    """A layout of a folder: an example for the user, how it is recognised, how its files are paired.

    sign : (names, options) → why this is the layout, or ""; find : (names, options) → Found.
    """

    example: str
    sign: Callable[[list[str], dict], str]
    find: Callable[[list[str], dict], Found]


def match(
    images: dict[str, str],
    masks: Iterable[tuple[str, str]],
    split: str = "",
    by_order: bool = False,
    image_words: Words = IMAGE,
    mask_words: Words = MASK,
    by_number: bool = True,
) -> Found:
    """Pair images and masks by their keys: equal, equal without words such as _mask and _BF, or else by their last number.

    images : key → file; masks : (key, file). A mask called `labels` or `RoiSet` alone belongs to the only image of its
    folder, or to the image named as its folder. `by_order` pairs the rest in natural order if there are as many masks as
    images, and adds a note.
    """
    masks = list(masks)
    if by_number and len(masks) == 1 and masks[0][1].lower().endswith(".json") and len(images) > 1:
        # one COCO file for all
        return Found([Pair(file, masks[0][1], split=split) for file in images.values()])
    found = Found()
    trimmed = {file: _trimmed_mask(key, file, mask_words) for key, file in masks}
    plain = {key: _plain(key, image_words) for key in images}
    taken: dict[str, str] = {}
    ways: list[tuple[Callable[[str], str], Callable[[str, str], str]]] = [
        (str.lower, lambda key, file: key.lower()),
        (str.lower, lambda key, file: trimmed[file]),
        (lambda key: plain[key], lambda key, file: trimmed[file]),
        (lambda key: plain[key], lambda key, file: _plain(trimmed[file], image_words)),
    ]
    for of_image, of_mask in ways:
        used = set(taken.values())
        keys = unique((of_image(key), key) for key in images if key not in taken)
        files = unique((of_mask(key, file), file) for key, file in masks if file not in used)
        taken |= {keys[key]: file for key, file in files.items() if key and key in keys}
    if by_number:
        found.notes += _pair_numbers(images, masks, taken)
    _pair_bare(images, trimmed, taken)
    rest = [key for key in images if key not in taken]
    used = set(taken.values())
    left = sorted((file for _, file in masks if file not in used), key=natural)
    if by_number and len(images) == len(masks) == len(rest) == 1:
        by_order = True
    if by_order and rest and len(rest) == len(left):
        taken |= dict(zip(sorted(rest, key=natural), left, strict=True))
        found.notes.append(
            f"{counted(len(left), 'pair')} {'by their order alone' if len(left) > 1 else 'of the only two files'}, such as "
            f"{images[rest[0]]} and {taken[rest[0]]}: their names do not say that they belong together. Look at the pictures of "
            "the check before you train."
        )
        rest, left = [], []
    found.pairs = [Pair(file, taken[key], split=split) for key, file in images.items() if key in taken]
    found.unlabelled = [Pair(images[key], split=split) for key in rest]
    alike: dict[str, list[str]] = defaultdict(list)
    for key in images:
        for name in {key.lower(), plain[key]}:
            alike[name].append(key)
    for file in left:
        name = trimmed[file]
        near = alike.get(name) or alike.get(_plain(name, image_words), [])
        found.unpaired.append((file, _why_not(near, images, taken)))
    return found


def _pair_numbers(images: dict[str, str], masks: list[tuple[str, str]], taken: dict[str, str]) -> list[str]:
    """Pair by the last numbers of the names, in place, or by their order if one side begins to count one later.

    Where masks have numbers that no image has, equal numbers say nothing, and nothing is paired. Returns notes.
    """
    used = set(taken.values())
    keys = unique((last_number(key), key) for key in images if key not in taken)
    files = unique((last_number(key), file) for key, file in masks if file not in used)
    notes = []
    for folder in dict.fromkeys(number.rpartition("/")[0] for number in files if number):
        own, theirs = (
            {
                int(each.rpartition("/")[2]): each
                for each in found
                if each and each.rpartition("/")[0] == folder
            }
            for found in (keys, files)
        )
        shift = min(own, default=0) - min(theirs)
        if theirs.keys() <= own.keys():
            shift = 0
        elif sorted(own) != [number + shift for number in sorted(theirs)]:
            continue
        for number, each in theirs.items():
            taken[keys[own[number + shift]]] = files[each]
        if shift:
            image, mask = images[keys[own[min(own)]]], files[theirs[min(theirs)]]
            notes.append(
                f"The numbers of {len(own)} images and masks differ by {abs(shift)}: the first ones, {image} and {mask}, belong "
                "together. Look at the pictures of the check."
            )
    return notes


def _why_not(near: list[str], images: dict[str, str], taken: dict[str, str]) -> str:
    """Say why a mask was not paired, from the images whose names are like its own."""
    if len(near) > 1:
        return f"fits {len(near)} images, {images[near[0]]} and {images[near[1]]}: choose with --images, such as --images _BF"
    if near and near[0] in taken:
        return f"{images[near[0]]} has the mask {taken[near[0]]} already: choose with --masks"
    if near:
        return f"one of several masks of {images[near[0]]}: choose with --masks, such as --masks _cp_masks, or keep one"
    return "a mask without image"


def pair_sequences(images: dict[str, str], masks: Iterable[tuple[str, str]]) -> Found:
    """Give all images of a sequence the same file of outlines: the one called as their group, or the only one beside them.

    images, masks : see `match`; the outlines tell by their positions to which image they belong.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in images:
        folder, _, name = key.lower().rpartition("/")
        group, frame = group_and_frame(name)
        if frame:
            groups[folder, group].append(key)
    homes = unique((group, folder) for folder, group in groups if group)
    alone = unique(groups)  # the group of a folder with one
    found = Found()
    taken: dict[tuple[str, str], str] = {}
    for key, file in masks:
        folder, _, name = _trimmed_mask(key, file, MASK).rpartition("/")
        owner = (folder, name or alone.get(folder, ""))
        if name and owner not in groups:
            owner = (homes.get(name, ""), name)
        if len(groups.get(owner, ())) > 1 and owner not in taken:
            taken[owner] = file
        else:
            found.unpaired.append((file, "no sequence of images is called so"))
    outlined = {key: taken[owner] for owner, keys in groups.items() if owner in taken for key in keys}
    for key, file in images.items():
        (found.pairs if key in outlined else found.unlabelled).append(Pair(file, outlined.get(key, "")))
    return found


def _pair_bare(images: dict[str, str], trimmed: dict[str, str], taken: dict[str, str]) -> None:
    """Pair masks whose names say no more than that they are masks, in place."""
    used = set(taken.values())
    bare: dict[str, list[str]] = defaultdict(list)
    for file, name in trimmed.items():
        if name.endswith("/") and file not in used:
            bare[name].append(file)
    beside: dict[str, list[str]] = defaultdict(list)
    for key in images:
        beside[key.lower().rpartition("/")[0] + "/"].append(key)
    named = unique((key.lower() + "/", key) for key in images)
    for folder, files in bare.items():
        owner = beside[folder][0] if len(beside[folder]) == 1 else named.get(folder)
        if len(files) == 1 and owner and owner not in taken:
            taken[owner] = files[0]


def is_mask(name: str, words: Words = MASK) -> bool:
    """Return whether a file's name says that it is a mask: outlines, or a word such as _mask.

    >>> is_mask("a_mask.tif"), is_mask("a.zip"), is_mask("a_BF.tif"), is_mask("a/labels.ome.tif")
    (True, True, False, True)
    """
    base = stem(PurePosixPath(name).name)
    return name.lower().endswith(OUTLINES) or words.matches(base)


def _plain(key: str, words: Words) -> str:
    folder, slash, name = key.lower().rpartition("/")
    return folder + slash + (words.cut(name) or name)


def _trimmed_mask(key: str, file: str, words: Words) -> str:
    """Return a mask's key as its image would have it, in lower case; it ends in / if nothing is left of the name."""
    folder, slash, name = key.lower().rpartition("/")
    name = words.cut(name)
    if file.lower().endswith(OUTLINES):
        name = ROI.cut(name)
    if name.endswith(IMAGE_SUFFIXES):  # a.tif_mask.png
        name = stem(name)
    return folder + slash + name if name else folder + "/"


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
