"""Take back corrected crops: check them, keep every version, tell what changed, and prepare them for training."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from brightcell import files
from brightcell.annotation import changes, corrected, drawing, folder
from brightcell.errors import InputError
from brightcell.io import readers, stacks
from brightcell.jobs import job
from brightcell.preprocessing.group import Group

logger = logging.getLogger("brightcell")

STACK = "corrected"  # name of the group of all crops in the stacks
VALIDATING = 4  # every so manieth crop validates


def main(place: Path, given: dict[str, list], out: dict, settings: dict) -> None:
    """Write what `out` names, and the versions beside it.

    place : folder of the suggestions; given : the corrected files of each crop
    settings : the config's `images` and `preprocess`; closed and annotated, of `held_out`; accept_empty, whether a crop may
    have no cell
    """
    versions = Path(out["changes"]).parent / "versions"
    known = folder.known(place)
    crops = {name: known[name] for name in given}
    problems = corrected.refuse_held_out(crops, settings["closed"], settings["annotated"])
    rows = []
    for name, paths in given.items():
        try:
            rows.append({"crop": name, **_compare(place, name, [Path(path) for path in paths], settings)})
        except InputError as error:
            problems.append(str(error))
    corrected.complain(problems)

    kept = {name: corrected.keep(Path(paths[0]), versions, name) for name, paths in given.items()}
    for row in rows:
        row["recording"], row["file"] = crops[row["crop"]]["recording"], kept[row["crop"]].name
    table = pd.DataFrame(rows)[["crop", "recording", "file", *changes.COLUMNS]]
    masks = {name: f"versions/{path.name}" for name, path in kept.items()}
    with files.whole(out["sheet"]) as path:
        text = "\n".join(folder.sheet(Path("..", place.name), crops, masks))
        path.write_text(text + "\n", encoding="utf-8")
    _prepare(place, crops, kept, out, settings)
    files.write_table(table, out["changes"])
    logger.info(
        "%d crops of %d recordings: %s", len(table), table["recording"].nunique(), changes.in_words(table)
    )
    logger.info("AP50 of the predictions against the corrected cells: %.3f", table["ap50"].mean())


def _compare(place: Path, name: str, paths: list[Path], settings: dict) -> dict[str, float]:
    started = readers.read_image(folder.path_of(place, "predicted", name))[..., 0].astype(np.int32)
    picture = folder.path_of(place, "images", name)
    accept = settings["accept_empty"]
    labels = corrected.read(paths, picture, started.shape, started, settings["images"], accept)
    return changes.changes(started, labels)


def _prepare(place: Path, crops: dict[str, dict], kept: dict[str, Path], out: dict, settings: dict) -> None:
    """Bring the crops to the working pixel size, as `prepare` does the frames of a group."""
    rows = [
        {
            **{"sample": name, "group": STACK, "frame": "", "page": "", "scene": ""},
            "split": "validate" if position % VALIDATING == VALIDATING - 1 else "train",
            "image": str(folder.path_of(place, "images", name)),
            "mask": str(kept[name]),
            "pixel_size_um": about["pixel_size_um"] or "",
            "cell_diameter_px": "" if about["pixel_size_um"] else about["cell_diameter_px"],
        }
        for position, (name, about) in enumerate(crops.items())
    ]
    images = settings["images"] | drawing.PLAIN | {"mask_type": corrected.mask_type(settings["images"])}
    group = Group(rows, images, settings["preprocess"] | drawing.UNCHANGED)
    with files.whole(out["frames"]) as frames, files.whole(out["truth"]) as truth:
        stacks.write_stack(frames, group.frames())
        stacks.write_stack(truth, group.labels())
        group.settle(truth)
        group.complain()
    files.write_table(group.table(), out["samples"])
    stacks.list_groups([out["frames"]], [out["truth"]], out["prepared"])


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            Path(snakemake.params.place),
            snakemake.params.given,
            dict(snakemake.output.items()),
            snakemake.params.settings | snakemake.params.held_out,
        )
