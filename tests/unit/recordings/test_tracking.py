"""Cells over time: movements and divisions with known answers, and the Cell Tracking Challenge's own scores."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from ctc_metrics.scripts.evaluate import evaluate_sequence
from ctc_metrics.scripts.validate import validate_sequence

import track_cells
from brightcell import files
from brightcell.instances.regionprops import cell_table
from brightcell.io import stacks
from brightcell.recordings.challenge import challenge_tracks, write_challenge
from brightcell.recordings.shifts import common_shifts, insides, typical_diameter
from brightcell.recordings.tracking import link_cells
from brightcell.simulation import timelapse

OPTIONS = {"distance": 1.0, "gap": 1, "divisions": True}


def discs(*frames, size=80):
    """Label images (frames, size, size) of discs, each given as (row, column, radius)."""
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((len(frames), size, size), np.int32)
    for page, cells in zip(labels, frames, strict=True):
        for number, (row, column, radius) in enumerate(cells, start=1):
            page[np.hypot(y - row, x - column) <= radius] = number
    return labels


def tables(labels):
    """The tables of cells and frames that the segmentation writes beside its labels."""
    cells = [cell_table(page, page).assign(sample=f"t{time}", frame=time) for time, page in enumerate(labels)]
    samples = [f"t{time}" for time in range(len(labels))]
    frames = pd.DataFrame({"sample": samples, "frame": range(len(labels)), "image": "a.tif"})
    return pd.concat(cells, ignore_index=True), frames


def linked(labels, **options):
    """The cells' table with track and parent."""
    cells = tables(labels)[0].rename(columns={"frame": "time"})
    return cells.join(link_cells(cells, **OPTIONS | options))


def tracks_of(table):
    """(frame, cell) of every track."""
    return {track: list(zip(own["time"], own["cell"], strict=True)) for track, own in table.groupby("track")}


def followed(labels, folder, **options):
    """What the script writes for these labels: the table of tracks and the challenge's folder."""
    cells, frames = tables(labels)
    files.write_table(cells, folder / "cells.tsv")
    files.write_table(frames.assign(shift_row_px=0.0, shift_column_px=np.nan), folder / "quality.tsv")
    stacks.write_stack(folder / "labels.tif", zip(frames["sample"], labels, strict=True))
    out = SimpleNamespace(tracks=folder / "tracks.tsv", ctc=folder / "ctc")
    paths = [folder / name for name in ("labels.tif", "cells.tsv", "quality.tsv")]
    track_cells.main(*paths, OPTIONS | options, out)
    return files.read_table(out.tracks), out.ctc


def is_valid(folder):
    """What the Cell Tracking Challenge's checks say of a folder."""
    return validate_sequence(str(folder), threads=1)["Valid"] == 1


def write_truth(folder, labels, lineage):
    """Write the truth as the challenge has it."""
    for time, page in enumerate(labels):
        for name in (f"TRA/man_track{time:03d}.tif", f"SEG/man_seg{time:03d}.tif"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(folder / name, page.astype(np.uint16))
    columns = lineage[["cell", "first_frame", "last_frame", "parent"]]
    columns.to_csv(folder / "TRA/man_track.txt", sep=" ", header=False, index=False)


# --- known answers ------------------------------------------------------------------------------


def test_two_discs_that_pass_each_other_keep_their_tracks():
    """They run along two lines 14 px apart, at 4 px a frame, in opposite directions; numbers swap halfway."""
    steps = range(20, 61, 4)
    frames = [[(30, column, 6), (44, 80 - column, 6)] for column in steps]
    frames = [pair if time < 5 else pair[::-1] for time, pair in enumerate(frames)]
    found = tracks_of(linked(discs(*frames)))
    assert found == {
        1: [(time, 1 if time < 5 else 2) for time in range(11)],
        2: [(time, 2 if time < 5 else 1) for time in range(11)],
    }


def test_a_division_ends_the_mother_and_names_her():
    labels = discs([(40, 40, 12)], [(40, 41, 12)], [(40, 33, 8), (40, 49, 8)], [(40, 30, 8), (40, 52, 8)])
    table = linked(labels)
    assert tracks_of(table) == {1: [(0, 1), (1, 1)], 2: [(2, 1), (3, 1)], 3: [(2, 2), (3, 2)]}
    assert table.groupby("track")["parent"].first().to_dict() == {1: 0, 2: 1, 3: 1}
    alone = linked(labels, divisions=False)
    assert (alone["parent"] == 0).all()
    assert alone["track"].nunique() == 2


def test_a_small_neighbour_is_no_daughter():
    """A cell that comes into sight beside another, with a fifth of its area, has no mother."""
    labels = discs([(40, 40, 12)], [(40, 40, 12)], [(40, 40, 12), (40, 57, 5)], [(40, 40, 12), (40, 57, 5)])
    table = linked(labels)
    assert (table["parent"] == 0).all()
    assert tracks_of(table)[1] == [(time, 1) for time in range(4)]


@pytest.mark.parametrize(("missing", "gap", "tracks"), [(1, 1, 1), (1, 0, 2), (2, 1, 2), (2, 2, 1)])
def test_a_gap_is_closed_up_to_its_limit(missing, gap, tracks):
    seen = [[(20, 20, 6), (60, 60, 6)]] * 2
    hidden = [[(60, 60, 6)]] * missing
    table = linked(discs(*seen, *hidden, *seen), gap=gap)
    upper = table[table["row_px"] < 40]
    assert upper["track"].nunique() == tracks
    assert table.loc[table["row_px"] > 40, "track"].nunique() == 1


def test_a_cell_that_leaves_and_one_that_enters_are_two():
    labels = discs([(10, 40, 6)], [(5, 40, 6)], [(70, 40, 6)], [(66, 40, 6)])
    assert tracks_of(linked(labels)) == {1: [(0, 1), (1, 1)], 2: [(2, 1), (3, 1)]}


def test_the_distance_is_relative_to_the_cells():
    labels = discs([(30, 30, 5)], [(30, 39, 5)])
    assert typical_diameter(tables(labels)[0]["area_px"]) == pytest.approx(10, abs=0.5)
    assert linked(labels)["track"].nunique() == 1
    assert linked(labels, distance=0.8)["track"].nunique() == 2


def test_tracks_are_numbered_as_they_appear_and_rows_keep_their_order():
    labels = discs([], [(20, 20, 6)], [(60, 60, 6), (20, 20, 6)])
    table = linked(labels)
    assert table["track"].tolist() == [1, 2, 1]
    shuffled = table.sample(frac=1, random_state=0).drop(columns=["track", "parent"])
    again = shuffled.join(link_cells(shuffled, **OPTIONS))
    assert again.sort_index()["track"].tolist() == [1, 2, 1]


def field(rng, cells=40, side=400):
    """Places and areas of cells that do not touch each other or the border, of diameters around 16 px."""
    places = np.stack(np.divmod(np.arange(cells), 7), axis=1) * 50.0 + 50 + rng.uniform(-14, 14, (cells, 2))
    return places, 200 * np.exp(rng.normal(0, 0.1, cells))


def rows(time, places, areas):
    """A table of round cells of these places and areas, with the true number of each."""
    table = pd.DataFrame(places, columns=["row_px", "column_px"]).assign(time=time, area_px=areas)
    diameter = 2 * np.sqrt(table["area_px"] / np.pi)
    table = table.assign(major_axis_px=diameter, minor_axis_px=diameter, touches_border=False)
    return table.reset_index(names="true")


def pictures(frames, side=400):
    """Label images of tables of round cells."""
    return [
        discs(
            [
                (row, column, np.sqrt(area / np.pi))
                for row, column, area in zip(each["row_px"], each["column_px"], each["area_px"], strict=True)
            ],
            size=side,
        )[0]
        for each in frames
    ]


def numbered(frames, **options):
    """Tables of frames as one, with track and parent."""
    cells = pd.concat(frames, ignore_index=True)
    return cells.join(link_cells(cells, **OPTIONS | options))


def test_a_dividing_cell_in_a_dense_crowd_is_the_only_one():
    """961 cells of diameter 16, 20 px apart, drift by 5 px a frame; one in the middle divides."""
    rng = np.random.default_rng(3)
    grid = 20.0 * np.stack(np.divmod(np.arange(31 * 31), 31), axis=1)
    frames = [rng.normal(grid + np.array([0, 5 * time]), 1) for time in range(4)]
    areas = [np.full(31 * 31, 200.0)] * 2 + [np.full(31 * 31 + 1, 200.0)] * 2
    mother = 15 * 31 + 15
    for time in (2, 3):
        frames[time] = np.vstack([frames[time], frames[time][mother] + [7, 0]])
        frames[time][mother] -= [7, 0]
        areas[time] = np.where(np.isin(np.arange(31 * 31 + 1), [mother, 31 * 31]), 110, areas[time])
    table = numbered([rows(time, *each) for time, each in enumerate(zip(frames, areas, strict=True))])
    undivided = ~table["true"].isin([mother, 31 * 31])
    assert (table[undivided].groupby("true")["track"].nunique() == 1).all()
    assert table["track"].nunique() == 31 * 31 + 2  # and two daughters
    descent = table[table["parent"] > 0]
    assert set(descent["parent"]) == {mother + 1}
    assert set(descent["true"]) == {mother, 31 * 31}


@pytest.mark.parametrize(
    ("shift", "kept"), [((16, 0), True), ((-40, 30), True), ((9, -9), True), ((0, 0), False)]
)
def test_a_jump_of_the_stage_breaks_no_track(shift, kept):
    """All cells jump by up to three diameters between two frames; every cell is still itself."""
    rng = np.random.default_rng(1)
    places, areas = field(rng)
    frames = []
    for time in range(6):
        places = places + rng.normal(0, 1, places.shape) + (np.array(shift) if time == 3 else 0)
        frames.append(rows(time, places, areas))
    found = common_shifts(pictures(frames), 16)
    np.testing.assert_allclose(found.loc[3], shift, atol=2)
    assert (found.loc[3] != 0).any() == kept
    assert (found.drop(3) == 0).all().all()
    table = numbered(frames, shifts=found.to_numpy())
    assert table["track"].nunique() == len(places)
    assert (table.groupby("true")["track"].nunique() == 1).all()


def test_cells_that_move_as_they_like_have_no_common_shift():
    rng = np.random.default_rng(2)
    places, areas = field(rng)
    frames = [rows(time, rng.uniform(30, 370, places.shape), areas) for time in range(4)]
    assert (common_shifts(pictures(frames), 16) == 0).all().all()


def test_one_cell_and_empty_frames_have_no_common_shift():
    one = [(20, 20, 6)]
    pages = discs(one, [(60, 60, 6)], [], one, one * 2)
    assert (common_shifts(pages, 12) == 0).all().all()
    assert common_shifts([], 12).empty


def test_cells_that_touch_are_apart_without_their_rims():
    """Two cells side by side, 6 px wide: without a rim of 1 px there are two of 4 px, of 2 px two of 2 px."""
    labels = np.zeros((8, 14), int)
    labels[1:7, 1:7], labels[1:7, 7:13] = 1, 2
    for rim, width in ((1, 4), (2, 2), (3, 0)):
        found = insides(labels, rim)
        assert found.sum() == 2 * width**2
        assert found[:, rim + 1 : 7 - rim].sum() == width**2


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.8, 0.2)])
def test_a_cell_that_is_one_before_and_after_is_not_two_between(shares, frames):
    """A cell is cut in two for one or two frames: no division, and both pieces are of its track."""
    whole = [(40, 40, 12)]
    one, other = (12 * np.sqrt(share) for share in shares)
    cut = [(40 - 12 * shares[1], 40, one), (40 + 12 * shares[0], 40, other)]
    far = (14, 65, 12)
    labels = discs(*([*cells, far] for cells in [whole, whole] + [cut] * frames + [whole, whole]))
    table = linked(labels)
    assert (table["parent"] == 0).all()
    assert table["track"].nunique() == 2
    assert table.groupby("time")["track"].nunique().eq(2).all()


def test_two_cells_that_are_one_between_stay_two():
    """Two cells are one for a frame: no division, both tracks go on."""
    two, one = [(33, 40, 8), (49, 41, 8)], [(41, 40, 11.3)]
    table = linked(discs(two, two, one, two, two))
    assert (table["parent"] == 0).all()
    assert table["track"].nunique() == 2
    for time in (0, 1, 3, 4):
        assert table.loc[table["time"] == time, "track"].tolist() == [1, 2]


def test_a_daughter_that_leaves_was_a_daughter():
    """One daughter leaves over the border after a frame: she is no piece of her sister."""
    frames = [[(14, 40, 11)], [(13, 40, 11)], [(7, 40, 8), (22, 40, 8)], [(24, 40, 8)], [(25, 40, 9)]]
    table = linked(discs(*frames))
    assert table.loc[table["time"] == 2, "parent"].tolist() == [1, 1]


# --- the challenge's format ---------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Empty frame")
def test_a_gap_cuts_the_challenge_s_track_and_keeps_the_link(tmp_path):
    cell = [(30, 30, 6)]
    labels = discs(cell, cell, [], cell, cell)
    tracks, folder = followed(labels, tmp_path)
    assert tracks["track"].tolist() == [1, 1, 1, 1]
    assert (folder / "res_track.txt").read_text() == "1 0 1 0\n2 3 4 1\n"
    masks = [tifffile.imread(path) for path in sorted(folder.glob("mask*.tif"))]
    assert [int(mask.max()) for mask in masks] == [1, 1, 0, 2, 2]
    assert all(mask.dtype == np.uint16 for mask in masks)
    assert is_valid(folder)


def test_a_daughter_of_a_cut_track_descends_from_its_last_part():
    table = pd.DataFrame(
        {"time": [0, 2, 3, 3], "track": [1, 1, 2, 3], "parent": [0, 0, 1, 1]}, index=[3, 1, 0, 2]
    )
    labels, tracks = challenge_tracks(table)
    assert labels.to_dict() == {3: 1, 1: 4, 0: 2, 2: 3}
    assert tracks.to_numpy().tolist() == [[1, 0, 0, 0], [2, 3, 3, 4], [3, 3, 3, 4], [4, 2, 2, 1]]


@pytest.mark.parametrize("frames", [([],), ([], []), ([(20, 20, 5)],), ([], [(20, 20, 5)], [])])
def test_recordings_with_few_or_no_cells_go_through(frames, tmp_path):
    labels = discs(*frames)
    tracks, folder = followed(labels, tmp_path)
    assert len(tracks) == sum(map(len, frames))
    assert list(tracks) == ["sample", "frame", "cell", "track", "parent"]
    assert len(list(folder.glob("mask*.tif"))) == len(frames)
    assert len((folder / "res_track.txt").read_text().splitlines()) == len(tracks)


def test_more_tracks_than_the_challenge_allows_are_told(tmp_path, caplog):
    side = 260  # squared: more than 65,535
    labels = np.zeros((1, 2 * side, 2 * side), np.int32)
    labels[0, ::2, ::2] = np.arange(1, side**2 + 1).reshape(side, side)
    table = pd.DataFrame(
        {"time": 0, "cell": range(1, side**2 + 1), "track": range(1, side**2 + 1), "parent": 0}
    )
    write_challenge([labels[0]], table, 1, tmp_path)
    assert "more than the 65535" in caplog.text
    assert tifffile.imread(tmp_path / "mask000.tif").max() == side**2


# --- simulated time-lapses ----------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [1, 2, 3])
def test_simulated_cells_are_followed(sequence, tmp_path):
    """From true labels at least 0.95 of the challenge's TRA; numbers are shuffled, so that they give nothing away."""
    made = timelapse.simulate_sequence(1, sequence, 6, 192)
    write_truth(tmp_path / "truth", made.labels, made.lineage)
    rng = np.random.default_rng(sequence)
    shuffled = []
    for page in made.labels:
        ids = np.unique(page[page > 0])
        table = np.zeros(int(page.max()) + 1, np.int32)
        table[ids] = rng.permutation(len(ids)) + 1
        shuffled.append(table[page])
    _, folder = followed(np.stack(shuffled), tmp_path)
    assert is_valid(folder)
    scores = evaluate_sequence(str(folder), str(tmp_path / "truth"), ["Valid", "TRA", "DET", "SEG", "LNK"], 1)
    assert scores["DET"] == scores["SEG"] == 1
    assert scores["TRA"] > 0.95
    assert scores["LNK"] > 0.9  # of links alone, which TRA weighs little
