"""Export the outlines of a recording's cells: ROIs for ImageJ, GeoJSON for QuPath."""

import csv
import json
import logging
import math
import zipfile
from itertools import islice
from pathlib import Path

import tifffile

from brightcell import files
from brightcell.io import ome_tiff
from brightcell.io import rois as outlines
from brightcell.jobs import job

logger = logging.getLogger("brightcell")

MEASUREMENTS = ("area_px", "area_um2", "confidence", "disagreement")


def measurements(row: dict[str, str]) -> dict[str, float]:
    """Take the numbers that go with a cell; those that are not known are left out."""
    values = {name: float(row[name]) for name in MEASUREMENTS}
    return {name: value for name, value in values.items() if math.isfinite(value)}


def main(labels, cells, frames, recording: str, rois, geojson) -> None:
    """Write one ROI and one feature a cell; one frame is held at a time."""
    frames, count = files.read_table(frames, ("sample", "image")), 0
    with (
        Path(cells).open(encoding="utf-8", newline="") as table,
        tifffile.TiffFile(labels) as stack,
        files.whole(rois) as roi_path,
        files.whole(geojson) as geojson_path,
        zipfile.ZipFile(roi_path, "w", zipfile.ZIP_DEFLATED) as archive,
        geojson_path.open("w", encoding="utf-8") as collection,
    ):
        rows = csv.DictReader(table, delimiter="\t")
        collection.write('{"type": "FeatureCollection", "features": [')
        sizes = zip(frames["height"], frames["width"], frames["pixel_size_um"], strict=True)
        for position, (frame, place) in enumerate(
            zip(frames.itertuples(), ome_tiff.places(sizes), strict=True)
        ):
            own = islice(rows, frame.cells)
            page = stack.pages[position].asarray()
            for outline, row in zip(outlines.outlines(page.astype("int32")), own, strict=True):
                name = f"{frame.sample}_{outline.cell}"
                roi = outlines.imagej_roi(outline, name, place[1])
                archive.writestr(zipfile.ZipInfo(f"{name}.roi"), roi.tobytes(), zipfile.ZIP_DEFLATED)
                feature = outlines.geojson_feature(
                    outline, recording, frame.sample, int(frame.frame), place, measurements(row)
                )
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
