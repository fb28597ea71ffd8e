"""Judge the frames of a recording without truth: what about them is unlike the training, or unlike their neighbours."""

import logging
from pathlib import Path

from brightcell import files, trained
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.recordings import quality, shifts

logger = logging.getLogger("brightcell")


def main(labels, frames, cells, made_of, ordered: bool, out) -> None:
    """Write a row a frame. The recipes are read from beside the models that `made_of` names."""
    folders = [Path(path).parent for path in files.read_json(made_of)["models"]]
    reference = quality.training_data(
        [trained.read_recipe(folder / "recipe.json", ("working_pixel_size_um",)) for folder in folders]
    )
    if reference is None:
        logger.warning(
            "%s: recipe.json does not say how the training data looked (a model of an earlier version). Frames are compared "
            "with one another alone. Train the network again to have it.",
            folders[0],
        )
    frames, cells = (files.read_table(path) for path in (frames, cells))
    moved = None
    if ordered and len(cells):
        pages = (page for _, page in stacks.iterate_stack(labels))
        moved = shifts.common_shifts(pages, shifts.typical_diameter(cells["area_px"]))
    judged = quality.judge(frames, cells, reference, ordered, moved)
    files.write_table(judged, out)
    common, rest = quality.shared_flags(judged["flags"])
    for flag in common:
        logger.warning("all %d frames: %s, as in the first", len(judged), flag)
    for sample, flags in zip(judged["sample"], rest, strict=True):
        if flags:
            logger.warning("%s: %s", sample, flags)
    logger.info("%d of %d frames are flagged", (judged["flags"] != "").sum(), len(judged))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.labels,
            snakemake.input.frames,
            snakemake.input.cells,
            snakemake.input.made_of,
            snakemake.params.ordered,
            snakemake.output[0],
        )
