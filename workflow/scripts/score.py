"""Score the labels of one network, fold and seed on its test frames."""

from pathlib import Path

import pandas as pd

from brightcell.errors import InputError
from brightcell.files import read_table, write_table
from brightcell.images import read_stack
from brightcell.jobs import job
from brightcell.metrics import score_frames


def read_truth(stacks: list[Path], samples: pd.DataFrame) -> dict:
    """Read the labels of the samples from the stacks of their groups, {group}/labels.tif."""
    by_group = {Path(path).parent.name: path for path in stacks}
    truth = {}
    for group, rows in samples.groupby("group", sort=False):
        if group not in by_group:
            raise InputError(
                f"group {group}: no prepared labels among {len(by_group)} groups. Expected a folder of this "
                "name with labels.tif: run the workflow anew from the sample sheet."
            )
        truth |= read_stack(by_group[group], rows["sample"])
    return truth


def main(labels, truth, samples, frames, cells, **training) -> None:
    """Write one row a test frame and one row a cell; `training` names scheme, network, fold, seed."""
    predicted = read_stack(labels)
    table = read_table(samples)
    table = table[table["sample"].isin(list(predicted))]
    try:
        scores = score_frames(read_truth(truth, table), predicted, table)
    except InputError as error:
        raise InputError(f"{labels}: {error}") from None
    for scored, path in zip(scores, (frames, cells), strict=True):
        for position, (name, value) in enumerate(training.items()):
            scored.insert(position, name, value)
        write_table(scored, path)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.labels,
            snakemake.input.truth,
            snakemake.input.samples,
            snakemake.output.frames,
            snakemake.output.cells,
            scheme=snakemake.wildcards.scheme,
            network=snakemake.wildcards.network,
            fold=int(snakemake.wildcards.fold),
            seed=int(snakemake.wildcards.seed),
        )
