"""Write the tracks of a recording for other programs: TrackMate's XML, GEFF."""

import logging
from pathlib import Path

from brightcell import files
from brightcell.io import track_graphs
from brightcell.jobs import job
from brightcell.recordings import exports

logger = logging.getLogger("brightcell")


def main(inputs, interval_min: float | None, labels: str | None, out: dict) -> None:
    """Read frames, cells, quality and tracks; write what `out` names: trackmate, geff.

    labels : of an OME-Zarr with these tracks, its path from within the graph's folder
    """
    frames, cells, judged, tracks = (
        files.read_table(path) for path in (inputs.frames, inputs.cells, inputs.quality, inputs.tracks)
    )
    nodes, edges = exports.track_graph(cells, tracks, judged)
    shape, pixel_size_um = exports.common_size(frames)
    units = {"pixel_size_um": pixel_size_um, "interval_min": interval_min}
    if "trackmate" in out:
        track_graphs.write_trackmate(Path(out["trackmate"]), nodes, edges, "labels.ome.tif", shape, **units)
    if "geff" in out:
        track_graphs.write_geff(Path(out["geff"]), nodes, edges, labels, **units)
    logger.info("%d cells, %d links: %s", len(nodes), len(edges), ", ".join(out.values()))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.params.interval_min,
            snakemake.params.labels,
            dict(snakemake.output.items()),
        )
