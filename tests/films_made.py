"""Films without pictures: tables of cells that grow, move and divide as was asked for, and the page of several films."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

import compare_films
import measure_film
from brightcell import files

PLATE = {
    f"{row}{column:02d}": "control" if column < 4 else "10 µM drug" for row in "BC" for column in (2, 3, 4, 5)
}


def film(
    seed: int = 1,
    cells: int = 20,
    frames: int = 49,
    cycle: float = 36.0,
    step_px: float = 3.0,
    straight: bool = False,
    size: int = 500,
    pixel_size_um: float = 0.5,
) -> SimpleNamespace:
    """The tables of a film: frames, cells, quality, tracks. Its cells divide at random, every `cycle` frames on average.

    They walk at random, or `straight` to the right, by `step_px` a frame, on a plane without borders.
    """
    rng = np.random.default_rng(seed)
    alive = [{"track": number + 1, "parent": 0, "at": rng.uniform(0, size, 2)} for number in range(cells)]
    last, rows = cells, []
    for time in range(frames):
        if time:
            for mother in [each for each in alive if rng.random() < 1 - 2 ** (-1 / cycle)]:
                alive.remove(mother)
                for _ in range(2):
                    last += 1
                    alive.append({"track": last, "parent": mother["track"], "at": mother["at"].copy()})
            for each in alive:
                turn = 0 if straight else rng.uniform(0, 2 * np.pi)
                each["at"] += step_px * np.array([np.sin(turn), np.cos(turn)])
        rows += [
            {
                "sample": f"s{time}", "frame": time, "cell": number, "area_px": 400, "area_um2": 400 * pixel_size_um**2,
                "row_px": each["at"][0], "column_px": each["at"][1], "touches_border": False,
                "track": each["track"], "parent": each["parent"],
            }
            for number, each in enumerate(alive, start=1)
        ]  # fmt: skip
    table = pd.DataFrame(rows)
    counts = table.groupby("frame").size().to_numpy()
    samples = {"sample": [f"s{time}" for time in range(frames)], "frame": range(frames)}
    shares = np.minimum(1, counts * 400 / size**2)
    return SimpleNamespace(
        frames=pd.DataFrame(samples | {"pixel_size_um": pixel_size_um, "cell_share": shares}),
        cells=table.drop(columns=["track", "parent"]),
        judged=pd.DataFrame(samples | {"shift_row_px": 0.0, "shift_column_px": 0.0}),
        tracks=table[["sample", "frame", "cell", "track", "parent"]],
    )


def make(
    folder: Path, plate: dict[str, str] = PLATE, interval_min: float | None = 20, **options: object
) -> Path:
    """Write films, two fields a well, and compare them: drugs halve the growth. Give the page."""
    made = []
    for number, (well, condition) in enumerate(plate.items()):
        for field in (1, 2):
            slow = 2.0 if "drug" in condition else 1.0
            own = film(10 * number + field, **({"cycle": 36 * slow, "step_px": 3 / slow} | options))
            recording = folder / "segmented" / f"{well}_f{field}"
            recording.mkdir(parents=True)
            inputs = SimpleNamespace()
            for name, table in (
                ("frames", own.frames), ("cells", own.cells), ("quality", own.judged), ("tracks", own.tracks),
            ):  # fmt: skip
                setattr(inputs, name, recording / f"{name}.tsv")
                files.write_table(table, recording / f"{name}.tsv")
            out = SimpleNamespace(**{n: recording / f"{n}.tsv" for n in ("course", "measures", "lineages")})
            facts = {"condition": condition, "well": well, "interval_min": interval_min}
            measure_film.main(inputs, recording.name, facts, 0.95, out)
            made.append(out)
    inputs = SimpleNamespace(
        measures=[each.measures for each in made],
        courses=[each.course for each in made],
        lineages=[each.lineages for each in made],
    )
    out = SimpleNamespace(
        **{n: folder / f"films/{n}.tsv" for n in ("recordings", "conditions", "differences")}
    )
    out.page = folder / "films/films.html"
    out.page.parent.mkdir()
    compare_films.main(inputs, "plate1", 0.95, out)
    return out.page
