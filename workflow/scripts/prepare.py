"""Bring the images and masks of one group into two stack files and a table."""

import logging
from pathlib import Path

from brightcell.files import whole, write_table
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.preprocessing.group import Group

logger = logging.getLogger("brightcell")


def main(rows: list[dict], options: dict, frames: Path, truth: Path, samples: Path, steps: dict) -> None:
    """Write the stacks `frames` and `truth` and the table `samples` of a group's rows of the sample sheet.

    `options` and `steps` are the config's `images` and `preprocess`. All problems with the files are told in one
    InputError.
    """
    group = Group(rows, options, steps)
    with whole(frames) as new_frames, whole(truth) as new_truth:
        stacks.write_stack(new_frames, group.frames())
        stacks.write_stack(new_truth, group.labels())
        group.settle(new_truth)
        group.complain()
    table = group.table()
    write_table(table, samples)
    logger.info("%d frames, %d cells, masks: %s", len(table), table["cells"].sum(), group.mask_type)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.params.rows,
            snakemake.params.images,
            Path(snakemake.output.frames),
            Path(snakemake.output.truth),
            Path(snakemake.output.samples),
            snakemake.params.preprocess,
        )
