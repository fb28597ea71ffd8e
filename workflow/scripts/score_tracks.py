"""Score the tracks of a recording against the true ones that its sheet names."""

import logging

import pandas as pd

from brightcell import files
from brightcell.errors import InputError
from brightcell.io import lineages, masks, stacks
from brightcell.jobs import job
from brightcell.recordings import track_scores

logger = logging.getLogger("brightcell")


def main(labels, tracks, quality, truth: dict, out) -> None:
    """Write a row a score.

    quality : quality.tsv, which has the frames in the order of time; truth : of `chunks.truth_of_recordings`
    """
    found, samples = files.read_table(tracks), files.read_table(quality)["sample"].tolist()
    found["time"] = found["sample"].map({sample: time for time, sample in enumerate(samples)})
    pages, predicted = [], []
    for sample, page in stacks.iterate_stack(labels):
        path, number = truth["frames"][sample]
        true = masks.read_mask(path, "instances", number).labels
        if true.shape != page.shape:
            raise InputError(
                f"{path}: {true.shape[0]} × {true.shape[1]} px, while the frame {sample} is {page.shape[0]} × {page.shape[1]}. "
                "Expected the size of the image: correct the sheet's column track."
            )
        pages.append(true)
        predicted.append(page)
    lineage = lineages.read_lineage(truth["lineage"]) if truth["lineage"] else None
    true_tracks = track_scores.true_tracks(
        pages, lineage, truth["lineage"] or next(iter(truth["frames"].values()))[0]
    )
    scores = track_scores.score_tracks(pages, true_tracks, predicted, found)
    files.write_table(pd.DataFrame(list(scores.items()), columns=["score", "value"]), out)
    logger.info("%s", ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.labels,
            snakemake.input.tracks,
            snakemake.input.quality,
            snakemake.params.truth,
            snakemake.output[0],
        )
