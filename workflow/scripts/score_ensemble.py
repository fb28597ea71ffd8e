"""Score the averaged trainings of a network on groups that none of them has seen."""

import logging

from brightcell.errors import InputError
from brightcell.files import read_table, write_table
from brightcell.folds import leaky_schemes
from brightcell.io.stacks import listed_groups, open_groups, open_maps
from brightcell.jobs import job
from brightcell.recordings import expected
from brightcell.trained import read_calibration

logger = logging.getLogger("brightcell")


def main(inputs, outputs, trainings: list[dict], scheme: str, network: str, confidence: float) -> None:
    """Read what `inputs` names: probabilities and calibrations of the trainings, truth, samples, folds; write `outputs`.

    trainings : fold and seed of each, in the order of the inputs; outputs : frames, scores
    """
    members = [
        expected.Training(each["fold"], each["seed"], open_maps(maps), read_calibration(calibration))
        for each, maps, calibration in zip(trainings, inputs.probabilities, inputs.calibrations, strict=True)
    ]
    samples, folds = read_table(inputs.samples), read_table(inputs.folds)
    truth = open_groups(listed_groups(inputs.prepared, "truth"), samples["group"])
    try:
        frames = expected.score_folds(members, truth, samples, folds[folds["scheme"] == scheme])
    except InputError as error:
        raise InputError(f"{network}, scheme {scheme}, {error}") from None
    frames.insert(0, "scheme", scheme)
    frames.insert(1, "network", network)
    write_table(frames, outputs.frames)
    table = expected.expect(frames, scheme in leaky_schemes(folds), confidence)
    write_table(table, outputs.scores)
    for row in table.itertuples():
        logger.info("%s: %.3f (%.3f to %.3f), %d groups", row.score, row.mean, row.low, row.high, row.groups)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.output,
            snakemake.params.trainings,
            snakemake.wildcards.scheme,
            snakemake.wildcards.network,
            snakemake.params.confidence,
        )
