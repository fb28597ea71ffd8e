"""A segmented recording without networks: the files that the segmentation writes, made from simulated labels."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import tifffile
from defaults import defaults

import judge_frames
import preview_recording
import track_cells
from brightcell import files, trained
from brightcell.instances.regionprops import cell_table
from brightcell.io import ome_tiff, stacks
from brightcell.preprocessing import statistics
from brightcell.simulation import timelapse

TEMPLATES = Path(__file__).parents[1] / "workflow" / "report"
TRACKS = {"distance": 1.5, "gap": 1, "divisions": True}


@dataclass
class Recording:
    """The folder of a recording, its frames in the sheet, and what the simulator knows of it."""

    folder: Path
    name: str
    rows: list[dict]
    truth: timelapse.Sequence

    def follow(self) -> None:
        """Run the script `track_cells`."""
        self.judge()
        out = SimpleNamespace(tracks=self.folder / "tracks.tsv", ctc=self.folder / "ctc")
        inputs = [self.folder / name for name in ("labels.ome.tif", "cells.tsv", "quality.tsv")]
        track_cells.main(*inputs, TRACKS, out)

    def judge(self, ordered: bool = True) -> pd.DataFrame:
        """Run the script `judge_frames`; give its table."""
        inputs = [
            self.folder / name for name in ("labels.ome.tif", "frames.tsv", "cells.tsv", "made_of.json")
        ]
        judge_frames.main(*inputs, ordered, self.folder / "quality.tsv")
        return files.read_table(self.folder / "quality.tsv")

    def preview(self, followed: bool = True, **steps: object) -> Path:
        """Run the script `preview_recording`; give the page."""
        names = {"labels": "labels.ome.tif"} | {
            name: f"{name}.tsv" for name in ("cells", "frames", "quality")
        }
        inputs = SimpleNamespace(**{name: self.folder / path for name, path in names.items()})
        inputs.made_of = self.folder / "made_of.json"
        inputs.expected = trained.expected_beside(files.read_json(inputs.made_of)["models"])
        inputs.tracks = self.folder / "tracks.tsv" if followed else []
        page = self.folder / "preview.html"
        options = defaults("images"), defaults("preprocess", **steps)
        preview_recording.main(inputs, self.rows, *options, self.name, page)
        return page


def make_recording(
    folder: Path, frames: int = 8, size: int = 160, name: str = "dish", sample: str = "s{number}"
) -> Recording:
    """Write images, labels.ome.tif, cells.tsv, frames.tsv, made_of.json, and the recipe of two networks.

    Frame 2 is out of focus, and the networks disagree on half of the cells of frame 5.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = timelapse.simulate_sequence(1, 2, frames, size)
    rng = np.random.default_rng(1)
    rows, cells, described = [], [], []
    for number, (image, labels) in enumerate(zip(made.images, made.labels, strict=True)):
        path = folder / f"frame{number}.tif"
        tifffile.imwrite(path, image, photometric="rgb")
        name_of = sample.format(number=number)
        rows.append(
            {"sample": name_of, "image": str(path), "group": name, "frame": str(number), "pixel_size_um": "1"}
        )
        own = cell_table(labels.astype(np.int32), image, 1.0)
        own.insert(0, "sample", name_of)
        own.insert(1, "frame", number)
        own["confidence"] = rng.uniform(0.8, 1, len(own))
        own["disagreement"] = rng.uniform(0, 0.1, len(own))
        if number == 5:
            own.loc[own.index[::2], "disagreement"] = 0.3
        own["ridge"] = 0.0
        looks = statistics.describe_frame(image)
        if number == 2:
            looks["sharpness"] /= 3
        cells.append(own)
        described.append(
            {
                **{"sample": name_of, "frame": number, "image": str(path)},
                **{"height": size, "width": size, "pixel_size_um": 1.0, "scale": 1.0, "cells": len(own)},
                **{"cell_share": (labels > 0).mean(), "median_area_px": own["area_px"].median()},
                **looks,
                **{"confidence": 0.9, "disagreement": own["disagreement"].mean()},
            }
        )
    files.write_table(pd.DataFrame(described), folder / "frames.tsv")
    files.write_table(pd.concat(cells, ignore_index=True), folder / "cells.tsv")
    sizes = [(size, size, 1.0)] * frames
    ome_tiff.write_ome(
        folder / "labels.ome.tif", made.labels, sizes, ome_tiff.smallest_type(made.labels.max()), "dish"
    )
    grains = np.zeros((frames, *[-(-size // 8)] * 2), np.uint8)
    stacks.write_stack(
        folder / "chunks/all/doubt.tif", zip([row["sample"] for row in rows], grains, strict=True)
    )
    models = [folder / f"models/{number}/model.keras" for number in (1, 2)]
    for model in models:
        recipe = {
            "training_data": statistics.reference(made.images, made.labels),
            "working_pixel_size_um": 1.0,
        }
        files.write_json(recipe, model.with_name("recipe.json"))
    made_of = {"models": {str(path): "" for path in models}, "parameters": {"threshold": 0.5}}
    files.write_json({"network": "attention", **made_of}, folder / "made_of.json")
    return Recording(folder, name, rows, made)
