"""Take label images that were made elsewhere for the test frames of a fold."""

import logging
from itertools import groupby

from brightcell import files, provenance
from brightcell.errors import InputError, counted
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.preprocessing.group import Group
from brightcell.sheets.roles import rows_in_role

logger = logging.getLogger("brightcell")

# A number that masks may use for pixels that do not count is a cell's in labels, and cells have numbers.
OPTIONS = {"mask_type": "instances", "ignore_value": None, "cell_classes": None}


def main(rows: list[dict], options: dict, steps: dict, inputs, outputs, entry: dict, run: dict) -> None:
    """Write the labels of the test frames as a stack, preprocessed and rescaled as the masks are, and recipe.json.

    rows : of the sheet, with the file of labels in place of the mask; options, steps : the config's `images` and
    `preprocess`
    """
    samples, folds = files.read_table(inputs.samples), files.read_table(inputs.folds)
    tested = rows_in_role(samples, folds, run["scheme"], run["fold"], "test")["sample"]
    chosen = [row for row in rows if row["sample"] in set(tested)]
    problems: list[str] = []

    def labelled():
        for _, members in groupby(chosen, key=lambda row: row["group"]):
            group = Group(list(members), options | OPTIONS, steps)
            for _ in group.frames():  # their sizes alone are needed
                pass
            yield from group.labels()
            problems.extend(group.problems)
        if problems:
            listed = "".join(f"\n  {problem}" for problem in problems[:10])
            raise InputError(
                f"{run['network']}, the labels of {counted(len(problems), 'frame')} cannot be used{listed}"
            )

    stacks.write_stack(outputs.labels, labelled())
    logger.info("%d frames", len(chosen))
    recipe = {
        **run,
        "tool": None,
        "title": run["network"],
        "labels": entry["labels"],
        "held_out": entry["held_out"],
        "machine": provenance.machine(),
    }
    files.write_json(recipe, outputs.recipe)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.params.rows,
            snakemake.params.images,
            snakemake.params.preprocess,
            snakemake.input,
            snakemake.output,
            snakemake.params.entry,
            snakemake.params.run,
        )
