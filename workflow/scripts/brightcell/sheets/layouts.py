"""Find images and their masks in a folder, by common layouts of such folders.

A layout is one entry of LAYOUTS: how it is recognised, and how its images and masks are paired. Only file names are
used, and the lists of images in COCO files.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from brightcell.errors import InputError, counted

from .filenames import IMAGE_FOLDERS, OUTLINES, Pair
from .names import BESIDE, IMAGE, MASK, given, natural, stem
from .pairing import IMAGE_SUFFIXES, Found, Layout, is_mask, join, match, pair_sequences
from .public import SETS, layout_of

LINEAGE = "man_track.txt"
MASK_SUFFIXES = (*IMAGE_SUFFIXES, *OUTLINES, LINEAGE)
ARRAYS = (".npy", ".npz")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "ground_truth", "groundtruth", "gt", "seg")
MOST_FILES = 1_000_000
# The folders in the archive of Ghaznavi et al. 2022, with their spelling.
STUDY = re.compile(r"(?:^|/)spilit_([xy])_(image|mask)_(train|validate|test)/[^/]+$", re.IGNORECASE)
CTC_FRAME = re.compile(r"^(.*/)?(\d\d)/t(\d+)\.tiff?$", re.IGNORECASE)
CTC_MASK = re.compile(r"^(.*/)?(\d\d)_(GT|ST)/SEG/man_seg(\d+)\.tiff?$", re.IGNORECASE)
CTC_TRACK = re.compile(r"^(.*/)?(\d\d)_GT/TRA/man_track(\d+)\.tiff?$", re.IGNORECASE)
CTC_SLICE = re.compile(r"^(.*/)?\d\d_(GT|ST)/SEG/man_seg_\d+_\d+\.tiff?$", re.IGNORECASE)


def list_files(folder: str | Path) -> list[str]:
    """Return the files below a folder that may be images or masks, in natural order, without hidden files.

    A Zarr folder counts as a file. Links to folders are followed, but each folder is visited once, so that loops end.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}. Give the folder that holds the images and masks.")
    names: list[str] = []
    seen: set[str] = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        zarrs = [name for name in folders if name.lower().endswith(".zarr")]
        folders[:] = [name for name in folders if name not in zarrs and not name.startswith(".")]
        below = os.path.relpath(path, folder)
        for name in (*files, *zarrs):
            if not name.startswith(".") and name.lower().endswith(MASK_SUFFIXES):
                names.append(name if below == "." else f"{below}/{name}")
        if len(names) > MOST_FILES:
            raise InputError(f"{folder}: more than {MOST_FILES:,} files. Give a folder further down.")
    if not names:
        raise InputError(
            f"{folder}: no image found. Expected files ending in {', '.join(IMAGE_SUFFIXES)}, here or in folders below."
        )
    return sorted(_without_stray_arrays(_with_folders_of_rois(names)), key=natural)


def _with_folders_of_rois(names: list[str]) -> list[str]:
    """Name a folder that holds ROIs alone, none of them called as an image, as one mask, with / at its end."""
    images = {
        stem(name.rpartition("/")[2]).lower() for name in names if name.lower().endswith(IMAGE_SUFFIXES)
    }
    inside: dict[str, list[str]] = defaultdict(list)
    for name in names:
        inside[name.rpartition("/")[0]].append(name)
    whole = {
        folder
        for folder, files in inside.items()
        if folder
        and len(files) > 1
        and all(file.lower().endswith(".roi") for file in files)
        and not images & {stem(file.rpartition("/")[2]).lower() for file in files}
    }
    kept = [name for name in names if name.rpartition("/")[0] not in whole]
    return kept + [f"{folder}/" for folder in whole]


def _without_stray_arrays(names: list[str]) -> list[str]:
    """Leave out NumPy files where there are pictures, except Cellpose's `_seg.npy` of images that have no other mask."""
    if all(name.lower().endswith((*ARRAYS, *OUTLINES)) for name in names):
        return names
    masked = {name.rpartition(end)[0] for name in names for end in ("_cp_masks.", "_masks.") if end in name}
    return [
        name
        for name in names
        if not name.lower().endswith(ARRAYS)
        or (name.endswith("_seg.npy") and name.removesuffix("_seg.npy") not in masked)
    ]


def detect(names: list[str], **options: Any) -> tuple[str, str]:
    """Guess the layout of a folder's files; return its name in LAYOUTS, and why. options : see `find_pairs`.

    >>> detect(["images/a.tif", "masks/a.tif"])
    ('folders', 'folders images and masks')
    """
    for name, layout in LAYOUTS.items():
        why = layout.sign(names, options)
        if why:
            return name, why
    shown = ", ".join(names[:4])
    examples = "".join(f"\n  {name}: {layout.example}" for name, layout in LAYOUTS.items())
    asked = [f"--{kind} {value}" for kind in ("images", "masks") if (value := options.get(kind))]
    with_them = f" with {' '.join(asked)}" if asked else ""
    if not asked and not any(is_mask(name) for name in names):
        with_them = ", none of which is called a mask"
    raise InputError(
        f"no layout fits the {counted(len(names), 'file')}{with_them}, such as {shown}. To segment images without masks, no sheet "
        "is needed: name them in the config, as docs/segment.md shows. To pair images and masks, name their folders or endings, "
        f"for example --images _BF --masks _outlined, or rename the files to one of{examples}"
    )


def find_pairs(names: list[str], layout: str, **options: Any) -> Found:
    """Pair images and masks among the names of a folder's files.

    options : `images` and `masks` (names of folders, or endings of names), `truth` (GT or ST), `listed` (a function that
    returns the images listed in a file of annotations); None is the layout's default. Raises InputError if nothing can be paired.
    """
    if layout not in LAYOUTS:
        raise InputError(f"{layout} is no layout. Expected one of {', '.join(LAYOUTS)}.")
    found = LAYOUTS[layout].find(names, options)
    if not found.pairs and not found.unlabelled:
        raise InputError(
            f"nothing is laid out as {layout} ({LAYOUTS[layout].example}). Found {len(names):,} files, such as "
            f"{', '.join(names[:4])}. Try --detect, or name the folders or endings with --images and --masks."
        )
    return found


def _place(name: str, folders: Iterable[str]) -> tuple[str, str] | None:
    """Split a path at a folder with one of the names: (the path above it, the key below it)."""
    parts = PurePosixPath(name).parts
    for end in reversed(range(1, len(parts))):
        for folder in folders:
            start = end - folder.count("/") - 1
            if start >= 0 and "/".join(parts[start:end]).lower() == folder:
                return "/".join(parts[:start]), "/".join((*parts[end:-1], stem(parts[-1])))
    return None


def _folder_names(names: list[str], options: dict) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the folders of images and of masks, lower case: also those whose files are all called masks."""
    only_masks: dict[str, bool] = {}
    for name in names:
        folder = PurePosixPath(name).parent.name.lower()
        called = MASK.matches(stem(name)) and not name.lower().endswith(OUTLINES)
        only_masks[folder] = only_masks.get(folder, True) and called
    others = tuple(name for name, only in only_masks.items() if only and name and name not in MASK_FOLDERS)

    def chosen(kind: str, default: tuple[str, ...]) -> tuple[str, ...]:
        return (options[kind].strip("/").lower(),) if options.get(kind) else default

    return chosen("images", IMAGE_FOLDERS), chosen("masks", (*MASK_FOLDERS, *others))


def _folders_sign(names: list[str], options: dict) -> str:
    found = [
        next((folder for folder in folders if any(_place(name, (folder,)) for name in names)), "")
        for folders in _folder_names(names, options)
    ]
    if not all(found) and found[1] and not options.get("images") and _find_folders(names, options).pairs:
        return f"images beside the folder {found[1]}"
    return f"folders {found[0]} and {found[1]}" if all(found) else ""


def _find_folders(names: list[str], options: dict) -> Found:
    image_folders, mask_folders = _folder_names(names, options)
    images: dict[str, dict[str, str]] = defaultdict(dict)
    masks: dict[str, list[tuple[str, str]]] = defaultdict(list)
    unpaired = []
    beside = {mask[0] for name in names if (mask := _place(name, mask_folders))}
    for name in names:
        mask, image = _place(name, mask_folders), _place(name, image_folders)
        folder, _, file = name.rpartition("/")
        if not image and folder in beside and not options.get("images"):
            image = folder, stem(file)
        if mask:
            masks[mask[0]].append((mask[1], name))
        elif image and image[1] in images[image[0]]:
            unpaired.append(
                (name, f"the same name as {images[image[0]][image[1]]}, but for the suffix: keep one")
            )
        elif image and name.lower().endswith(IMAGE_SUFFIXES) and not BESIDE.matches(stem(file)):
            images[image[0]][image[1]] = name
        else:
            unpaired.append((name, "in no folder of images or masks"))
    if len(images) == len(masks) == 1:  # one folder of each, wherever they lie
        masks = defaultdict(list, zip(images, masks.values(), strict=True))
    found = join(match(images[place], masks[place]) for place in sorted({*images, *masks}, key=natural))
    found.unpaired += unpaired
    return found


def _sequence_sign(names: list[str], options: dict) -> str:
    pairs = _find_sequence(names, options).pairs
    return f"{len(pairs)} images of sequences such as {pairs[0].image}, with {pairs[0].mask}" if pairs else ""


def _find_sequence(names: list[str], options: dict) -> Found:
    def key(name: str) -> str:
        path = PurePosixPath(name)
        return str(path.parent / stem(path.name))

    outlines = [(key(name), name) for name in names if name.lower().endswith(OUTLINES)]
    images = {key(name): name for name in names if name.lower().endswith(IMAGE_SUFFIXES)}
    return pair_sequences(images, outlines)


def _suffix_sign(names: list[str], options: dict) -> str:
    found = _find_suffix(names, options).pairs
    return f"{len(found)} pairs of names such as {found[0].image} and {found[0].mask}" if found else ""


def _find_suffix(names: list[str], options: dict) -> Found:
    mask_words = given(options["masks"]) if options.get("masks") else MASK
    image_words = given(options["images"]) if options.get("images") else IMAGE
    images: dict[str, str] = {}
    masks, unpaired = [], []
    for name in names:
        path = PurePosixPath(name)
        base = stem(path.name)
        key = str(path.parent / base)
        of_mask = is_mask(name, mask_words)
        if of_mask and options.get("masks"):  # outlines of another name are not those that were asked for
            of_mask = mask_words.matches(base)
        if of_mask:
            masks.append((key, name))
        elif not name.lower().endswith(IMAGE_SUFFIXES) or BESIDE.matches(base):
            unpaired.append((name, "neither an image nor a mask, by its name"))
        elif options.get("images") and not image_words.matches(base):
            unpaired.append((name, f"not an image's name with --images {options['images']}"))
        elif key in images:
            unpaired.append((name, f"the same name as {images[key]}, but for the suffix: keep one"))
        else:
            images[key] = name
    found = match(images, masks, image_words=image_words, mask_words=mask_words, by_number=False)
    found.unpaired = unpaired + found.unpaired
    plain = {name: image_words.cut(key) or key for key, name in images.items()}
    count = Counter(plain.values())
    for pair in (*found.pairs, *found.unlabelled):
        pair.name = PurePosixPath(
            plain[pair.image] if count[plain[pair.image]] == 1 else stem(pair.image)
        ).name
    return found


def _ctc_sign(names: list[str], options: dict) -> str:
    frames = {match.group(1, 2) for name in names if (match := CTC_FRAME.match(name))}
    masks = {match.group(1, 2) for name in names if (match := CTC_MASK.match(name))}
    both = sorted(sequence for _, sequence in frames & masks)
    return f"sequences {', '.join(both)} with t*.tif and SEG/man_seg*.tif" if both else ""


def _find_ctc(names: list[str], options: dict) -> Found:
    found = Found()
    count: Counter[str] = Counter()
    masks: dict[tuple, str] = {}
    tracks: dict[tuple, str] = {}
    lineages = {name.rpartition("_GT/TRA/")[0]: name for name in names if name.endswith(f"_GT/TRA/{LINEAGE}")}
    truth = (options.get("truth") or "GT").upper()
    for name in names:
        if mask := CTC_MASK.match(name):
            count[mask[3].upper()] += 1
            if mask[3].upper() == truth:
                masks[mask[1] or "", mask[2], int(mask[4])] = name
        elif track := CTC_TRACK.match(name):
            tracks[track[1] or "", track[2], int(track[3])] = name
        elif CTC_SLICE.match(name):
            found.unpaired.append((name, "outlines of one slice of a 3-D frame, which is not read"))
    several = len({match[1] for name in names if (match := CTC_FRAME.match(name))}) > 1
    for name in names:
        if frame := CTC_FRAME.match(name):
            place, number = frame[1] or "", int(frame[3])
            group = f"{place.strip('/').replace('/', '_')}_{frame[2]}" if several and place else frame[2]
            pair = Pair(name, "", name=f"{group}_t{frame[3]}", group=group, frame=str(number))
            pair.mask = masks.pop((place, frame[2], number), "")
            pair.track = tracks.get((place, frame[2], number), "")
            pair.lineage = lineages.get(f"{place}{frame[2]}", "") if pair.track else ""
            (found.pairs if pair.mask else found.unlabelled).append(pair)
    found.unpaired += [(name, "a mask without image") for name in masks.values()]
    pairs = (*found.pairs, *found.unlabelled)
    tracked = sum(bool(pair.track and pair.lineage) for pair in pairs)
    if 0 < tracked < len(pairs):
        found.notes.append(
            f"Tracks (TRA and {LINEAGE}) are there for {tracked} of {len(pairs)} frames. The columns track and lineage are left "
            "out, because a column is filled in all rows or in none."
        )
        for pair in pairs:
            pair.track = pair.lineage = ""
    other = "ST" if truth == "GT" else "GT"
    if count[other]:
        found.notes.append(
            f"{truth}: {count[truth]} masks; {other}: {count[other]}, taken with --truth {other}."
        )
    if truth == "GT" and found.pairs:
        found.notes.append(
            "Gold truth (GT) of some data sets outlines only some cells of a frame: look at the check's pictures."
        )
    return found


def _study_sign(names: list[str], options: dict) -> str:
    return next((f"the folder {PurePosixPath(name).parent}" for name in names if STUDY.search(name)), "")


def _find_study(names: list[str], options: dict) -> Found:
    images: dict[str, dict[str, str]] = {split: {} for split in ("train", "validate", "test")}
    masks: dict[str, list] = defaultdict(list)
    unpaired = []
    for name in names:
        place = STUDY.search(name)
        if not place:
            unpaired.append((name, "in none of the study's six folders"))
            continue
        split, key = place[3].lower(), stem(PurePosixPath(name).name)
        if place[2].lower() == "mask":
            masks[split].append((key, name))
        else:
            images[split][key] = name
    found = join(match(images[split], masks[split], split, by_order=True) for split in images)
    found.unpaired += unpaired
    missing = [split for split in images if not images[split]]
    if missing:
        found.notes.append(f"No images of the split {', '.join(missing)}.")
    return found


# A layout is one entry; --detect takes the first whose sign is found, so special layouts come first.
LAYOUTS = {
    "study": Layout(
        "spilit_x_image_train/…, spilit_y_mask_train/… and four more folders (Ghaznavi et al. 2022)",
        _study_sign,
        _find_study,
    ),
    "ctc": Layout(
        "01/t000.tif, 01_GT/SEG/man_seg000.tif or 01_ST/SEG/… (Cell Tracking Challenge)", _ctc_sign, _find_ctc
    ),
    **{name: layout_of(entry) for name, entry in SETS.items()},
    "folders": Layout(
        "images/a.tif, masks/a.tif (or labels/a.tif, or a.tif beside the folder masks)",
        _folders_sign,
        _find_folders,
    ),
    "suffix": Layout("a.tif, a_mask.tif (or a_label.tif, a_rois.zip, …)", _suffix_sign, _find_suffix),
    "sequence": Layout(
        "a_00.tif, a_01.tif, … and a.zip or the folder a with .roi files, for all of them",
        _sequence_sign,
        _find_sequence,
    ),
}


def problems(found: Found) -> Iterator[str]:
    """Yield in words what could not be paired, and what else a user should know."""
    shown = 10
    for files, what in (
        ([pair.image for pair in found.unlabelled], "images without mask"),
        ([f"{name}: {why}" for name, why in found.unpaired], "files not used"),
    ):
        if files:
            yield f"{len(files):,} {what}:"
            yield from (f"  {file}" for file in files[:shown])
            if len(files) > shown:
                yield f"  … and {len(files) - shown:,} more"
    yield from found.notes
