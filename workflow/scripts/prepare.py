"""Bring the images and masks of one group into two stack files and a table."""

import logging
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from brightcell import images
from brightcell.errors import InputError
from brightcell.files import whole, write_table
from brightcell.jobs import job

logger = logging.getLogger("brightcell")


def main(rows: list[dict], options: dict, frames: Path, labels: Path, samples: Path) -> None:
    """Write the stacks `frames` and `labels` and the table `samples` of a group's rows of the sample sheet.

    `options` are the config's `images`. All problems with the files are told in one InputError.
    """
    group = Group(rows, options)
    with whole(frames) as new_frames, whole(labels) as new_labels:
        images.write_stack(new_frames, group.frames())
        images.write_stack(new_labels, group.labels())
        group.complain()
    table = pd.DataFrame([group.facts[row["sample"]] for row in rows])
    write_table(table, samples)
    logger.info("%d frames, %d cells, masks: %s", len(table), table["cells"].sum(), group.mask_type)


class Group:
    """The rows of one group; `frames` and `labels` yield its stacks and note facts and problems on the way."""

    def __init__(self, rows: list[dict], options: dict):
        self.rows = rows
        self.working = options["working_pixel_size_um"]
        self.pixel_size = {
            row["sample"]: _number(row["pixel_size_um"], options["pixel_size_um"]) for row in rows
        }
        self.problems: list[str] = []
        self.shapes: dict[str, tuple[int, ...]] = {}  # as in the image files
        self.mask_type = _mask_type(rows, options["mask_type"])
        self.facts = {
            row["sample"]: {
                "sample": row["sample"],
                "group": row["group"],
                "frame": int(_number(row["frame"], position)),
                "split": row["split"] if isinstance(row["split"], str) else "",
                "mask_type": self.mask_type,
            }
            for position, row in enumerate(rows)
        }

    def frames(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (sample, frame) at the working pixel size."""
        for row in self.rows:
            sample = row["sample"]
            try:
                image = _storable(images.read_image(row["image"]))
                factor = self.factor(sample)
            except InputError as error:
                self.problems.append(f"sample {sample}: {error}")
                continue
            self.shapes[sample] = image.shape
            image = images.rescale_image(image, factor)
            height, width, channels = image.shape
            size = self.pixel_size[sample]
            size = self.working if self.working and not math.isnan(size) else size
            self.facts[sample] |= {
                "height": height,
                "width": width,
                "channels": channels,
                "pixel_size_um": size,
            }
            yield sample, image

    def labels(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield (sample, labels) at the working pixel size; after `frames`."""
        for row in self.rows:
            sample = row["sample"]
            try:
                labels, _ = images.read_mask(row["mask"], self.mask_type)
            except InputError as error:
                self.problems.append(f"sample {sample}: {error}")
                continue
            if sample not in self.shapes:
                continue  # its image is a problem already
            if labels.shape != self.shapes[sample][:2]:
                self.problems.append(
                    f"sample {sample}: the mask {row['mask']} is {_size(labels.shape)}, its image {row['image']} is "
                    f"{_size(self.shapes[sample])} (height × width). Expected the same size: is it another frame's "
                    "mask, or was one of the two cropped, scaled or turned?"
                )
                continue
            before = _count(labels)
            labels = images.rescale_labels(labels, self.factor(sample))
            self.facts[sample]["cells"] = _count(labels)
            if self.facts[sample]["cells"] < before:
                logger.warning(
                    "sample %s: %d of %d cells are too small to be seen at %s µm a pixel",
                    *(sample, before - self.facts[sample]["cells"], before, self.working),
                )
            yield sample, labels

    def factor(self, sample: str) -> float:
        """Return by how much the frame's sides are multiplied; 1 where a pixel size is not known."""
        return images.scale_factor(self.pixel_size[sample], self.working)

    def complain(self) -> None:
        """Raise one InputError with all problems found."""
        channels = defaultdict(list)
        for row in self.rows:
            if row["sample"] in self.shapes:
                channels[self.shapes[row["sample"]][2]].append(row["image"])
        if len(channels) > 1:
            found = "; ".join(
                f"{number} in {len(files)} images, such as {files[0]}"
                for number, files in sorted(channels.items())
            )
            self.problems.append(
                f"the number of channels changes: {found}. Expected the same in all: convert them."
            )
        if self.problems:
            listed = "".join(f"\n  {problem}" for problem in self.problems)
            many = f"{len(self.problems)} problems" if len(self.problems) > 1 else "a problem"
            raise InputError(f"group {self.rows[0]['group']}: {many} with its files{listed}")


def _mask_type(rows: list[dict], declared: str) -> str:
    """Return a group's mask type: one mask with several cells' numbers tells for all its masks.

    A group without any cell, such as a negative control, has nothing to tell apart: it counts as instances.
    """
    if declared != "auto":
        return declared
    cells = False
    for row in rows:
        try:
            labels, found = images.read_mask(row["mask"])
        except InputError:
            continue  # told when the masks are read for good
        if found == "instances":
            return "instances"
        cells = cells or labels.any()
    return "binary" if cells else "instances"


def _storable(image: np.ndarray) -> np.ndarray:
    """Keep uint8, uint16 and float32; anything else becomes float32."""
    if image.dtype == bool:
        return image.astype(np.uint8)
    return image if image.dtype in (np.uint8, np.uint16, np.float32) else image.astype(np.float32)


def _number(cell: object, default: float | None) -> float:
    text = "" if cell is None else str(cell)
    if text in ("", "nan"):
        return math.nan if default is None else default
    return float(text)


def _count(labels: np.ndarray) -> int:
    return int(np.count_nonzero(np.unique(labels)))


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} × {shape[1]} px"


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.params.rows,
            snakemake.params.images,
            Path(snakemake.output.frames),
            Path(snakemake.output.labels),
            Path(snakemake.output.samples),
        )
