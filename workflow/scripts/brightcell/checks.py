"""Look for what is wrong with prepared frames and masks, before any network is trained."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pandas as pd
from skimage import measure

from . import images

LEVELS = ("error", "warning", "note")
COLUMNS = ["level", "sample", "group", "finding", "found", "advice"]
SATURATED_SHARE = 0.05
SPECK_PX = 10
FEW_CELLS = 50

# A finding: its level, and what the user can do. An error stops the run.
FINDINGS = {
    "blank": (
        "error",
        "All pixels of the image are equal. Export it again, or remove its row from the sheet.",
    ),
    "no_cells": ("error", "Nothing can be learned without cells in training masks. Look at the masks."),
    "leakage": (
        "error",
        "The same picture would be in training and test, and scores come out too high. Keep one of them, or give "
        "both the same group and split.",
    ),
    "channels": ("error", "A network takes one number of channels. Convert the images to the same kind."),
    "saturated": (
        "warning",
        "Structure is lost where the camera was saturated or black. Expose differently.",
    ),
    "empty_mask": (
        "warning",
        "Is there truly no cell in this frame? Otherwise draw the mask, or remove the row.",
    ),
    "full_mask": ("warning", "Is there truly no background in this frame? Otherwise correct the mask."),
    "inverted": (
        "warning",
        "Cells seem to be 0 and background not. Invert the mask if it looks so on the picture.",
    ),
    "pieces": (
        "warning",
        "Two cells may have the same number, or a stroke missed its cell. Correct the mask.",
    ),
    "duplicate": (
        "warning",
        "The same picture twice counts twice. Remove one row, unless the field never moved.",
    ),
    "duplicate_mask": (
        "warning",
        "Different pictures have the same mask: one of them is probably another's.",
    ),
    "mask_types": (
        "warning",
        "Scores for single cells leave out the binary groups. Set images.mask_type if wrong.",
    ),
    "pixel_sizes": (
        "warning",
        "Cells look larger in one frame than in another. Give every frame its pixel size (sheet or config) and set "
        "images.working_pixel_size_um.",
    ),
    "specks": ("note", "Probably slips of the drawing tool; they count as cells. Remove them from the mask."),
    "few_cells": ("note", "Scores will be uncertain; read the intervals, not the means alone."),
}


def frame_findings(image: np.ndarray, labels: np.ndarray, mask_type: str) -> dict[str, str]:
    """Look at one frame (height, width[, channels]) and its labels (height, width).

    Returns what was found, in words, by the name of the finding.
    """
    return image_findings(image) | mask_findings(labels, mask_type)


def image_findings(image: np.ndarray) -> dict[str, str]:
    """Look for a blank or saturated frame (height, width[, channels])."""
    pixels = np.atleast_3d(image).reshape(-1, np.atleast_3d(image).shape[-1])
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    if (low == high).all():
        return {"blank": f"all pixels are {', '.join(f'{value:g}' for value in low)}"}
    findings = {}
    bright = np.where(low < high, (pixels == high).mean(axis=0), 0)
    black = np.where((low < high) & (low == 0), (pixels == 0).mean(axis=0), 0)
    for share, values, word in ((bright, high, "the brightest value"), (black, low, "black")):
        if share.max() > SATURATED_SHARE:
            worst = int(share.argmax())
            text = f"{share[worst]:.0%} of the pixels have {word}, {values[worst]:g}"
            findings["saturated"] = "; ".join(filter(None, [findings.get("saturated"), text]))
    return findings


def mask_findings(labels: np.ndarray, mask_type: str) -> dict[str, str]:
    """Look for an empty, full or inverted mask, cells in pieces and specks in labels (height, width)."""
    pieces = measure.label(labels, background=0, connectivity=2)
    if not pieces.max():
        return {"empty_mask": "no cell in the mask"}
    foreground = labels > 0
    findings = {"full_mask": "every pixel of the mask is cell"} if foreground.all() else {}
    piece_areas = np.bincount(pieces.ravel())[1:]
    owner = np.zeros(len(piece_areas) + 1, labels.dtype)
    owner[pieces.ravel()] = labels.ravel()
    ids, index = np.unique(owner[1:], return_inverse=True)
    areas = np.bincount(index, weights=piece_areas)
    if mask_type == "instances":
        foreground = labels == ids[areas.argmax()]  # background as one big cell among others
    border = np.concatenate([foreground[0], foreground[-1], foreground[1:-1, 0], foreground[1:-1, -1]])
    if foreground.mean() > 0.5 and border.mean() > 0.5 and not foreground.all():
        findings["inverted"] = (
            f"{foreground.mean():.0%} of the frame and {border.mean():.0%} of its border are cell"
        )
    split = np.flatnonzero(np.bincount(index) > 1)
    if mask_type == "instances" and len(split):
        findings["pieces"] = f"{len(split)} of {len(ids)} cells are in several pieces: {_few(ids[split])}"
    small = np.flatnonzero(areas < SPECK_PX)
    if len(small):
        findings["specks"] = (
            f"{len(small)} of {len(ids)} cells have fewer than {SPECK_PX} pixels: {_few(ids[small])}"
        )
    return findings


def fingerprint(array: np.ndarray) -> str:
    """Return a text that only equal arrays share (BLAKE2, 128 bits)."""
    digest = hashlib.blake2b(f"{array.shape}{array.dtype}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def repeat_findings(samples: pd.DataFrame) -> list[dict]:
    """Look for equal frames and masks.

    `samples` has sample, group, split and the fingerprints `image_print` and `mask_print`, "" where
    the frame is blank or the mask empty. An equal frame in another group or split is leakage.
    """
    found = []
    for _, same in _repeated(samples, "image_print"):
        leaks = same["group"].nunique() > 1 or same["split"].nunique() > 1
        where = ", ".join(_place(row) for row in same.itertuples())
        found.append(_row("leakage" if leaks else "duplicate", f"the same picture: {where}", same.iloc[0]))
    for _, same in _repeated(samples, "mask_print"):
        if same["image_print"].nunique() > 1:
            where = ", ".join(_place(row) for row in same.itertuples())
            found.append(_row("duplicate_mask", f"the same mask: {where}", same.iloc[0]))
    return found


def table_findings(samples: pd.DataFrame, working_pixel_size_um: float | None = None) -> list[dict]:
    """Look at the joined table of prepared samples as a whole."""
    found = []
    channels = samples.groupby("channels")["sample"].agg(["size", "first"])
    if len(channels) > 1:
        text = "; ".join(
            f"{n} in {row['size']} frames, such as {row['first']}" for n, row in channels.iterrows()
        )
        found.append(_row("channels", f"channels: {text}"))
    types = samples[samples["cells"] > 0].groupby("mask_type")["group"].agg(["nunique", "first"])
    if len(types) > 1:
        text = "; ".join(
            f"{n} in {row['nunique']} groups, such as {row['first']}" for n, row in types.iterrows()
        )
        found.append(_row("mask_types", f"masks: {text}"))
    unknown = samples["pixel_size_um"].isna()
    sizes = samples["pixel_size_um"].dropna().unique()
    if len(sizes) + unknown.any() > 1 or (working_pixel_size_um and unknown.any()):
        parts = [f"{size:g} µm" for size in sorted(sizes)[:5]] + ["and more"] * (len(sizes) > 5)
        parts += [f"not known for {unknown.sum()} frames"] * bool(unknown.any())
        found.append(_row("pixel_sizes", f"pixel sizes: {', '.join(parts)}"))
    total = int(samples["cells"].sum())
    training = samples.loc[samples["split"] == "train", "cells"]
    if total == 0:
        found.append(_row("no_cells", "no cell in any mask"))
    elif len(training) and training.sum() == 0:
        found.append(_row("no_cells", "no cell in any mask of the split train"))
    elif total < FEW_CELLS:
        found.append(_row("few_cells", f"{total} cells in all"))
    return found


def sample_rows(findings: dict[str, str], sample: str, group: str) -> list[dict]:
    """Turn the findings of one frame into rows."""
    return [_row(name, found, {"sample": sample, "group": group}) for name, found in findings.items()]


def findings_table(rows: list[dict], ignore: Iterable[str] = ()) -> pd.DataFrame:
    """Return findings as a table, errors first; those to `ignore` become notes."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    accepted = table["finding"].isin(list(ignore)) & (table["level"] != "note")
    table.loc[accepted, "advice"] = "Accepted in the config (check.ignore). " + table.loc[accepted, "advice"]
    table.loc[accepted, "level"] = "note"
    order = table["level"].map(LEVELS.index)
    return table.assign(order=order).sort_values("order", kind="stable", ignore_index=True)[COLUMNS]


def thumbnail(image: np.ndarray, labels: np.ndarray, side: int = 240) -> np.ndarray:
    """Draw a frame, small, with its cells' outlines; uint8 (height, width, 3), longest side at most `side`."""
    frame = np.atleast_3d(image)
    frame = frame if frame.shape[-1] == 3 else frame[..., :1]
    factor = min(1, side / max(labels.shape))
    picture = images.rescale_image(np.clip(images.normalise(frame), 0, 1), factor)
    picture = np.repeat(picture, 3 // picture.shape[-1], axis=-1)
    picture = np.round(255 * picture).astype(np.uint8)
    picture[images.outlines(images.rescale_labels(labels, factor))] = (255, 190, 0)
    return picture


def _row(finding: str, found: str, where: dict | pd.Series | None = None) -> dict:
    level, advice = FINDINGS[finding]
    sample, group = (where["sample"], where["group"]) if where is not None else ("", "")
    return dict(zip(COLUMNS, [level, sample, group, finding, found, advice], strict=True))


def _repeated(samples: pd.DataFrame, column: str) -> Iterable[tuple[str, pd.DataFrame]]:
    known = samples[samples[column] != ""]
    return known[known[column].duplicated(keep=False)].groupby(column, sort=False)


def _place(row: tuple) -> str:
    return f"{row.sample} (group {row.group}{', ' + row.split if row.split else ''})"


def _few(ids: np.ndarray) -> str:
    return "numbers " + ", ".join(map(str, ids[:5])) + (" and more" if len(ids) > 5 else "")
