"""Look for what is wrong with prepared frames and masks, before any network is trained.

`check_frame` looks at one frame, `set_findings` at all of them together; `findings.FINDINGS` lists what they find.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from brightcell.config import suggest
from brightcell.errors import counted

from . import crops, duplicates
from .alignment import LEAST, Fit, fit_findings, measure_fit
from .findings import finding_row
from .frames import image_findings, measure_frame
from .masks import MaskObject, find_objects, mask_findings, touching_share

FEW_CELLS = 50
RARE_CLASS = 0.02  # share of pixels
OUTLYING = 4  # robust standard deviations from the median
BLURRED = 1.6  # times less sharp than the median, at least
OTHER_CONTRAST = 2.0  # times more or less contrast than the median, at least
OTHER_SIZE = 2.0  # times larger or smaller cells than in the whole set
FEW_FRAMES = 5  # with fewer frames no outlier is reported
WELL_FITTING = 0.4  # median correlation of mask and image from which a bad fit is reported
BADLY_FITTING = 0.15
NOT_FITTING = 0.1  # a right mask fits better, on real cells by 0.4 and more; unrelated masks by less than 0.1
FEW_FITS = 3  # with fewer frames no fit is compared
LIKE_COVER = 4.0  # times more or less cover than the median, at most, for a fit to be compared


class FrameCheck(NamedTuple):
    """The check of one frame: findings in words by name, measured values, cells, fit, small pictures for comparisons."""

    findings: dict[str, str]
    facts: dict[str, float | str]
    cells: list[MaskObject]
    fit: Fit | None
    picture: np.ndarray
    mask: np.ndarray


def check_frame(image: np.ndarray, labels: np.ndarray, mask_type: str) -> FrameCheck:
    """Check a frame (height, width[, channels]) and its labels, int (height, width), below 0 where pixels do not count."""
    marked, labels = labels, np.maximum(labels, 0)
    cells = find_objects(labels)
    found = image_findings(image) | mask_findings(labels, mask_type, cells)
    fit = None if "constant" in found else measure_fit(image, marked)
    lying = fit_findings(fit, max(labels.shape))
    # A dense layer with bright borders looks inverted, too, but no cell in it fills the frame.
    if "inverted" in lying and found.pop("mostly_cell", None) is None:
        lying = {}
    found |= lying
    areas = np.array([cell.area for cell in cells]) if cells else np.array([np.nan])
    diameters = 2 * np.sqrt(areas / np.pi)
    low, median, high = np.percentile(diameters, [10, 50, 90])
    facts = measure_frame(image) | {
        "foreground": float((labels > 0).sum() / max(1, int((marked >= 0).sum()))),
        "touching": touching_share(labels, len(cells)),
        "diameter_low_px": low,
        "diameter_px": median,
        "diameter_high_px": high,
        "fit": np.nan if fit is None else fit.here,
        "image_print": "" if "constant" in found else duplicates.pixel_digest(image),
        "mask_print": "" if found.keys() & {"empty_mask", "full_mask"} else duplicates.pixel_digest(labels),
    }
    return FrameCheck(
        found, facts, cells, fit, duplicates.small_picture(image), duplicates.small_mask(labels)
    )


def set_findings(
    samples: pd.DataFrame,
    pictures: np.ndarray,
    masks: np.ndarray,
    working_pixel_size_um: float | None = None,
    known: Sequence[dict] = (),
    cell_diameter_um: Sequence[float] = suggest.PLAUSIBLE_UM,
    views: dict[str, np.ndarray] | None = None,
) -> list[dict]:
    """Look at all frames together; rows of `findings.finding_row`.

    samples : the prepared samples, each with the facts of `check_frame`; pictures, masks : (frames, side, side), its small ones;
    known : the rows of single frames; a mask of which it is known how it lies is not reported again to fit badly.
    cell_diameter_um : the range in which the cells' median diameter is plausible.
    views : larger pictures of some frames, by sample, among which parts of others are looked for, see `crops.picture`
    """
    lying = {row["sample"] for row in known if row["finding"] in ("shifted", "offset", "turned", "inverted")}
    alike = duplicates.likeness_findings(samples, pictures, masks)
    copies = [{row["sample"], *row["others"]} for row in alike if row["finding"] == "leakage"]
    equal = [
        row
        for row in duplicates.repeat_findings(samples)
        if row["finding"] != "duplicate_mask" or {row["sample"], *row["others"]} not in copies
    ]
    fits = [row for row in fit_findings_of_set(samples) if row["sample"] not in lying]
    return (
        equal
        + alike
        + crops.crop_findings(samples, views or {}, equal + alike)
        + duplicates.name_findings(samples["group"])
        + outlier_findings(samples)
        + fits
        + table_findings(samples, working_pixel_size_um, cell_diameter_um)
    )


def group_table(samples: pd.DataFrame) -> pd.DataFrame:
    """Return one row per group of samples: frames, cells, their sizes, and properties of images and masks.

    Diameters are those of circles with the cells' areas: medians over frames, in px and, if the pixel size is
    known, in µm; low and high are the 10th and 90th percentiles.
    """
    table = samples.groupby("group", sort=False).agg(
        frames=("sample", "size"),
        cells=("cells", "sum"),
        fewest_cells=("cells", "min"),
        most_cells=("cells", "max"),
        foreground=("foreground", "mean"),
        diameter_low_px=("diameter_low_px", "median"),
        diameter_px=("diameter_px", "median"),
        diameter_high_px=("diameter_high_px", "median"),
        touching=("touching", "mean"),
        contrast=("contrast", "median"),
        sharpness=("sharpness", "median"),
        fit=("fit", "median"),
        mask_type=("mask_type", "first"),
        channels=("channels", "first"),
        least_height=("height", "min"),
        most_height=("height", "max"),
        least_width=("width", "min"),
        most_width=("width", "max"),
        pixel_size_um=("pixel_size_um", "median"),
    )
    table.insert(8, "diameter_um", table["diameter_px"] * table["pixel_size_um"])
    return table.reset_index()


def suggested_settings(samples: pd.DataFrame) -> dict:
    """Suggest values of the config (see `suggest.settings`) for the cells of the prepared samples.

    The pixel size of the files is left out, because prepared frames have been rescaled.
    """
    sizes = samples["pixel_size_um"].dropna().unique()
    shape = int(samples["height"].median()), int(samples["width"].median())
    known = float(sizes[0]) if len(sizes) == 1 and not samples["pixel_size_um"].isna().any() else None
    suggested = suggest.settings(samples["diameter_px"].dropna(), shape, samples["group"].nunique(), known)
    suggested.get("images", {}).pop("pixel_size_um", None)
    return {name: suggested[name] for name in ("images", "network", "training") if suggested.get(name)}


def outlier_findings(samples: pd.DataFrame) -> list[dict]:
    """Look for frames whose sharpness or contrast is far from the others'."""
    found = []
    for where, members, others in _peers(samples, FEW_FRAMES):
        for fact, limit, finding in (
            ("sharpness", BLURRED, "focus"),
            ("contrast", OTHER_CONTRAST, "contrast"),
        ):
            logs = np.log(np.maximum(others[fact], 1e-6))
            middle, spread = logs.median(), 1.4826 * (logs - logs.median()).abs().median()
            far = np.log(np.maximum(members[fact], 1e-6)) - middle
            worst = -far if finding == "focus" else far.abs()
            for row in members[worst > np.maximum(np.log(limit), OUTLYING * spread)].itertuples():
                text = f"{fact} {getattr(row, fact):.2g}; the median of {where} is {np.exp(middle):.2g}"
                found.append(finding_row(finding, text, row.sample, row.group))
    return found


def fit_findings_of_set(samples: pd.DataFrame) -> list[dict]:
    """Look for masks that follow their images far worse than the others do, and for sets in which no mask does.

    Dense layers of cells have hardly any background to compare with, and are left out.
    """
    comparable = samples[(samples["foreground"] < 0.5) & samples["fit"].notna()]
    if (
        len(comparable) >= FEW_FITS
        and comparable["fit"].median() < NOT_FITTING
        and comparable["fit"].max() < LEAST
    ):
        text = (
            f"no mask follows its image: the correlations of {len(comparable)} frames have the median "
            f"{comparable['fit'].median():.2f}; right masks of cells have 0.4 to 0.9"
        )
        return [finding_row("no_fit", text)]
    found = []
    for where, members, others in _peers(samples, FEW_FITS):
        median, cover = others["fit"].median(), others["foreground"].median()
        if not median >= WELL_FITTING:
            continue
        for row in members[(members["fit"] < BADLY_FITTING) & (members["foreground"] < 0.5)].itertuples():
            alike = cover / LIKE_COVER < row.foreground < cover * LIKE_COVER
            finding = "wrong_mask" if row.fit < NOT_FITTING and alike else "misfit"
            text = f"correlation of mask and image {row.fit:.2f}; the median of {where} is {median:.2f}"
            found.append(finding_row(finding, text, row.sample, row.group))
    return found


def _peers(samples: pd.DataFrame, few: int) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield frames with those they are compared with, in words and as a table: their group, or else all frames."""
    known = samples[samples["image_print"] != ""]
    sizes = known.groupby("group")["sample"].transform("size")
    for name, members in known.groupby(known["group"].where(sizes >= FEW_FRAMES, ""), sort=False):
        others = members if name else known
        if len(others) >= few:
            yield f"the group {name}" if name else "all frames", members, others


def table_findings(
    samples: pd.DataFrame,
    working_pixel_size_um: float | None = None,
    cell_diameter_um: Sequence[float] = suggest.PLAUSIBLE_UM,
) -> list[dict]:
    """Check channels, mask types, pixel sizes, and numbers and sizes of cells in the table of samples."""
    found = []
    channels = samples.groupby("channels")["sample"].agg(["size", "first"])
    if len(channels) > 1:
        text = "; ".join(
            f"{n} in {counted(row['size'], 'frame')}, such as {row['first']}"
            for n, row in channels.iterrows()
        )
        found.append(finding_row("channels", f"channels: {text}"))
    types = samples[samples["cells"] > 0].groupby("mask_type")["group"].agg(["nunique", "first"])
    if len(types) > 1:
        text = "; ".join(
            f"{n} in {counted(row['nunique'], 'group')}, such as {row['first']}"
            for n, row in types.iterrows()
        )
        found.append(finding_row("mask_types", f"masks: {text}"))
    unknown = samples["pixel_size_um"].isna()
    sizes = samples["pixel_size_um"].dropna().unique()
    if len(sizes) + unknown.any() > 1 or (working_pixel_size_um and unknown.any()):
        parts = [f"{size:g} µm" for size in sorted(sizes)[:5]] + ["and more"] * (len(sizes) > 5)
        parts += [f"not known for {counted(int(unknown.sum()), 'frame')}"] * bool(unknown.any())
        found.append(finding_row("pixel_sizes", f"pixel sizes: {', '.join(parts)}"))
    if "ignored" in samples and samples["ignored"].any():
        areas = samples["height"] * samples["width"]
        share, number = (samples["ignored"] * areas).sum() / areas.sum(), (samples["ignored"] > 0).sum()
        found.append(
            finding_row("ignored", f"{share:.1%} of all pixels, in {number:,} of {len(samples):,} frames")
        )
    return (
        found
        + _amount_findings(samples)
        + _diameter_findings(samples, cell_diameter_um)
        + _size_findings(samples)
    )


def _diameter_findings(samples: pd.DataFrame, plausible: Sequence[float]) -> list[dict]:
    """Look for a median diameter, in µm, that no cell has."""
    known = samples.dropna(subset=["pixel_size_um", "diameter_px"])
    if known.empty:
        return []
    diameter = (known["diameter_px"] * known["pixel_size_um"]).median()
    if plausible[0] <= diameter <= plausible[1]:
        return []
    text = (
        f"cells are {known['diameter_px'].median():.0f} px = {diameter:.3g} µm across (median), with pixels of "
        f"{known['pixel_size_um'].median():.3g} µm after rescaling; expected {plausible[0]:g} to {plausible[1]:g} µm"
    )
    return [finding_row("cell_diameter", text)]


def _amount_findings(samples: pd.DataFrame) -> list[dict]:
    total = int(samples["cells"].sum())
    training = samples.loc[samples["split"] == "train", "cells"]
    if total == 0:
        return [finding_row("no_cells", "no cell in any mask")]
    if len(training) and training.sum() == 0:
        return [finding_row("no_cells", "no cell in any mask of the split train")]
    found = [finding_row("few_cells", f"{counted(total, 'cell')} in all")] if total < FEW_CELLS else []
    diameter = samples["diameter_px"].median()
    if not suggest.RANGE_PX[0] <= diameter <= suggest.RANGE_PX[1]:
        text = f"cells are {diameter:.0f} px across (median)"
        working = suggested_settings(samples).get("images", {}).get("working_pixel_size_um")
        text += (
            f"; with images.working_pixel_size_um: {working:g} about {suggest.TARGET_PX} px"
            if working
            else ""
        )
        found.append(finding_row("working_size", text))
    areas = samples["height"] * samples["width"]
    foreground = (samples["foreground"] * areas).sum() / areas.sum()
    if not RARE_CLASS <= foreground <= 1 - RARE_CLASS:
        found.append(finding_row("class_balance", f"cells cover {foreground:.1%} of all pixels"))
    return found


def _size_findings(samples: pd.DataFrame) -> list[dict]:
    groups = group_table(samples)
    groups = groups[groups["cells"] >= 10]
    unit = "px" if groups["diameter_um"].isna().any() else "um"
    typical = groups[f"diameter_{unit}"].median()
    found = []
    for row in groups.itertuples():
        size = getattr(row, f"diameter_{unit}")
        if max(size / typical, typical / size) > OTHER_SIZE:
            text = f"cells of {size:.3g} {unit} across; the median of all groups is {typical:.3g} {unit}"
            found.append(finding_row("cell_sizes", text.replace("um", "µm"), "", row.group))
    return found
