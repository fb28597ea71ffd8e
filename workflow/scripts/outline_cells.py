"""Export the outlines of a recording's cells: ROIs for ImageJ, GeoJSON for QuPath."""

import csv
import json
import logging
import zipfile
from pathlib import Path

import tifffile

from brightcell import files
from brightcell.jobs import job
from brightcell.recordings import outlines

logger = logging.getLogger("brightcell")


def main(labels, cells, frames, recording: str, rois, geojson) -> None:
    """Write one ROI and one feature a cell."""
    frames, count = files.read_table(frames), 0
    with (
        Path(cells).open(encoding="utf-8", newline="") as table,
        tifffile.TiffFile(labels) as stack,
        files.whole(rois) as roi_path,
        files.whole(geojson) as geojson_path,
        zipfile.ZipFile(roi_path, "w", zipfile.ZIP_DEFLATED) as archive,
        geojson_path.open("w", encoding="utf-8") as collection,
    ):
        collection.write('{"type": "FeatureCollection", "features": [')
        pages = (page.asarray() for page in stack.pages)
        rows = csv.DictReader(table, delimiter="\t")
        for name, roi, feature in outlines.outline_cells(pages, frames, rows, recording):
            archive.writestr(zipfile.ZipInfo(f"{name}.roi"), roi, zipfile.ZIP_DEFLATED)
            collection.write(("," if count else "") + "\n" + json.dumps(feature))
            count += 1
        collection.write("\n]}\n")
    logger.info("%d outlines", count)


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input.labels,
            snakemake.input.cells,
            snakemake.input.frames,
            snakemake.wildcards.recording,
            snakemake.output.rois,
            snakemake.output.geojson,
        )
