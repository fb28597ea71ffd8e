"""What is measured of a film: growth, speed and directionality of known walks, lives of known lineages, units."""

import math

import numpy as np
import pandas as pd
import pytest
from films_made import film

from brightcell.recordings import films


def value(measured, name, column="value"):
    return measured.measures.set_index("measure").loc[name, column]


def measure(made, interval_min=20.0, **changes):
    tables = {
        "frames": made.frames,
        "cells": made.cells,
        "judged": made.judged,
        "tracks": made.tracks,
    } | changes
    return films.measure(**tables, interval_min=interval_min)


@pytest.fixture(scope="module")
def walk():
    return film(straight=True, step_px=3.0, pixel_size_um=0.5)


def test_a_straight_walk_has_its_speed_and_full_directionality(walk):
    """3 px of 0.5 µm in 20 min are 4.5 µm/h."""
    measured = measure(walk)
    assert value(measured, "speed") == pytest.approx(4.5)
    assert value(measured, "speed", "unit") == "µm/h"
    assert value(measured, "directionality") == pytest.approx(1)
    assert np.allclose(measured.course["speed_um_h"].iloc[1:], 4.5)


def test_a_random_walk_goes_as_far_as_the_root_of_its_steps():
    """The mean square distance of n unit steps is n; so distance over path is close to √(π / 4n)."""
    measured = measure(film(cells=200, frames=60, cycle=1e9))
    assert value(measured, "directionality") == pytest.approx(math.sqrt(math.pi / 40), rel=0.03)
    assert value(measured, "speed") == pytest.approx(4.5)


def test_common_shifts_and_cells_at_the_border_do_not_count_as_movement(walk):
    cells = walk.cells.copy()
    jumped = cells["frame"] >= 20
    cells.loc[jumped, "row_px"] += 80
    judged = walk.judged.assign(shift_row_px=np.where(walk.judged["frame"] == 20, 80.0, 0.0))
    assert value(measure(walk, cells=cells, judged=judged), "speed") == pytest.approx(4.5)
    cut = cells["cell"] == 1
    cells.loc[cut, "touches_border"] = True
    measured = measure(walk, cells=cells, judged=judged)
    first = measured.tracks.set_index("track").loc[1]
    assert first["steps"] == 0 and math.isnan(first["speed_um_h"]) and math.isnan(first["area_px"])


def test_growth_is_that_of_the_cells_and_its_interval_holds_it():
    measured = measure(film(cells=60, frames=73, cycle=36), interval_min=20)  # doubles in 12 h
    assert value(measured, "doubling", "low") < 12 < value(measured, "doubling", "high")
    assert value(measured, "doubling") == pytest.approx(12, rel=0.2)
    assert value(measured, "growth") == pytest.approx(24 / value(measured, "doubling"), rel=1e-6)
    assert value(measured, "area_growth") == pytest.approx(value(measured, "growth"), rel=1e-3)
    counts = measured.course["cells"]
    assert value(measured, "divisions") == counts.iloc[-1] - counts.iloc[0]


def test_cells_that_do_not_divide_have_no_doubling_time_but_a_shortest_one():
    made = film(cells=60, frames=40, cycle=1e9)
    kept = made.cells[np.random.default_rng(1).random(len(made.cells)) < 0.97]  # some are missed
    measured = measure(made, cells=kept)
    assert math.isnan(value(measured, "doubling"))
    assert value(measured, "doubling", "high") == math.inf
    assert value(measured, "doubling", "low") > 24
    assert value(measured, "doubling", "why") == "no growth that can be told from none"
    assert value(measured, "growth", "low") < 0 < value(measured, "growth", "high")


def test_units_are_frames_and_pixels_where_nothing_else_is_known(walk):
    cells = walk.cells.assign(area_um2=np.nan)
    frames = walk.frames.assign(pixel_size_um=np.nan)
    measured = measure(walk, interval_min=None, cells=cells, frames=frames)
    units = measured.measures.set_index("measure")["unit"]
    assert units[["growth", "doubling", "area", "speed", "cycle"]].tolist() == [
        *("doublings/100 frames", "frames", "px", "px/frame", "frames")
    ]
    assert value(measured, "speed") == pytest.approx(3)
    assert value(measured, "area") == 400
    assert measured.course["time_h"].isna().all()
    in_hours = measure(walk)
    assert value(measured, "doubling") == pytest.approx(3 * value(in_hours, "doubling"))
    assert value(in_hours, "area") == 100


def test_frame_numbers_tell_the_time_where_frames_are_missing(walk):
    left = walk.judged["frame"] % 2 == 0
    samples = walk.judged["sample"][left]
    chosen = {
        name: table[table["sample"].isin(samples)].reset_index(drop=True)
        for name, table in (("frames", walk.frames), ("cells", walk.cells), ("judged", walk.judged), ("tracks", walk.tracks))
    }  # fmt: skip
    measured = films.measure(**chosen, interval_min=20.0)
    assert value(measured, "speed") == pytest.approx(4.5)
    assert measured.course["time_h"].iloc[-1] == pytest.approx(16)


def test_without_tracks_cells_are_counted_and_nothing_moves(walk):
    measured = measure(walk, tracks=None)
    assert measured.tracks is None
    assert "speed" not in set(measured.measures["measure"])
    counts = walk.cells.groupby("frame").size()
    assert measured.course["cells"].tolist() == counts.tolist()


# A mother (1) that divides at frame 4 into 2 and 3; 2 divides at frame 10 into 4 and 5; 3 is lost after frame 7.
FAMILY = [(1, 0, 0, 3), (2, 1, 4, 9), (3, 1, 4, 7), (4, 2, 10, 13), (5, 2, 10, 13)]


def family():
    rows = [
        {"sample": f"s{time}", "frame": time, "cell": number, "track": number, "parent": parent}
        for number, parent, first, last in FAMILY
        for time in range(first, last + 1)
    ]
    table = pd.DataFrame(rows).assign(
        area_px=100, area_um2=25.0, row_px=10.0 * table_rows(rows), column_px=5.0, touches_border=False
    )
    samples = {"sample": [f"s{time}" for time in range(14)], "frame": range(14)}
    frames = pd.DataFrame(samples | {"pixel_size_um": 0.5, "cell_share": 0.1})
    judged = pd.DataFrame(samples | {"shift_row_px": 0.0, "shift_column_px": 0.0})
    return frames, table, judged


def table_rows(rows):
    return np.array([row["track"] for row in rows])


def test_a_lineage_tells_of_every_life():
    frames, table, judged = family()
    measured = films.measure(frames, table.drop(columns=["track", "parent"]), judged, table, interval_min=30)
    own = measured.tracks.set_index("track")
    assert own["family"].tolist() == [1] * 5
    assert own["generation"].tolist() == [0, 1, 1, 2, 2]
    assert own["begins"].tolist() == ["film", *["division"] * 4]
    assert own["ends"].tolist() == ["division", "division", "lost", "film", "film"]
    assert own["life_frames"].tolist() == [4, 6, 3, 3, 3]
    assert own["life_h"].tolist() == [2, 3, 1.5, 1.5, 1.5]
    assert value(measured, "divisions") == 2


def test_a_cell_at_the_border_has_left_and_pieces_are_one_cell():
    frames, table, judged = family()
    table.loc[(table["track"] == 3) & (table["frame"] == 7), "touches_border"] = True
    piece = table[(table["track"] == 1) & (table["frame"] == 2)].assign(cell=9, area_px=300, row_px=50.0)
    table = pd.concat([table, piece], ignore_index=True)
    measured = films.measure(frames, table.drop(columns=["track", "parent"]), judged, table, interval_min=30)
    assert measured.tracks.set_index("track").loc[3, "ends"] == "border"
    assert measured.course["cells"].tolist() == [1] * 4 + [2] * 4 + [1] * 2 + [2] * 4
    assert measured.course["area_px"].iloc[2] == 400
    seen = films.whole_cells(table, judged.assign(place=range(14), pixel_size_um=0.5), table[["sample", "cell", "track", "parent"]])  # fmt: skip
    assert (
        seen.loc[(seen["track"] == 1) & (seen["place"] == 2), "row_px"].item() == (10 * 100 + 50 * 300) / 400
    )


def lives(*rows):
    return pd.DataFrame(rows, columns=["life_frames", "ends"]).assign(begins="division")


def test_the_median_cycle_counts_cells_that_have_not_divided_yet():
    """Kaplan and Meier: of 5 cells one divides at 10, one is lost at 15, then of three one divides at 20 and one at 30."""
    table = lives((10, "division"), (15, "lost"), (20, "division"), (30, "division"), (40, "film"))
    found = films.cycle(table)
    assert found.rate == 30  # left: 4/5, then × 2/3, then × 1/2
    assert films.cycle(table[table["ends"] == "division"]).rate == 20
    first = table.assign(begins="film")
    assert films.cycle(first).why == "no cell was born and divided in the film"


def test_a_film_that_is_too_short_says_so():
    table = lives((10, "division"), *[(12, "film")] * 5)
    assert "less than half" in films.cycle(table).why
    assert math.isnan(films.cycle(table).rate)


def test_the_cycle_of_cells_that_divide_at_random_is_found():
    """Half of cells that divide with a constant chance have done so after 36 frames, whatever the film's length."""
    measured = measure(film(cells=80, frames=120, cycle=36))
    assert value(measured, "cycle", "low") < 12 < value(measured, "cycle", "high")
    assert value(measured, "cycle") == pytest.approx(12, rel=0.2)
