"""Layouts of public sets of images: a row of the table `SETS` each.

A row has patterns for whole paths. Images and masks belong together where `root`, `split` and `key` are the same; other
fields name the group.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from brightcell.errors import counted

from .filenames import SPLITS, Pair
from .pairing import Found, Layout

ROOT = r"(?P<root>(?:.*/)?)"
IMAGE = r"\.(?:tiff?|png|jpe?g|bmp)"
SPLIT = rf"(?P<split>{'|'.join(SPLITS)})"
OMNIPOSE = rf"(?P<root>(?:.*/)?(?:bact|worm)[^/]*/){SPLIT}(?:_sorted)?/(?P<species>(?:[^/]+/)*)"
WORD_OF_SPLIT = re.compile(rf"(?:^|[^a-z])({'|'.join(SPLITS)})(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class PublicSet:
    """The names of a set's files.

    image, mask : patterns of whole paths; a field `folder` of the mask is the mask, a folder with a file a cell. Without
        `mask` the images are listed in COCO files, whose names fit `listed`
    beside : pattern of files that are neither
    group : template of the group, of the image's fields; "" leaves it to the names
    notes : what a user should know
    """

    example: str
    image: str
    mask: str = ""
    listed: str = ""
    beside: str = ""
    group: str = ""
    notes: tuple[str, ...] = ()


SETS = {
    "livecell": PublicSet(
        "images/…/A172_Phase_A7_1_00d00h00m_1.tif, annotations/…/livecell_coco_train.json (LIVECell)",
        rf"{ROOT}(?P<line>[^/_]+)_Phase_(?P<well>[A-Z]\d+)_(?P<place>\d+)_(?:\d+d\d+h\d+m)_(?:\d+)\.tiff?",
        listed=r".*livecell_coco_[^/]*\.json|(?:.*/)?[^/]*(?:train|val|test)[^/]*\.json",
        group="{line}_{well}_{place}",
    ),
    "evican": PublicSet(
        "Images/EVICAN_train2019/1_ACHN.jpg, instances_train2019_EVICAN2.json (EVICAN)",
        rf"{ROOT}EVICAN_{SPLIT}2019/(?:\d+)_(?P<line>[^/]+?)\.jpe?g",
        listed=r".*instances_[^/]*EVICAN2\.json|.*instances_eval2019_[^/]*\.json",
        beside=r".*_Background\.jpe?g|(?:.*/)?Masks/.*|.*EVICAN60\.json",
        group="{line}",
        notes=(
            "EVICAN outlines only some cells of an image. The others are trained and scored as background, unless you mark "
            "what does not count.",
        ),
    ),
    "yeaz": PublicSet(
        "a_im.tif, a_mask.tif (YeaZ)",
        rf"{ROOT}(?P<key>[^/]+)_im\.tiff?",
        rf"{ROOT}(?P<key>[^/]+)_mask\.tiff?",
    ),
    "deepbacs": PublicSet(
        "training/source/a.tif, training/target/a.tif, test/source/… (DeepBacs)",
        rf"{ROOT}{SPLIT}/source/(?P<key>[^/]+){IMAGE}",
        rf"{ROOT}{SPLIT}/target/(?P<key>[^/]+){IMAGE}",
    ),
    "omnipose": PublicSet(
        "bact_phase/train_sorted/caulobacter/0.tif, …/0_masks.tif, …/0_flows.tif (Omnipose)",
        rf"{OMNIPOSE}(?P<key>[^/]+?)(?<!_masks)(?<!_flows){IMAGE}",
        rf"{OMNIPOSE}(?P<key>[^/]+)_masks{IMAGE}",
        beside=r".*_flows\.tiff?|.*_cp_output\..*|.*_outlines\..*",
        group="{species}_{split}",
        notes=("Nothing shows which images are of one recording: species and split together are a group.",),
    ),
    "nnunet": PublicSet(
        "imagesTr/a_0000.png, labelsTr/a.png (nnU-Net)",
        rf"{ROOT}images(?P<part>Tr|Ts)/(?P<key>[^/]+)_0000{IMAGE}",
        rf"{ROOT}labels(?P<part>Tr|Ts)/(?P<key>[^/]+){IMAGE}",
        beside=r".*_000[1-9]\..*|.*dataset\.json",
        notes=(
            "Labels of nnU-Net are classes, not single cells, unless dataset.json says otherwise. If only one class is cell: "
            "images.mask_type: binary. If there are files x_0001 and so on, they hold further channels: to use them, write "
            "`images: {channel_endings: [_0000, _0001]}` into the config.",
        ),
    ),
    "dsb2018": PublicSet(
        "<id>/images/<id>.png, <id>/masks/*.png, a file a cell (Kaggle, Data Science Bowl 2018)",
        rf"{ROOT}(?P<key>[^/]+)/images/(?P=key){IMAGE}",
        rf"{ROOT}(?P<folder>(?P<key>[^/]+)/masks)/[^/]+{IMAGE}",
        group="{key}",
        notes=(
            "Each image is a group of its own; many are parts of one field, which the names do not show. Look at the check's "
            "near-duplicates.",
        ),
    ),
    "usiigaci": PublicSet(
        "set1/raw.tif, set1/instances_ids.png (Usiigaci)",
        rf"{ROOT}(?P<key>[^/]+)/raw\.tiff?",
        rf"{ROOT}(?P<key>[^/]+)/instances_ids\.(?:png|tiff?)",
        beside=r".*/(?:class_ids\.csv|.*\.roi|.*RoiSet\.zip)",
        notes=("Each folder is a group of its own. Are some of one recording? Then say so with --pattern.",),
        group="{key}",
    ),
    "cellseg": PublicSet(
        "images/cell_00001.png, labels/cell_00001_label.tiff (NeurIPS 2022 CellSeg)",
        rf"{ROOT}images/(?P<key>cell_\d+){IMAGE}",
        rf"{ROOT}labels/(?P<key>cell_\d+)_label\.tiff?",
        group="{key}",
        notes=("The images are unrelated: each is a group of its own.",),
    ),
    "deepsea": PublicSet(
        "segmentation_dataset/train/images/a.png, …/train/masks/a.png (DeepSea)",
        rf"{ROOT}segmentation_dataset/(?P<set>(?:[^/]+/)*){SPLIT}/images/(?P<key>[^/]+){IMAGE}",
        rf"{ROOT}segmentation_dataset/(?P<set>(?:[^/]+/)*){SPLIT}/masks/(?P<key>[^/]+){IMAGE}",
    ),
    "stardist": PublicSet(
        "train/images/a.tif, train/masks/a.tif, test/… (StarDist's part of the Data Science Bowl 2018)",
        rf"{ROOT}{SPLIT}/images/(?P<key>[^/]+){IMAGE}",
        rf"{ROOT}{SPLIT}/masks/(?P<key>[^/]+){IMAGE}",
    ),
    "coco": PublicSet(
        "a.tif, train.json, val.json: files that list the images (COCO, VIA, Labelbox, CVAT's annotations.xml)",
        rf"{ROOT}[^/]+{IMAGE}",
        listed=r".*\.(?:nd)?json|(?:.*/)?annotations\.xml",
    ),
}


def layout_of(entry: PublicSet) -> Layout:
    """Make the layout of a set."""

    def sign(names: list[str], options: dict) -> str:
        if options.get("images") or options.get("masks"):
            return ""  # the user has named folders or endings
        found = find(names, options)
        pairs = found.pairs if len(found.pairs) >= len(found.unlabelled) else []
        return f"{len(pairs)} pairs such as {pairs[0].image} and {pairs[0].mask}" if pairs else ""

    def find(names: list[str], options: dict) -> Found:
        if entry.listed and not any(re.fullmatch(entry.listed, name, re.IGNORECASE) for name in names):
            return Found()
        found = _listed(entry, names, options) if entry.listed else _named(entry, names)
        found.notes += entry.notes if found.pairs else ()
        return found

    return Layout(entry.example, sign, find)


def _named(entry: PublicSet, names: list[str]) -> Found:
    """Pair images and masks by the fields of their paths."""
    found = Found()
    masks: dict[tuple, str] = {}
    images: dict[tuple, tuple[str, dict]] = {}
    for name in names:
        if match := re.fullmatch(entry.mask, name, re.IGNORECASE):
            fields = match.groupdict()
            masks[_place(fields)] = f"{fields['root']}{fields['folder']}" if "folder" in fields else name
        elif match := re.fullmatch(entry.image, name, re.IGNORECASE):
            fields = match.groupdict()
            other = images.setdefault(_place(fields), (name, fields))[0]
            if other != name:
                found.unpaired.append((name, f"the same name as {other}, but for the end: keep one"))
        elif not (entry.beside and re.fullmatch(entry.beside, name, re.IGNORECASE)):
            found.unpaired.append((name, "not named as in this set"))
    for place, (name, fields) in images.items():
        pair = _pair(entry, name, fields, masks.pop(place, ""))
        (found.pairs if pair.mask else found.unlabelled).append(pair)
    found.unpaired += [(name, "a mask without image") for name in masks.values()]
    return found


def _listed(entry: PublicSet, names: list[str], options: dict) -> Found:
    """Give every image the COCO file that lists it; where there are several files, their names tell the split."""
    found = Found()
    listing: Callable[[str], list[str]] = options.get("listed") or (lambda name: [])
    files = [name for name in names if re.fullmatch(entry.listed, name, re.IGNORECASE)]
    homes: dict[str, list[tuple[str, tuple[str, ...]]]] = defaultdict(
        list
    )  # by the images' names without folders
    for file in files:
        for image in dict.fromkeys(listing(file)):
            parts = PurePosixPath(image.replace("\\", "/")).parts
            homes[parts[-1] if parts else ""].append((file, parts))
    if not homes:
        return found
    used: Counter[str] = Counter()
    for name in names:
        match = re.fullmatch(entry.image, name, re.IGNORECASE)
        if name in files or (entry.beside and re.fullmatch(entry.beside, name, re.IGNORECASE)):
            continue
        if not match:
            found.unpaired.append((name, "not named as in this set"))
            continue
        parts = PurePosixPath(name).parts
        shared = [(_shared_end(parts, others), file) for file, others in homes[parts[-1]]]
        best = {file for score, file in shared if score == max(shared)[0]}
        if len(best) > 1:
            found.unpaired.append(
                (name, f"listed in {' and '.join(sorted(best))}: remove one of these files")
            )
            continue
        pair = _pair(entry, name, match.groupdict(), next(iter(best), ""))
        if word := len(files) > 1 and pair.mask and WORD_OF_SPLIT.search(PurePosixPath(pair.mask).stem):
            pair.split = SPLITS[word[1].lower()]
        used[pair.mask] += 1
        (found.pairs if pair.mask else found.unlabelled).append(pair)
    if not found.pairs:
        return Found()
    found.unpaired += [(file, "lists none of the images") for file in files if not used[file]]
    splits = defaultdict(set)
    for pair in found.pairs:
        splits[pair.group].add(pair.split)
    torn = [group for group, own in splits.items() if group and len(own) > 1]
    if torn:
        found.notes.append(
            f"{counted(len(torn), 'group is', 'groups are')} in several parts of the official split, such as {torn[0]}: fields are shared between "
            "them. The scheme grouped keeps them whole; the scheme sheet needs folds.allow_shared_groups."
        )
    return found


def _shared_end(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    pairs = zip(reversed(one), reversed(other), strict=False)
    return next((same for same, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _place(fields: dict[str, str | None]) -> tuple:
    """Return what an image and its mask have in common."""
    return tuple(sorted((name, (value or "").lower()) for name, value in fields.items() if name != "folder"))


def _pair(entry: PublicSet, name: str, fields: dict[str, str | None], mask: str) -> Pair:
    known = {field: (value or "").strip("/").replace("/", "_") for field, value in fields.items()}
    split = SPLITS.get(known.get("split", "").lower(), "")
    group = entry.group.format(**known).strip("_")
    return Pair(name, mask, name=known.get("key", ""), group=group, split=split)
