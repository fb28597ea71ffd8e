"""Simulate one time-lapse of the demo: a TIFF of each frame, and one of its labels."""

from pathlib import Path

import numpy as np
import tifffile

from brightcell.files import whole
from brightcell.jobs import job
from brightcell.simulation.timelapse import simulate_sequence


def write_frame(path: str | Path, pixels: np.ndarray) -> None:
    """Write one frame (height, width[, 3]) as a compressed TIFF."""
    with whole(path) as temporary:
        tifffile.imwrite(
            temporary,
            pixels,
            compression="zlib",
            predictor=True,
            photometric="rgb" if pixels.ndim == 3 else "minisblack",
            metadata=None,
        )


def main(images, masks, sequence: int, frames: int, size: int, seed: int) -> None:
    """Write `frames` images (RGB, uint8) and masks (labels, uint16) of a sequence, in the order of time."""
    made = simulate_sequence(seed, sequence, frames, size)
    for paths, pixels in ((images, made.images), (masks, made.labels)):
        for path, frame in zip(paths, pixels, strict=True):
            write_frame(path, frame)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.output.images,
            snakemake.output.masks,
            int(snakemake.wildcards.sequence),
            snakemake.params.frames,
            snakemake.params.size,
            snakemake.params.seed,
        )
