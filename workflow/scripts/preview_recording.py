"""Write a page to look at a segmented recording: frames with outlines, counts over time, flagged frames."""

import logging
from pathlib import Path

import tifffile

from brightcell import files
from brightcell.jobs import job
from brightcell.preprocessing.loader import FrameLoader
from brightcell.provenance import PAGES
from brightcell.recordings import chunks, expected
from brightcell.report import preview

logger = logging.getLogger("brightcell")


def main(
    inputs, rows: list[dict], options: dict, steps: dict, recording: str, out, pages: Path = PAGES
) -> None:
    """Read what `inputs` names (labels, cells, frames, quality, made_of, tracks where there is one, expected), write `out`.

    rows : of the sheet; options, steps : the config's `images` and `preprocess`
    """
    judged = files.read_table(inputs.quality)
    cells = files.read_table(inputs.cells)
    tracks = files.read_table(path) if (path := getattr(inputs, "tracks", None)) else None
    if tracks is not None:
        cells = cells.merge(tracks.drop(columns="frame"), on=["sample", "cell"], how="left")
    of_sample, row_of = dict(list(cells.groupby("sample"))), {row["sample"]: row for row in rows}
    chosen, shown = preview.choose_frames(judged), {}
    loader = FrameLoader(rows[: chunks.FIRST], options, steps)  # greys as the networks saw them
    with tifffile.TiffFile(inputs.labels) as labels:
        for place in chosen:
            sample = judged["sample"].iloc[place]
            image = loader.frame(row_of[sample]).image
            own = of_sample.get(sample, cells[:0])
            shown[place] = preview.draw_frame(image, labels.pages[place].asarray(), own)
    loader.close()
    made_of = files.read_json(inputs.made_of)
    sizes = preview.describe_sizes(files.read_table(inputs.frames))
    scores = expected.of_models(made_of, inputs.expected)
    tracking = files.read_table(path) if (path := getattr(inputs, "tracking", None)) else None
    folders = [pages / "preview", pages / "page"]
    html = preview.build(recording, judged, shown, made_of, tracks, folders, sizes, scores, tracking)
    with files.whole(out) as temporary:
        temporary.write_text(html, encoding="utf-8")
    logger.info("%s: %.1f MB, %d of %d frames shown", out, len(html) / 1e6, len(shown), len(judged))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.params.rows,
            snakemake.params.images,
            snakemake.params.preprocess,
            snakemake.wildcards.recording,
            snakemake.output[0],
            Path(snakemake.params.pages["folder"]),
        )
