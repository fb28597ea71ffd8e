"""Score the labels of one network, fold and seed on its test frames."""

from brightcell.errors import InputError
from brightcell.files import read_table, write_table
from brightcell.images import iterate_named, read_stack
from brightcell.jobs import job
from brightcell.metrics import score_frames


def main(labels, truth, samples, frames, cells, **training) -> None:
    """Write one row a test frame and one row a cell; `training` names scheme, network, fold, seed."""
    predicted = read_stack(labels)
    table = read_table(samples)
    table = table[table["sample"].isin(list(predicted))]
    labelled = {name: page[..., 0] for name, page in iterate_named(truth, table)}
    try:
        scores = score_frames(labelled, predicted, table)
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
