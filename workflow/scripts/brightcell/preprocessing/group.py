"""Convert the rows of one group of the sheet to two stacks, of frames and labels, and a table."""

import logging
import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from brightcell.config.suggest import TARGET_PX
from brightcell.errors import InputError, counted
from brightcell.io import masks, stacks

from . import rescaling
from .loader import FrameLoader, RawFrame, number, page_of

logger = logging.getLogger("brightcell")

SHOWN = 10  # problems that are written out; the rest are counted
COLUMNS = [
    "sample",
    "group",
    "frame",
    "split",
    "mask_type",
    "height",
    "width",
    "channels",
    "pixel_size_um",
    "cells",
    "ignored",
]


class Group:
    """The rows of one group of the sheet, each read once, with one frame in memory at a time.

    `frames`, then `labels` yield its stacks, and collect facts and problems; `settle` decides the type of its masks,
    `complain` raises all problems as one InputError, `table` has one row per sample.

    rows : rows of the sheet, as dictionaries of text
    options, steps : the config's `images` and `preprocess`
    """

    def __init__(self, rows: list[dict], options: dict, steps: dict):
        self.rows = rows
        self.working = options["working_pixel_size_um"]
        self.loader = FrameLoader(rows, options, steps)
        self.problems: list[str] = []
        self.raw: dict[str, RawFrame] = {}
        self.factors: dict[str, float] = {}
        self.masks: dict[str, masks.Mask] = {}  # without their labels
        self.mask_type = options["mask_type"]
        self.facts = {
            row["sample"]: {
                "sample": row["sample"],
                "group": row["group"],
                "frame": int(number(row["frame"], position if page_of(row) is None else page_of(row))),
                "split": row["split"] if isinstance(row["split"], str) else "",
            }
            for position, row in enumerate(rows)
        }

    def frames(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (sample, frame), preprocessed, at the working pixel size."""
        for row in self.rows:
            sample = row["sample"]
            try:
                frame = self.loader.frame(row)
                if math.isnan(frame.cell_diameter_px):
                    factor = rescaling.scale_factor(frame.pixel_size_um, self.working)
                else:
                    factor = rescaling.diameter_factor(frame.cell_diameter_px, TARGET_PX)
            except InputError as error:
                file = "" if row["image"] in str(error) else f"{row['image']}: "
                self.problems.append(f"sample {sample}: {file}{error}")
                continue
            self.raw[sample], self.factors[sample] = frame.raw, factor
            image = rescaling.rescale_image(_storable(frame.image), factor)
            height, width, channels = image.shape
            scaled = self.working and not math.isnan(frame.pixel_size_um)
            self.facts[sample] |= {
                "height": height,
                "width": width,
                "channels": channels,
                "pixel_size_um": self.working if scaled else frame.pixel_size_um,
            }
            yield sample, image

    def labels(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (sample, labels) of the same size; after `frames`."""
        for row in self.rows:
            sample = row["sample"]
            if sample not in self.raw:
                continue  # its image is a problem already
            try:
                mask = self.loader.mask(row, self.mask_type, self.raw[sample])
            except InputError as error:
                self.problems.append(f"sample {sample}: {error}")
                continue
            before = _count(mask.labels)
            labels = rescaling.rescale_labels(mask.labels, self.factors[sample])
            self.masks[sample] = mask._replace(labels=np.empty((0, 0), np.int32))
            self.facts[sample] |= {"cells": _count(labels), "ignored": float(np.mean(labels < 0))}
            if self.facts[sample]["cells"] < before:
                logger.warning(
                    "sample %s: %d of %d cells are too small to be seen at %s µm a pixel",
                    *(sample, before - self.facts[sample]["cells"], before, self.working),
                )
            yield sample, labels
        self.loader.close()

    def settle(self, labels: Path) -> None:
        """Decide the mask type of the group: if one mask numbers its cells, all masks of the group do.

        Masks read as binary before are then rewritten, from the stack `labels`. A group without any cell, such as a
        negative control, counts as instances.
        """
        sources = Counter(f"{mask.mask_type} by {mask.source}" for mask in self.masks.values())
        for found, count in sources.items():
            logger.info("%d masks: %s", count, found)
        if self.mask_type == "pieces":
            self.mask_type = "instances"  # each piece has a number by now
        if self.mask_type != "auto":
            return
        types = {mask.mask_type for mask in self.masks.values()}
        cells = any(self.facts[sample]["cells"] for sample in self.masks)
        self.mask_type = "instances" if "instances" in types or not cells else "binary"
        if self.mask_type == "binary" or "instances" not in types:
            return
        undecided: dict[str, tuple[int, int]] = {}
        for name, mask in self.masks.items():
            if mask.mask_type == "binary" and mask.numbers:
                undecided[name] = mask.numbers
            elif mask.mask_type == "binary":
                self.problems.append(
                    f"sample {name}: a JPEG as mask, which cannot number cells as the other masks of the group do. "
                    "Expected TIFF or PNG, or the config's images.mask_type: binary."
                )
        if self.problems or not undecided:
            return

        def numbered() -> Iterator[tuple[str, np.ndarray]]:
            for name, page in stacks.iterate_stack(labels):
                page = masks.as_instances(page, undecided[name]) if name in undecided else page
                self.facts[name]["cells"] = _count(page)
                yield name, page

        stacks.write_stack(labels, numbered())

    def complain(self) -> None:
        """Raise one InputError with all problems found."""
        channels = defaultdict(list)
        for row in self.rows:
            if row["sample"] in self.raw:
                channels[self.facts[row["sample"]]["channels"]].append(row["image"])
        if len(channels) > 1:
            found = "; ".join(
                f"{number} in {counted(len(files), 'image')}, such as {files[0]}"
                for number, files in sorted(channels.items())
            )
            self.problems.append(
                f"the number of channels changes: {found}. Expected the same in all: convert them."
            )
        if self.problems:
            listed = "".join(f"\n  {problem}" for problem in self.problems[:SHOWN])
            if len(self.problems) > SHOWN:
                listed += f"\n  … and {len(self.problems) - SHOWN:,} more"
            many = f"{len(self.problems):,} problems" if len(self.problems) > 1 else "a problem"
            raise InputError(f"group {self.rows[0]['group']}: {many} with its files{listed}")

    def table(self) -> pd.DataFrame:
        """Return the facts of the samples, one row each, with the columns COLUMNS; after `complain`."""
        rows = [self.facts[row["sample"]] | {"mask_type": self.mask_type} for row in self.rows]
        return pd.DataFrame(rows, columns=COLUMNS)


def _storable(image: np.ndarray) -> np.ndarray:
    """Return the image as it is if it is uint8, uint16 or float32, bool as uint8, anything else as float32."""
    if image.dtype == bool:
        return image.astype(np.uint8)
    return image if image.dtype in (np.uint8, np.uint16, np.float32) else image.astype(np.float32)


def _count(labels: np.ndarray) -> int:
    """Count the cells of a label image."""
    return int(np.count_nonzero(masks.distinct(labels)))
