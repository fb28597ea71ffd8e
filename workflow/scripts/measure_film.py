"""Measure what a recording shows over time: numbers of cells, their tracks and divisions, growth, speed."""

import logging
from pathlib import Path

from brightcell import files
from brightcell.jobs import job
from brightcell.recordings import films

logger = logging.getLogger("brightcell")


def main(inputs, recording: str, facts: dict, confidence: float, out) -> None:
    """Read frames, cells, quality and, where cells are followed, tracks; write course, measures and, with tracks, lineages.

    facts : condition, well and interval_min, see `sheets.recordings.circumstances`
    """
    frames, cells, judged = (files.read_table(path) for path in (inputs.frames, inputs.cells, inputs.quality))
    tracks = files.read_table(path) if (path := getattr(inputs, "tracks", None)) else None
    film = films.measure(frames, cells, judged, tracks, facts["interval_min"], confidence)
    for place, name in enumerate(("recording", "condition", "well")):
        film.measures.insert(place, name, {"recording": recording, **facts}[name])
    files.write_table(film.course, out.course)
    files.write_table(film.measures, out.measures)
    if film.tracks is not None:
        files.write_table(film.tracks, Path(out.lineages))
    for row in film.measures.itertuples():
        logger.info("%s: %.4g %s%s", row.measure, row.value, row.unit, f" ({row.why})" if row.why else "")


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.wildcards.recording,
            snakemake.params.facts,
            snakemake.params.confidence,
            snakemake.output,
        )
