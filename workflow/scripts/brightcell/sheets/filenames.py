"""Make the rows of a sample sheet from pairs of files: names, groups and frames, by a pattern or by numbers in the names."""

import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from brightcell.errors import InputError, counted

from .names import group_and_frame, stem

FIELD = re.compile(r"\{(\w*)\}")
# Masks drawn as outlines; "/" is the end of a folder of ROIs.
OUTLINES = (".zip", ".roi", ".json", ".ndjson", ".geojson", "annotations.xml", "shapes.csv", "/")
TRUTH = ("track", "lineage")  # columns with files of tracks
LONGEST = 100  # characters of an id
IMAGE_FOLDERS = (
    "images",
    "image",
    "img",
    "imgs",
    "frames",
    "raw",
    "inputs",
)  # these names say nothing about groups
# Words for the parts of a set; longer ones first, as alternatives of a pattern need it.
SPLITS = {
    **dict.fromkeys(("training", "train"), "train"),
    **dict.fromkeys(("validation", "validate", "valid", "val", "dev"), "validate"),
    **dict.fromkeys(("testing", "test", "evaluation", "eval"), "test"),
}
UNSAFE = re.compile(r"[\x00-\x1f{}]|^\s|\s$|^\".*\"$")


@dataclass
class Pair:
    """An image and its mask ("" if there is none), relative to their folder, and what the layout knows about them.

    track, lineage : files with the truth of tracks, see the sheet's columns
    """

    image: str
    mask: str = ""
    name: str = ""
    group: str = ""
    frame: str = ""
    split: str = ""
    page: str = ""
    track: str = ""
    lineage: str = ""


def legal(text: str) -> str:
    """Convert a text to an id of letters, digits, `.`, `_` and `-`; accents are removed.

    >>> legal("HeLa 20×, Größe/a..b"), legal("../x"), legal("中")
    ('HeLa_20_Grosse_a.b', 'x', 'x')
    """
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    text = re.sub(r"[^A-Za-z0-9.-]+", "_", text)
    text = re.sub(r"\.\.+", ".", re.sub(r"__+", "_", text)).strip("_").lstrip("._")
    return text[:LONGEST] or "x"


def compile_pattern(pattern: str) -> re.Pattern:
    """Convert a pattern such as `{group}_{frame}.tif` to a regular expression for a whole name.

    `{frame}` matches digits, `{split}` a word such as train, val or test, any other field some characters without a
    slash, `{}` any text to ignore. Without `{group}` the other fields together are the group. `{condition}` and `{well}`
    are columns of the sheet, too; what stands before `{well}` tells plates apart.
    >>> compile_pattern("{group}_{frame}").fullmatch("dish_1_007").groupdict()
    {'group': 'dish_1', 'frame': '007'}
    """
    names = [name for name in FIELD.findall(pattern) if name]
    wrong = [name for name in names if names.count(name) > 1 or not name.isidentifier()]
    rest = FIELD.sub("", pattern)
    if wrong or "{" in rest or "}" in rest or not set(names) - {"frame", "split"}:
        fault = (
            f"the field {wrong[0]!r} is no name, or stands twice"
            if wrong
            else "no field such as {group} in it"
        )
        fault = "a brace { or } without its partner" if "{" in rest or "}" in rest else fault
        raise InputError(
            f"pattern {pattern!r}: {fault}. Expected for example '{{group}}_{{frame}}', or '{{dish}}/{{well}}_{{frame}}'."
        )
    kinds = {"frame": r"\d{1,9}", "split": "|".join(SPLITS)}
    parts = FIELD.split(pattern)
    expression = re.escape(parts[0])
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        expression += f"(?P<{name}>{kinds.get(name, '[^/]+?')})" if name else "[^/]*?"
        expression += re.escape(text)
    return re.compile(expression)


def fields(image: str, pattern: re.Pattern, text: str) -> dict[str, str] | None:
    """Read group, frame and split, condition and well, from an image's path by a compiled pattern; None if it does not fit.

    `text` is the pattern as written: the path is compared with as many folders as it has slashes; the suffix is
    compared if the text has one.
    """
    path = "/".join(PurePosixPath(image).parts[-1 - text.count("/") :])
    found = pattern.fullmatch(path) or pattern.fullmatch(str(PurePosixPath(path).with_name(stem(path))))
    if not found:
        return None
    values = found.groupdict()
    others = [value for name, value in values.items() if name not in ("frame", "split", "group")]
    plate = [name for name in values if name not in ("frame", "split", "group", "condition")]
    wells = plate[: plate.index("well") + 1] if "well" in plate else []
    return {
        "group": values.get("group") or "_".join(others),
        "frame": values.get("frame", ""),
        "split": SPLITS.get((values.get("split") or "").lower(), ""),
        **({"condition": values["condition"]} if "condition" in values else {}),
        **({"well": "_".join(values[name] for name in wells)} if wells else {}),
    }


def propose_pattern(images: Iterable[str]) -> str:
    """Propose a pattern by which many images share few groups, from the numbers in their names; "" if there is none.

    Of the numbers that vary, the one is the frame without which the fewest names remain. Files in several folders are
    read with the names of their folders.

    >>> propose_pattern(["d1_003_a.tif", "d1_004_a.tif", "d2_003_a.tif", "d2_004_a.tif"])
    '{group}_{frame}_a'
    >>> propose_pattern(["A/image1.tif", "A/image2.tif", "B/image1.tif", "B/image2.tif"])
    '{group}/image{frame}'
    """
    paths = [PurePosixPath(image) for image in images]
    folders = {path.parent for path in paths}
    inside = len(folders) > 1 and len({folder.name for folder in folders}) == len(folders)
    names = sorted({f"{path.parent.name}/{stem(path.name)}" if inside else stem(path.name) for path in paths})
    split = [
        [folder + slash, *re.split(r"(\d+)", name)]
        for folder, slash, name in (each.rpartition("/") for each in names)
    ]
    if len(names) < 4 or len({len(parts) for parts in split}) != 1:
        return ""
    best = ""
    fewest = len(names) / 2
    for place in range(2, len(split[0]), 2):
        if any(len(parts[place]) > 9 for parts in split):
            continue
        before = {"".join(parts[:place]) for parts in split}
        after = {"".join(parts[place + 1 :]) for parts in split}
        several = sum(len(texts) > 1 for texts in (before, after))
        if several == 0:
            continue
        fields = iter(["{group}"] if several == 1 else ["{first}", "{second}"])
        ends = "/" * (inside and place == 2) + split[0][place - 1], split[0][place + 1]
        pattern = f"{_literal(before, fields, ends[0], 1)}{{frame}}{_literal(after, fields, ends[1], -1)}"
        groups = _groups(names, pattern)
        if groups and groups <= fewest:
            best, fewest = pattern, groups  # of two equal ones the later number
    return best


def _literal(texts: set[str], fields: Iterator[str], nearest: str, side: int) -> str:
    """Return the part of a pattern on one side of the frame: the text if it is always the same, else a field."""
    if len(texts) == 1:
        return next(iter(texts))
    between = re.search(r"[ _.-]+[a-z]*$" if side > 0 else r"^[a-z]*[ _.-]+", nearest, re.IGNORECASE)
    literal = between[0] if between else nearest
    return next(fields) + literal if side > 0 else literal + next(fields)


def _groups(names: list[str], pattern: str) -> int:
    """Return the number of groups that a pattern makes of names; 0 if it is no pattern for all of them."""
    try:
        expression = compile_pattern(pattern)
    except InputError:
        return 0
    found = [fields(name, expression, pattern) for name in names]
    return len({each["group"] for each in found if each}) if all(found) else 0


def read_example(image: str, pattern: str) -> str:
    """Return in words what a pattern reads from an image's name."""
    found = fields(image, compile_pattern(pattern), pattern) or {"group": "", "frame": ""}
    return f"{PurePosixPath(image).name} as frame {found['frame']} of {found['group']}"


def numbered(pair: Pair, common: str = "") -> dict[str, str]:
    """Read group and frame from an image's path, see `names.group_and_frame`.

    `common` is the folder with all images; the folders below it are part of the group, unless they are splits.
    """
    group, frame = group_and_frame(pair.name or stem(pair.image))
    return {"group": _with_folders(pair, common, group) or "all", "frame": frame, "split": pair.split}


def _with_folders(pair: Pair, common: str, name: str) -> str:
    """Return a name with the folders below `common` before it."""
    below = PurePosixPath(os.path.relpath(PurePosixPath(pair.image).parent, common or ".")).parts
    folders = [] if pair.split else [part for part in below if part.lower() not in (*IMAGE_FOLDERS, "..")]
    return "_".join(filter(None, (*folders, name)))


def make_rows(
    pairs: Iterable[Pair],
    pattern: str | None = None,
    block: int | None = None,
    pages: Callable[[str], int] = lambda name: 1,
    common: str | None = None,
) -> tuple[list[dict[str, str]], list[tuple[str, str]], list[str]]:
    """Convert pairs to rows of a sheet: sample, image, mask, group, frame, split, page, track, lineage; all text.

    pattern : see `compile_pattern`; without it see `names.group_and_frame`. block : number of consecutive frames in a group of their own. pages : returns the number of frames in a file.
    common : the folder below which folders are part of the group, by default the deepest one with all images.
    Returns rows, (file, reason) for files left out, and notes.
    """
    expression = compile_pattern(pattern) if pattern else None
    pairs = list(pairs)
    if common is None:
        common = os.path.commonpath([PurePosixPath(pair.image).parent for pair in pairs]) if pairs else ""
    rows: list[dict[str, str]] = []
    left: list[tuple[str, str]] = []
    notes: list[str] = []
    for pair in pairs:
        unsafe = next((name for name in (pair.image, pair.mask) if UNSAFE.search(name)), None)
        known = fields(pair.image, expression, pattern) if expression and pattern else numbered(pair, common)
        if unsafe is not None or known is None:
            why = (
                "a tab, a line break, a brace or a blank at an end of its name: rename it"
                if unsafe
                else f"not {pattern!r}"
            )
            left.append((pair.image, why))
            continue
        if not expression and pair.group:
            known = {"group": pair.group, "frame": pair.frame, "split": pair.split}
        count = pages(pair.image)
        if pair.mask and not pair.mask.lower().endswith(OUTLINES) and (found := pages(pair.mask)) != count:
            left.append((pair.image, f"{counted(count, 'frame')}, but its mask {pair.mask} has {found}"))
            continue
        name = pair.name or stem(pair.image)
        row = {"sample": name, "image": pair.image, "mask": pair.mask} | known
        row |= {"track": pair.track, "lineage": pair.lineage}
        row["split"] = row["split"] or pair.split
        if count == 1:
            rows.append(row | {"page": ""})
            continue
        digits = len(str(count - 1))
        group = known["group"] if expression or pair.group else _with_folders(pair, common, name)
        rows += [
            row | {"sample": f"{name}_{n:0{digits}d}", "group": group, "frame": str(n), "page": str(n)}
            for n in range(count)
        ]
    if block and rows:
        rows = cut_blocks(rows, block)
        notes.append(
            f"Groups are blocks of {block} frames in a row: neighbouring blocks show the same cells, so scores are "
            "higher than on another recording."
        )
    return rows, left, notes + legal_names(rows)


def number_once(rows: list[dict[str, str]]) -> list[str]:
    """Empty the frames of all rows, in place, if one stands twice in a group of several fields; say so."""
    count = Counter((row["group"], int(row["frame"])) for row in rows if row["frame"])
    twice = next((place for place, number in count.items() if number > 1), None)
    if not twice:
        return []
    for row in rows:
        row["frame"] = ""
    return [
        f"Frame {twice[1]} stands {count[twice]} times in the group {twice[0]}: the sheet has no column frame, and frames are "
        "in the order of their names. If these are several fields, put all that tells them apart into --pattern."
    ]


def cut_blocks(rows: list[dict[str, str]], block: int) -> list[dict[str, str]]:
    """Divide each group into groups of about `block` consecutive frames, in the order of time."""
    if block < 1:
        raise InputError(f"block: found {block}; expected the number of frames in a group, at least 1")
    groups = defaultdict(list)
    for row in rows:
        groups[row["group"]].append(row)
    cut = []
    for name, members in groups.items():
        members.sort(
            key=lambda row: int(row["frame"] or 0)
        )  # stable: without frame numbers, the order of the files
        blocks = max(1, round(len(members) / block))
        digits = len(str(blocks))
        for position, row in enumerate(members):
            number = position * blocks // len(members) + 1
            cut.append(row | {"group": f"{name}_part{number:0{digits}d}"})
    return cut


def legal_names(rows: list[dict[str, str]]) -> list[str]:
    """Make samples and groups of rows legal and unique, in place; return the changes in words."""
    free = _unused()
    groups = {name: free(legal(name)) for name in dict.fromkeys(row["group"] for row in rows)}
    count = Counter(row["sample"] for row in rows)
    members = Counter(row["group"] for row in rows)
    free = _unused()
    changed: list[tuple[str, str]] = []
    for row in rows:
        old = row["sample"]
        if count[old] == 1:
            new = free(legal(old))
        elif members[row["group"]] == 1 and row["group"].endswith(old):
            new = free(legal(row["group"]))
        else:
            new = free(legal(f"{row['split'] or row['group']}_{old}"))
        if new != old:
            changed.append((old, new))
        row["sample"], row["group"] = new, groups[row["group"]]
    notes = []
    for what, names in (
        ("group", [(old, new) for old, new in groups.items() if old != new]),
        ("sample", changed),
    ):
        if names:
            shown = ", ".join(f"{old!r} → {new}" for old, new in names[:5])
            notes.append(f"{counted(len(names), what)} renamed: {shown}{', …' * (len(names) > 5)}")
    return notes


def _unused() -> Callable[[str], str]:
    """Return a function that appends a number to a name it has returned before; upper and lower case count as equal."""
    taken: dict[str, int] = {}

    def free(name: str) -> str:
        new = name
        while new.lower() in taken:
            taken[name.lower()] = taken.get(name.lower(), 1) + 1
            new = f"{name[: LONGEST - 8]}_{taken[name.lower()]}"
        taken[new.lower()] = 1
        return new

    return free


def sheet_text(rows: list[dict[str, str]], folder: str | Path, sheet: str | Path) -> str:
    """Return the text of a sheet, with paths relative to the sheet's folder; columns empty in any row are left out.

    `page` is kept if any row has one, and is 0 in the others.
    """
    if any(row["page"] for row in rows):
        rows = [row | {"page": row["page"] or "0"} for row in rows]
    columns = [
        name
        for name in (
            "sample",
            "image",
            "mask",
            "group",
            "frame",
            "split",
            "condition",
            "well",
            "page",
            *TRUTH,
        )
        if all(row.get(name) for row in rows)
    ]
    start = os.path.relpath(os.path.abspath(folder), os.path.abspath(Path(sheet).parent))  # noqa: PTH100
    start = "" if start == "." else f"{start}/"
    if UNSAFE.search(start):
        raise InputError(
            f"{folder}: a tab, a line break, a brace or a blank at an end of its name. Rename the folder."
        )
    lines = [columns]
    for row in rows:
        seen = row | {name: f"{start}{row[name]}" for name in ("image", "mask", *TRUTH) if row[name]}
        seen["frame"] = str(int(row["frame"])) if row["frame"] else ""
        lines.append([seen[name] for name in columns])
    return "".join("\t".join(line) + "\n" for line in lines)
