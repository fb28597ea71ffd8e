"""Read a file with the outlines of many groups once, into a database that fetches those of one image."""

from pathlib import Path

from brightcell.files import whole
from brightcell.io import coco
from brightcell.jobs import job


def main(annotations: Path, index: Path) -> None:
    """Write the index of a COCO file."""
    with whole(index) as temporary:
        coco.write_index(annotations, temporary)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(Path(snakemake.input[0]), Path(snakemake.output[0]))
