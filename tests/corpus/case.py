"""What a case of the corpus is, the folder in which it is made, and what becomes of it."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import tifffile
from textured import scene

import check
import gate
import gather
import prepare
from brightcell import folds
from brightcell.config import validation
from brightcell.errors import InputError
from brightcell.files import read_table
from brightcell.io import stacks
from brightcell.sheets.samples import read_samples

SIDE = 96
TEMPLATE = Path(__file__).parents[2] / "workflow/report/check.html.j2"
SCHEMA = validation.load_schema()
CURES = (
    "expected",
    "correct",
    "convert",
    "export",
    "copy",
    "save",
    "did you mean",
    "remove",
    "replace",
    "give",
    "install",
)
CURES += ("cut", "choose", "write", "delete", "needs", "make", "name", "set", "put", "must")


class Case(NamedTuple):
    """One broken or odd input: how it is made, where it is caught (parse, prepare, check) or "" where it is right.

    words : what the message must contain, beside the file; for a check the finding and, for others, its level
    """

    name: str
    kind: str
    make: Callable
    caught: str
    words: tuple[str, ...]


class Outcome(NamedTuple):
    """What became of a case: the stage that refused it ("" for none), the message, and the results to compare."""

    stage: str
    message: str
    findings: pd.DataFrame | None
    samples: pd.DataFrame | None
    seconds: float


CASES: list[Case] = []


def _register(caught: str, *words: str) -> Callable:
    def add(make: Callable) -> Callable:
        kind = make.__module__.rpartition("_")[2]
        CASES.append(Case(make.__name__.replace("_", " "), kind, make, caught, words))
        return make

    return add


def right(make: Callable) -> Callable:
    """Declare a case that is read right; `make` may return the frame and the labels that must come out (or None)."""
    return _register("")(make)


def refused(stage: str, *words: str) -> Callable:
    """Declare a case that is refused in `stage` (parse or prepare) by a message with these words."""
    return _register(stage, *words)


def found(finding: str, level: str = "error") -> Callable:
    """Declare a case in which the check finds this."""
    return _register("check", finding, level)


class Folder:
    """A data set of two sound groups, to which a case adds what is odd: files, rows of the sheet, keys of the config."""

    def __init__(self, path: Path):
        self.path = path
        self.config: dict = {"folds": {"schemes": ["random"], "number": 3}}
        self.rows: list[dict] = []
        self.newline, self.encoding, self.header = "\n", "utf-8", None
        self.content: bytes | None = None  # of the sheet, instead of the rows
        self.sheet = path / "samples.tsv"
        self.last = "check"  # the last stage that is run
        for seed, group in enumerate(("first", "second"), start=1):
            self.add(*scene(seed, SIDE, cells=8), sample=group, group=group)

    def add(self, image, mask, sample: str = "odd", group: str = "odd", **columns: str) -> dict:
        """Add a row; image and mask are arrays, which are written as TIFF, or names of files in the folder."""
        row = {"sample": sample, "image": image, "mask": mask, "group": group} | columns
        for kind in ("image", "mask"):
            if not isinstance(row[kind], str):
                row[kind] = self.tiff(f"{sample}_{kind}.tif", row[kind])
        self.rows.append(row)
        return row

    def recolour(self, channels: int) -> None:
        """Give the sound groups so many channels, so that the odd frame is not odd in that."""
        for row in self.rows:
            image = tifffile.imread(self.path / row["image"])
            self.tiff(row["image"], image if channels == 1 else np.dstack([image] * channels))

    def tiff(self, name: str, array: np.ndarray, **options) -> str:
        """Write a TIFF; returns its name."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        kind = "rgb" if array.ndim == 3 and array.shape[-1] in (3, 4) else "minisblack"
        tifffile.imwrite(self.path / name, array, **({"photometric": kind} | options))
        return name

    def bytes(self, name: str, content: bytes) -> str:
        """Write a file; returns its name."""
        (self.path / name).write_bytes(content)
        return name

    def write_sheet(self) -> None:
        """Write the sheet."""
        if self.content is None:
            header = self.header or list(dict.fromkeys(name for row in self.rows for name in row))
            lines = [header, *([str(row.get(name, "")) for name in header] for row in self.rows)]
            self.content = "".join("\t".join(line) + self.newline for line in lines).encode(self.encoding)
        if not self.sheet.exists():
            self.sheet.write_bytes(self.content)


def run(folder: Folder) -> Outcome:
    """Pass a folder through the stages before the training, as the workflow does; InputError is the one way to refuse."""
    folder.write_sheet()
    out, start = folder.path / "results", time.perf_counter()
    found_rows = samples = None
    stage = "parse"
    try:
        config = validation.complete(
            {"dataset": "corpus", "samples": str(folder.sheet)} | folder.config, SCHEMA
        )
        sheet = read_samples(folder.sheet, check_files=True)
        folds.assign_schemes(sheet, config["folds"], folder.sheet)
        if folder.last == "parse":
            return Outcome("", "", None, None, time.perf_counter() - start)
        stage = "prepare"
        groups = list(dict.fromkeys(sheet["group"]))
        for group in groups:
            stacks = [out / group / name for name in ("frames.tif", "truth.tif", "samples.tsv")]
            rows = sheet[sheet["group"] == group].to_dict("records")
            prepare.main(rows, config["images"], *stacks, config["preprocess"])
        stage = "check"
        gather.main([out / group / "samples.tsv" for group in groups], out / "samples.tsv")
        stacks = [[out / group / f"{kind}.tif" for group in groups] for kind in ("frames", "truth")]
        made = SimpleNamespace(
            **{name: out / f"check_{name}.tsv" for name in ("findings", "frames", "groups")},
            page=out / "check.html",
        )
        accepted, plausible = config["check"]["ignore"], config["check"]["cell_diameter_um"]
        working = config["images"]["working_pixel_size_um"]
        check.main(out / "samples.tsv", *stacks, TEMPLATE, made, "corpus", accepted, working, plausible)
        found_rows, samples = read_table(made.findings), read_table(out / "samples.tsv")
        gate.main(made.findings, made.page, out / "passed.txt")
        stage = ""
        message = ""
    except InputError as error:
        message = str(error)
    return Outcome(stage, message, found_rows, samples, time.perf_counter() - start)


def prepared(folder: Folder, kind: str, sample: str = "odd", group: str = "odd") -> np.ndarray:
    """Read the prepared frame or truth of a sample: `frames` or `truth`."""
    return stacks.read_stack(folder.path / "results" / group / f"{kind}.tif", [sample])[sample]


def tells(message: str) -> str:
    """Say what a message lacks that a user needs, "" if nothing: what was expected, or what to do."""
    low = message.lower()
    return "" if any(word in low for word in CURES) else "neither what was expected nor what to do"
