"""Make a sample sheet from a folder of images and masks, and suggest a config that suits them."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pandas as pd

from brightcell.config import suggest, validation
from brightcell.errors import InputError, counted
from brightcell.files import whole
from brightcell.io import annotations
from brightcell.io.masks import check_size_of_mask, read_mask
from brightcell.io.readers import READERS, open_chosen, open_image_file

from . import filenames, layouts
from .samples import turns

MEASURED = 8  # masks that are read for the suggested settings


def make_sheet(
    folder: Path,
    sheet: Path,
    layout: str | None = None,
    *,
    pattern: str | None = None,
    block: int | None = None,
    images: str | None = None,
    masks: str | None = None,
    truth: str | None = None,
    chosen: dict | None = None,
    tracked: bool = False,
    force: bool = False,
    dry_run: bool = False,
    tell: Callable[[str], object] = print,
) -> list[dict[str, str]]:
    """Write the sheet of a folder and, where images have no mask, a second one of these; returns the first one's rows.

    `layout` is a name in layouts.LAYOUTS, None to guess. `chosen` : the panels and the plane of images, as the config has
    them. `tracked` : cells keep their numbers over time, so that the masks are the truth of tracks, too. Raises InputError
    where nothing fits, a stack has depth and no plane is chosen, or the sheet exists already and `force` is not set.
    """
    chosen = {"panels": None, "plane": None, "channels": None} | (chosen or {})
    if sheet.exists() and not (force or dry_run):
        raise InputError(
            f"{sheet}: exists already and may hold your edits. Name another with --output, or give --force."
        )
    names = layouts.list_files(folder)
    options = {
        "images": within(folder, images),
        "masks": within(folder, masks),
        "truth": truth,
        "listed": cache(lambda name: listed_images(folder / name)),
    }
    if layout is None:
        layout, why = layouts.detect(names, **options)
        tell(f"The layout is {layout}: {why}.")
    found = layouts.find_pairs(names, layout, **options)
    rows, left, notes = filenames.make_rows(
        found.pairs, pattern, block, lambda name: count_frames(folder / name, chosen)
    )
    if not rows and not found.unlabelled:
        shown = "".join(f"\n  {name}: {why}" for name, why in left[:5])
        raise InputError(
            f"{folder}: {counted(len(found.pairs), 'pair')}, but no row can be made of them{shown}"
        )
    found.unpaired += left
    found.notes += notes
    if tracked:
        found.notes += tracks_of_masks(rows)
    others, left, notes = filenames.make_rows(
        found.unlabelled, pattern, None, lambda name: count_frames(folder / name, chosen)
    )
    found.unpaired += left
    found.notes += filenames.number_once(rows) + filenames.number_once(others)
    tell(f"{folder}: {counted(len(rows), 'frame')} with masks.")
    for line in (*describe_groups(rows), *layouts.problems(found)):
        tell(line)
    for part, path in ((rows, sheet), (others, sheet.with_name(f"{sheet.stem}_unlabelled{sheet.suffix}"))):
        if not part or dry_run:
            continue
        if path.exists() and not force:
            tell(f"{path}: kept as it is.")
            continue
        with whole(path) as temporary:
            temporary.write_text(filenames.sheet_text(part, folder, path), encoding="utf-8")
        tell(f"Written: {path}{' (frames without masks, for `snakemake segment`)' if part is others else ''}")
    return rows


def tracks_of_masks(rows: list[dict[str, str]]) -> list[str]:
    """Name the masks as the truth of tracks, in place; returns notes about outlines, which have no numbers."""
    outlined = next((row["mask"] for row in rows if row["mask"].lower().endswith(filenames.OUTLINES)), None)
    if outlined:
        return [f"--tracked: {outlined} holds outlines, which have no numbers. The column track is left out."]
    for row in rows:
        row["track"] = row["track"] or row["mask"]
    return []


def listed_images(path: Path) -> list[str]:
    """Return the names of the images in a file of annotations; none if the file is of another kind or cannot be read."""
    try:
        return annotations.image_names(path)
    except Exception:  # reported when it is read as a mask
        return []


def within(folder: Path, name: str | None) -> str | None:
    """Return the name of a folder or an ending; a path of a folder as it is written below `folder`."""
    if name and "/" in name.rstrip("/") and Path(name).is_dir():
        return os.path.relpath(name, folder)
    return name


def count_frames(path: Path, chosen: dict) -> int:
    """Return the number of frames in a file; one that cannot be read, or holds outlines, counts as one.

    Raises InputError for a stack with depth if `chosen` does not say which slices are taken.
    """
    if path.suffix.lower() not in READERS:
        return 1
    try:
        recording = open_image_file(path)
    except InputError:
        return 1  # told when it is read for good
    with recording:
        if recording.slices > 1 and chosen["plane"] is None:
            raise InputError(
                f"{path}: {recording.axes_in_words}, so {recording.slices} slices of depth. Expected to be told which ones are "
                f"taken: --plane {recording.slices // 2} (from 0), --plane 0,{recording.slices - 1} (as channels), --plane "
                "focus (the sharpest), or --plane time if the slices are time points."
            )
        return recording.pages if chosen["plane"] == "time" else recording.pages // recording.slices


def describe_groups(rows: list[dict[str, str]], shown: int = 12) -> Iterator[str]:
    """Yield in words the groups of the rows."""
    members = defaultdict(list)
    for row in rows:
        members[row["group"]].append(row["sample"])
    if not rows:
        return
    many = len(members) > 1
    yield f"{len(members):,} group{'s' * many}{', each' * many} used as a whole for training or for test:"
    for name, samples in list(members.items())[:shown]:
        yield f"  {name}: {len(samples):,} ({samples[0]}{f' … {samples[-1]}' * (len(samples) > 1)})"
    if len(members) > shown:
        yield f"  … and {len(members) - shown:,} more"
    single = sum(len(samples) == 1 for samples in members.values())
    if many and single > len(members) / 2:
        yield from _many_single_groups(rows, single, len(members))
    if not many and len(rows) > 1:
        yield (
            "There is one group, and it cannot be divided into training and test. If the files are of several "
            "time-lapses or fields, name them with --pattern, for example --pattern '{group}_{frame}'. If they are one "
            f"time-lapse, cut it into groups of consecutive frames, for example --block {max(1, len(rows) // 5)}."
        )
    elif not many:
        yield "One frame is too few: three folds need three groups or more. Add recordings."
    elif len(members) < 3 and single:
        yield (
            "Two groups, of which one has a single frame, are too few: three folds need three groups or more, two folds two "
            "groups of two frames or more. Add recordings."
        )
    elif len(members) < 3:
        yield (
            "Two groups: each is tested once, and of the other one the last frames in time validate (folds.number: 2). More "
            "recordings give surer results."
        )


def _many_single_groups(rows: list[dict[str, str]], single: int, number: int) -> Iterator[str]:
    yield (
        f"{single:,} of {number:,} groups have one frame only. That is right if every file shows another field. If several "
        "files are frames of one time-lapse or parts of one field, they must be one group:"
    )
    pattern = filenames.propose_pattern(row["image"] for row in rows)
    example = pattern or "{group}_{frame}"
    yield f"  give --pattern '{example}'" + (
        f", which reads {filenames.read_example(rows[0]['image'], pattern)}"
        if pattern
        else ", changed to fit your names"
    )


def suggest_config(
    rows: list[dict[str, str]],
    folder: Path,
    sheet: Path,
    pixel_size_um: float | None,
    dataset: str | None = None,
    chosen: dict | None = None,
) -> str:
    """Measure the cells of some masks and write a config with settings that suit them.

    dataset : name of the results' folder, that of `folder` by default; chosen : see `make_sheet`
    """
    chosen = {"panels": None, "plane": None, "channels": None} | (chosen or {})
    diameters: list[float] = []
    shape, kinds, sizes = (512, 512), set(), set()
    places = turns(pd.DataFrame(rows))
    for row in rows[:: max(1, len(rows) // MEASURED)][:MEASURED]:
        page = int(row["page"]) if row["page"] else None
        try:
            with open_chosen(folder / row["image"], chosen, stacked=page is not None) as recording:
                shape = recording.read(page).shape[:2]
                sizes.add(recording.pixel_size_um)
            mask = read_mask(
                folder / row["mask"],
                page=page,
                shape=shape,
                image=folder / row["image"],
                axes=recording.axes,
                planes=recording.planes,
                turn=places.get(row["sample"], (0, 1)),
                panel_width=shape[1] if chosen["panels"] else None,
            )
            check_size_of_mask(row["mask"], mask.labels.shape, row["image"], shape, chosen["panels"])
        except InputError as error:
            return f"# No settings are suggested: {error}\n"
        diameters.extend(suggest.cell_diameters(mask.labels))
        kinds.add(mask.mask_type)
    sizes_of_groups = Counter(row["group"] for row in rows).values()
    number = 1 if len(sizes_of_groups) == 2 and min(sizes_of_groups) < 2 else len(sizes_of_groups)
    told = sizes.pop() if len(sizes) == 1 and not pixel_size_um else None
    remarks = [
        suggest.size_in_words(diameters, pixel_size_um or told)
        if diameters
        else "No cell was found in the masks.",
        *["Masks are binary: cells that touch were measured as one."] * (kinds == {"binary"}),
        *["The pixel size is that of the files; is it right?"] * bool(told),
        *[
            "The pixel size is not known (--pixel-size-um): frames stay as they are. If it cannot be found out, add "
            "cell_diameter_px, the diameter of a typical cell in pixels, to images."
        ]
        * (not (told or pixel_size_um)),
        *["Too few groups to go together: single frames are shared out, and scores come out too high."]
        * (number < 2),
    ]
    values = suggest.settings(diameters, shape, number, pixel_size_um or told)
    values = suggest.without_defaults(values, validation.load_schema())
    if known := {name: value for name, value in chosen.items() if value is not None}:
        values["images"] = values.get("images", {}) | known
    return suggest.config_text(
        filenames.legal(dataset or folder.resolve().name), os.path.relpath(sheet), values, remarks
    )
