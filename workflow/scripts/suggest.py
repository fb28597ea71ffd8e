"""Choose crops of segmented recordings whose annotation should help most, and write what a person needs to draw them."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from brightcell import files, trained
from brightcell.annotation import crops, drawing, folder
from brightcell.errors import InputError
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.preprocessing.loader import FrameLoader
from brightcell.recordings import chunks, quality
from brightcell.report import suggestions

logger = logging.getLogger("brightcell")


def main(inputs: dict[str, dict], recipes: list, out: dict, rows: dict, settings: dict, pages) -> None:
    """Write the files of the crops beside `out["crops"]`, and what `out` names: crops, sheet, page.

    inputs : of each recording labels, cells, frames, quality and doubt, the last one a list of stacks
    rows : of each recording in its sheet; settings : the config's suggest, images and preprocess; annotated, samples that
    have masks; drawn, names of corrected crops
    """
    place, options = Path(out["crops"]).parent, settings["suggest"]
    reference = quality.training_data(
        [trained.read_recipe(path, ("working_pixel_size_um",)) for path in recipes]
    )
    tables = {name: _read(given) for name, given in inputs.items()}
    offered = pd.concat(
        [
            crops.candidates(name, read, options["diameters"], reference, settings["annotated"])
            for name, read in tables.items()
        ],
        ignore_index=True,
    )
    if offered.empty:
        raise InputError(
            f"suggest: {len(tables)} recordings, and no frame to choose from: all have masks, show nothing or are out of "
            "focus. Expected frames without masks: name others in `segment`."
        )
    known = folder.known(place)
    drawn = pd.DataFrame([known[name] for name in settings["drawn"] if name in known])
    budget = options["cells"]
    if options["minutes"]:
        budget = max(1, round(options["minutes"] * 60 / options["seconds_per_cell"]))
    chosen = crops.choose(offered, budget, drawn if len(drawn) else None)
    chosen.insert(0, "order", range(1, len(chosen) + 1))
    chosen.insert(1, "crop", [folder.name_of(*each) for each in _places(chosen)])
    usual = crops.usual(offered)
    chosen["reason"] = [crops.WORDS[each["why"]](each, usual) for each in chosen.to_dict("records")]

    shown = {}
    for recording, own in chosen.groupby("recording", sort=False):
        diameter = crops.typical_diameter(tables[recording], reference)
        given = tables[recording].frames, inputs[recording]["labels"], rows[recording]
        shown |= _write(place, own, *given, settings, diameter)
    written = folder.known(place)
    about = {name: written[name] for name in chosen["crop"]}
    masks = {name: folder.path_of(Path(), "predicted", name).as_posix() for name in about}
    with files.whole(out["sheet"]) as path:
        path.write_text("\n".join(folder.sheet(Path(), about, masks)) + "\n", encoding="utf-8")
    columns = [
        "order",
        "crop",
        "recording",
        "sample",
        "frame",
        "top_px",
        "left_px",
        "height",
        "width",
        "cells",
    ]
    files.write_table(chosen[[*columns, *crops.REASONS, "reason"]], out["crops"])
    html = suggestions.build(chosen, shown, options["seconds_per_cell"], [pages / "suggest", pages / "page"])
    with files.whole(out["page"]) as path:
        path.write_text(html, encoding="utf-8")
    logger.info(
        "%d crops of %d recordings, %d cells",
        len(chosen),
        chosen["recording"].nunique(),
        chosen["cells"].sum(),
    )


def _read(given: dict) -> crops.Recording:
    doubt: dict[str, np.ndarray] = {}
    for path in given["doubt"]:
        doubt |= stacks.read_stack(path)
    cells, frames, judged = (files.read_table(given[name]) for name in ("cells", "frames", "quality"))
    return crops.Recording(frames, cells, judged, doubt)


def _places(chosen: pd.DataFrame) -> Iterator[tuple[str, int, int]]:
    return zip(chosen["sample"], chosen["top_px"], chosen["left_px"], strict=True)


def _write(
    place: Path,
    own: pd.DataFrame,
    frames: pd.DataFrame,
    labels: Path,
    rows: list[dict],
    settings: dict,
    diameter: float,
) -> dict[str, dict]:
    """Write the crops of a recording; return what the page shows of each."""
    loader = FrameLoader(rows[: chunks.FIRST], settings["images"], settings["preprocess"])
    row_of, at = {row["sample"]: row for row in rows}, dict(zip(frames["sample"], frames.index, strict=True))
    shown = {}
    with tifffile.TiffFile(labels) as stack:
        for crop in own.to_dict("records"):
            row, frame = row_of[crop["sample"]], frames.loc[at[crop["sample"]]]
            window = tuple(
                slice(crop[start], crop[start] + crop[length])
                for start, length in (("top_px", "height"), ("left_px", "width"))
            )
            image = loader.frame(row).image
            page = stack.pages[at[crop["sample"]]].asarray().astype(np.int32)
            pixel_um = float(frame["pixel_size_um"])
            about = {
                name: crop[name]
                for name in ("recording", "sample", "frame", "top_px", "left_px", "height", "width")
            }
            about |= {name: row.get(name, "") for name in ("image", "page", "scene")}
            about |= {
                "pixel_size_um": pixel_um if np.isfinite(pixel_um) else None,
                "cell_diameter_px": diameter,
            }
            drawing.write_crop(place, crop["crop"], image[window], page[window], about)
            shown[crop["crop"]] = suggestions.draw(image, page, window)
    loader.close()
    return shown


if __name__ == "__main__":
    with job(snakemake.log[0]):
        names = list(snakemake.params.rows)
        main(
            {
                name: {kind: snakemake.input[kind][at] for kind in ("labels", "cells", "frames", "quality")}
                | {"doubt": [path for path in snakemake.input.doubt if f"/{name}/chunks/" in path]}
                for at, name in enumerate(names)
            },
            snakemake.input.recipes,
            dict(snakemake.output.items()),
            snakemake.params.rows,
            snakemake.params.settings,
            Path(snakemake.params.pages["folder"]),
        )
