"""Score the labels and probabilities of one network, fold and seed on its test frames."""

from brightcell.errors import InputError
from brightcell.files import read_table, write_table
from brightcell.instances.variants import OTHERS, score_watersheds
from brightcell.io.stacks import Pages, listed_groups, open_groups, open_maps
from brightcell.jobs import job
from brightcell.metrics.scoring import score_frames
from brightcell.trained import read_calibration


def main(
    labels, truth, samples, outputs, log, probabilities=None, calibration=None, others=None, **training
) -> None:
    """Write the tables of `score_frames` and `score_watersheds` to the paths of their names in `outputs`.

    probabilities : stack of maps, if there is one; calibration : calibration.json, of labels that a watershed made
    others : stacks of labels by other watersheds, by the names in `variants.OTHERS`
    training : scheme, network, fold and seed
    """
    predicted = Pages(labels)
    table = read_table(samples)
    table = table[table["sample"].isin(list(predicted))]
    labelled = open_groups(truth, table["group"])
    maps = open_maps(probabilities) if probabilities else None
    settings = read_calibration(calibration) if calibration else {}
    found = {name: Pages(path) for name, path in (others or {}).items()}
    if found:
        found[settings["markers"]] = predicted
    try:
        scores = score_frames(labelled, predicted, table, maps, settings.get("pixels", {}).get("threshold"))
    except InputError as error:
        raise InputError(f"{labels}: {error}") from None
    binary = scores.frames.loc[scores.frames["mask_type"] != "instances", "sample"]
    if len(binary):
        log.info(
            "no scores of cells for %d of %d frames (%s): their masks do not tell touching cells apart, so "
            "that pixels and boundaries alone can be scored",
            *(len(binary), len(scores.frames), ", ".join(binary[:5]) + (" …" if len(binary) > 5 else "")),
        )
    watersheds = score_watersheds(labelled, found, table)
    for name, scored in (scores._asdict() | {"watersheds": watersheds}).items():
        for position, (column, value) in enumerate(training.items()):
            scored.insert(position, column, value)
        write_table(scored, outputs[name])


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(
            snakemake.input.labels,
            listed_groups(snakemake.input.prepared, "truth"),
            snakemake.input.samples,
            snakemake.output,
            log,
            probabilities=snakemake.input.probabilities or None,
            calibration=snakemake.input.calibration or None,
            others={name: path for name in OTHERS if (path := snakemake.input[name])},
            scheme=snakemake.wildcards.scheme,
            network=snakemake.wildcards.network,
            fold=int(snakemake.wildcards.fold),
            seed=int(snakemake.wildcards.seed),
        )
