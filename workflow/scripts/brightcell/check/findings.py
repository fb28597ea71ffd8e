"""What the check of images and masks can find, how serious each finding is, and what the user can do."""

from collections.abc import Iterable

import pandas as pd

from brightcell.errors import counted

LEVELS = ("error", "warning", "note")
COLUMNS = ["level", "sample", "group", "finding", "found", "advice"]

# A finding: its level, and what the user can do; within a level the most harmful first. An error stops the run. The schema's `check.ignore` accepts all names
# except those in UNACCEPTABLE, with which no network can be trained.
FINDINGS = {
    "constant": (
        "error",
        "All pixels of the image are equal. Export it again, or remove its row from the sheet.",
    ),
    "channels": (
        "error",
        "A network takes one number of channels. Convert the images to the same kind.",
    ),
    "no_cells": (
        "error",
        "Nothing can be learned without cells in training masks. Look at the masks.",
    ),
    "leakage": (
        "error",
        "The same picture would be in training and test, and scores come out too high. Keep one of them, "
        "or give both the same group and split.",
    ),
    "no_fit": (
        "error",
        "Are the masks those of other images, or outlines in µm in place of pixels, or scaled? Look at "
        "the pictures. If every outline lies on a cell, accept the finding.",
    ),
    "wrong_mask": (
        "error",
        "The mask does not follow its image, though the others do. It is probably another image's: look "
        "at the picture, and correct the row in the sheet.",
    ),
    "turned": (
        "error",
        "The mask fits when it is turned or mirrored. Save image and mask with the same orientation.",
    ),
    "shifted": (
        "error",
        "The mask lies beside its cells. Was it drawn on another frame, or was one of the two cropped or "
        "registered? Export both again from the same frame.",
    ),
    "inverted": (
        "error",
        "Cells are 0 in the mask and background is not. Invert the mask.",
    ),
    "scattered": (
        "error",
        "The numbers in this mask do not mark single cells: smoothed edges, a grey picture, or classes? "
        "Export it without smoothing, with a number for every cell, or set images.mask_type: binary.",
    ),
    "repeated": (
        "error",
        "Numbers are used again for other cells of the frame, such as in every chamber, tile or well. If each connected "
        "area is a cell, set images.mask_type: pieces. If they are classes, set it to binary.",
    ),
    "near_duplicate": (
        "warning",
        "Frames that look alike stand in different groups or splits: one recording under two names? Give "
        "them the same group, or scores come out too high.",
    ),
    "same_field": (
        "warning",
        "Groups that show the same cells at different times must be one group, or scores come out too high. Give them the "
        "same name in the column group, unless they are different fields.",
    ),
    "misfit": (
        "warning",
        "The mask follows its image worse than the others do. Look at the picture: is it another image's?",
    ),
    "offset": (
        "warning",
        "The mask lies a little beside its cells. Look at the picture; if so, export image and mask again.",
    ),
    "duplicate_mask": (
        "warning",
        "Different pictures have the same mask: one of them is probably another's.",
    ),
    "mostly_cell": (
        "warning",
        "Background seems to be drawn as a cell. Give it the value 0, or invert the mask, if it looks so.",
    ),
    "full_mask": (
        "warning",
        "Is there truly no background in this frame? Otherwise correct the mask.",
    ),
    "empty_mask": (
        "warning",
        "Is there truly no cell in this frame? Otherwise draw the mask, or remove the row.",
    ),
    "cell_diameter": (
        "warning",
        "Is the pixel size right, and is it that of the files? If the cells are that large, set "
        "check.cell_diameter_um in the config.",
    ),
    "pixel_sizes": (
        "warning",
        "Cells look larger in one frame than in another. Give every frame its pixel size (sheet or "
        "config) and set images.working_pixel_size_um.",
    ),
    "cell_sizes": (
        "warning",
        "Is the pixel size of this group right? If its cells are truly of another size, accept it.",
    ),
    "pieces": (
        "warning",
        "Two cells may have the same number, or a stroke missed its cell. Correct the mask.",
    ),
    "mask_types": (
        "warning",
        "Scores for single cells leave out the binary groups. Set images.mask_type if wrong.",
    ),
    "blank": (
        "warning",
        "There is nothing but noise in the image. Was the lamp off, or the field empty? Remove its row "
        "if so.",
    ),
    "focus": (
        "warning",
        "The frame is blurred beside the others. Remove its row if you cannot see its cells.",
    ),
    "contrast": (
        "warning",
        "Another exposure, bit depth or kind of microscopy than the others? Export it again, or give it "
        "a group of its own.",
    ),
    "saturated": (
        "warning",
        "Structure is lost where the camera was saturated or black. Expose differently.",
    ),
    "duplicate": (
        "warning",
        "The same picture twice counts twice. Remove one row, unless the field never moved.",
    ),
    "merged": (
        "note",
        "A narrow waist: two touching cells may share a number. If so, separate them in the mask.",
    ),
    "holes": (
        "note",
        "Background inside a cell, often a slip of the drawing tool. If so, fill it.",
    ),
    "specks": (
        "note",
        "Probably slips of the drawing tool; they count as cells. Remove them from the mask.",
    ),
    "working_size": (
        "note",
        "Cells of 20 to 35 px are learned fastest. Give the pixel size of the files, and set "
        "images.working_pixel_size_um.",
    ),
    "class_balance": (
        "note",
        "One class is rare: accuracy and background IoU are high without any cell found. Read cell IoU.",
    ),
    "ignored": (
        "note",
        "Masks or classes mark these pixels to be left out: they count neither in training nor in scores.",
    ),
    "few_cells": (
        "note",
        "Scores will be uncertain; read the intervals, not the means alone.",
    ),
}
UNACCEPTABLE = {"channels", "no_cells"}


def finding_row(finding: str, found: str, sample: str = "", group: str = "") -> dict:
    """Return one row of the table: the finding with its level and advice; sample and group are "" for the whole set.

    A row may get the key `others`, further samples that it concerns; the table leaves it out.
    """
    level, advice = FINDINGS[finding]
    return dict(zip(COLUMNS, [level, sample, group, finding, found, advice], strict=True))


def findings_table(rows: list[dict], ignore: Iterable[str] = ()) -> pd.DataFrame:
    """Return findings as a table, the most harmful first; those in `ignore` become notes."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    accepted = table["finding"].isin(list(ignore)) & (table["level"] != "note")
    table.loc[accepted, "advice"] = "Accepted in the config (check.ignore). " + table.loc[accepted, "advice"]
    table.loc[accepted, "level"] = "note"
    keys = {
        "by_level": table["level"].map(LEVELS.index),
        "accepted": accepted,
        "by_harm": table["finding"].map(list(FINDINGS).index),
    }
    return table.assign(**keys).sort_values(list(keys), kind="stable", ignore_index=True)[COLUMNS]


def summary(table: pd.DataFrame, shown: int = 5) -> list[str]:
    """Return findings as lines for the console: how many of each level, then the errors and warnings, the worst first."""
    counts = [(level, int((table["level"] == level).sum())) for level in LEVELS]
    lines = [", ".join(counted(count, level) for level, count in counts)]
    grave = table[table["level"] != "note"]
    lines += [
        f"  {row.level} {row.finding}{f', {row.sample or row.group}' if row.sample or row.group else ''}: {row.found}"
        for row in grave.head(shown).itertuples()
    ]
    return lines + [f"  … and {len(grave) - shown} more"] * (len(grave) > shown)
