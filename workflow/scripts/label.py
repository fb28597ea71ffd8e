"""Separate the cells of the test frames of one trained network."""

from brightcell import trained
from brightcell.instances import labelling
from brightcell.io import stacks
from brightcell.jobs import job


def main(test, calibration, labels_file, log):
    """Turn probability maps into a stack of int32 label images."""
    parameters = trained.read_calibration(calibration)["parameters"]
    log.info("watershed with %s", parameters)

    def labelled():
        for name, maps in stacks.open_maps(test).items():
            labels = labelling.label_cells(*maps, **parameters)
            log.info("%s: %d cells", name, labels.max())
            yield name, labels

    stacks.write_stack(labels_file, labelled())


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(snakemake.input.test, snakemake.input.calibration, snakemake.output.labels, log)
