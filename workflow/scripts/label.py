"""Separate the cells of the test frames of one trained network, by every watershed that is compared."""

from contextlib import ExitStack

from brightcell import trained
from brightcell.instances import labelling, variants
from brightcell.io import stacks
from brightcell.jobs import job


def main(test, calibration, labels_file, others: dict, log) -> None:
    """Turn probability maps into stacks of int32 label images: the calibrated watershed's, and one each of `others`.

    others : paths, by the names in `variants.OTHERS`
    """
    settings = trained.read_calibration(calibration)
    log.info("watershed with %s", settings["parameters"])
    with ExitStack() as opened:
        write = {name: opened.enter_context(stacks.stack_writer(path)) for name, path in others.items()}
        write_labels = opened.enter_context(stacks.stack_writer(labels_file))
        for name, maps in stacks.open_maps(test).items():
            labels = labelling.label_cells(*maps, **settings["parameters"])
            log.info("%s: %d cells", name, labels.max())
            write_labels(name, labels)
            for variant, found in variants.other_watersheds(maps.foreground, labels, settings).items():
                write[variant](name, found)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(
            snakemake.input.test,
            snakemake.input.calibration,
            snakemake.output.labels,
            {name: snakemake.output[name] for name in variants.OTHERS},
            log,
        )
