"""Separate the cells of the test frames of one trained network."""

import numpy as np

from brightcell import files, images, instances
from brightcell.jobs import job


def main(test, calibration, labels_file, log):
    """Turn probability maps into a stack of int32 label images."""
    parameters = files.read_json(calibration)["parameters"]
    log.info("watershed with %s", parameters)

    def labelled():
        for name, page in images.iterate_stack(test):
            maps = np.atleast_3d(images.from_uint16(page))
            distance = maps[..., 1] if maps.shape[-1] == 2 else None
            labels = instances.label_cells(maps[..., 0], distance, **parameters)
            log.info("%s: %d cells", name, labels.max())
            yield name, labels

    images.write_stack(labels_file, labelled())


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(snakemake.input.test, snakemake.input.calibration, snakemake.output.labels, log)
