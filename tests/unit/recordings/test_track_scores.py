"""Scores of tracks: known answers, and py-ctcmetrics' own on the files that it reads."""

import math

import numpy as np
import pandas as pd
import pytest
import tifffile
from ctc_metrics.scripts.evaluate import evaluate_sequence

import score_tracks
from brightcell import files
from brightcell.errors import InputError
from brightcell.io import stacks
from brightcell.recordings import chunks
from brightcell.recordings.challenge import write_challenge
from brightcell.recordings.track_scores import score_tracks as scores_of
from brightcell.recordings.track_scores import true_tracks

# A mother (1) in frames 0 and 1, her daughters (2, 3) in frames 2 and 3, a bystander (4) in all: rows of boxes.
TRUTH = [[1, 4], [1, 4], [2, 3, 4], [2, 3, 4]]
LINEAGE = pd.DataFrame(
    [[1, 0, 1, 0], [2, 2, 3, 1], [3, 2, 3, 1], [4, 0, 3, 0]], columns=["label", "begin", "end", "parent"]
)
PLACES = {1: 0, 2: 0, 3: 8, 4: 16}


def pages(frames, places):
    """Label images with a box of 6 × 6 px for every number."""
    found = np.zeros((len(frames), 6, 24), np.int32)
    for page, numbers in zip(found, frames, strict=True):
        for number in numbers:
            page[:, places[number] : places[number] + 6] = number
    return list(found)


def cells(*rows):
    return pd.DataFrame(rows, columns=["time", "cell", "track", "parent"])


RIGHT = [
    (time, number, number, 1 if number in (2, 3) else 0) for time, own in enumerate(TRUTH) for number in own
]


def scored(predicted, table):
    truth = pages(TRUTH, PLACES)
    return scores_of(truth, true_tracks(truth, LINEAGE), predicted, cells(*table))


def test_right_tracks_have_full_scores():
    scores = scored(pages(TRUTH, PLACES), RIGHT)
    for name in ("TRA", "DET", "LNK", "CT", "TF", "BC", "fragments"):
        assert scores[name] == pytest.approx(1, abs=1e-4), name
    assert (scores["divisions"], scores["divisions_right"], scores["switches"]) == (1, 1, 0)
    assert (scores["divisions_invented"], scores["divisions_missed"], scores["tracks"]) == (0, 0, 4)


def test_a_missed_division_and_a_switch_are_counted():
    """The mother goes on as one daughter; the bystander has another number in the last frame."""
    table = [
        (time, cell, 1 if cell == 2 else 9 if (time, cell) == (3, 4) else track, 0)
        for time, cell, track, _ in RIGHT
    ]
    scores = scored(pages(TRUTH, PLACES), table)
    assert (scores["divisions_missed"], scores["divisions_right"], scores["BC"]) == (1, 0, 0)
    assert scores["switches"] == 1
    assert scores["fragments"] == 5 / 4
    assert scores["tracks_found"] == 4  # 1, 3, 4, 9
    assert scores["DET"] == 1
    assert scores["CT"] == 2 * 1 / (
        4 + 4
    )  # of four true and four found tracks one is the same: the other daughter's
    # Of 8 links one is of the wrong kind (weight 1) and two are missing (1.5 each).
    assert scores["LNK"] == pytest.approx(1 - (1 + 2 * 1.5) / (8 * 1.5))


def test_markers_in_the_cells_are_enough_and_missed_cells_cost():
    truth = [np.where(np.arange(6)[:, None] < 2, page, 0) for page in pages(TRUTH, PLACES)]
    scores = scores_of(truth, true_tracks(truth, LINEAGE), pages(TRUTH, PLACES), cells(*RIGHT))
    assert scores["TRA"] == scores["DET"] == 1
    without = [row for row in RIGHT if row[1] != 4]
    shown = pages([[number for number in own if number != 4] for own in TRUTH], PLACES)
    missed = scores_of(truth, true_tracks(truth, LINEAGE), shown, cells(*without))
    assert missed["DET"] == pytest.approx(6 / 10)  # 4 of 10 cells are missed
    assert missed["LNK"] < 1


def test_without_cells_nothing_is_right_and_without_truth_nothing_is_known():
    nothing = pages([[]] * 4, PLACES)
    empty = cells().astype(int)
    assert {scored(nothing, [])[name] for name in ("TRA", "DET", "CT", "BC")} == {0}
    unknown = scores_of(nothing, true_tracks(nothing, None), nothing, empty)
    assert math.isnan(unknown["TRA"])


def test_tracks_without_division_have_no_score_of_divisions():
    truth = pages([[4]] * 3, PLACES)
    scores = scores_of(truth, true_tracks(truth, None), truth, cells(*((time, 4, 4, 0) for time in range(3))))
    assert math.isnan(scores["BC"])
    assert scores["TRA"] == 1


def test_scores_are_those_of_the_challenge_s_files(tmp_path):
    """A gap, a cell cut in two and an invented cell: as py-ctcmetrics scores the files that it reads itself."""
    frames = [[1, 4], [1], [2, 3, 4, 5], [2, 3, 4]]
    places = PLACES | {5: 19}
    table = cells(
        *(
            (time, number, 4 if number == 5 else number, 1 if number in (2, 3) else 0)
            for time, own in enumerate(frames)
            for number in own
        )
    )
    truth, predicted = pages(TRUTH, PLACES), pages(frames, places)
    (tmp_path / "truth/TRA").mkdir(parents=True)
    for time, page in enumerate(truth):
        tifffile.imwrite(tmp_path / f"truth/TRA/man_track{time:03d}.tif", page.astype(np.uint16))
    LINEAGE.to_csv(tmp_path / "truth/TRA/man_track.txt", sep=" ", header=False, index=False)
    write_challenge(predicted, table, 4, tmp_path / "own")
    wanted = evaluate_sequence(
        str(tmp_path / "own"), str(tmp_path / "truth"), ["TRA", "DET", "LNK", "CT", "TF", "BC"], 1
    )
    found = scores_of(truth, true_tracks(truth, LINEAGE), predicted, table)
    for name in ("TRA", "DET", "LNK", "CT", "TF"):
        assert found[name] == pytest.approx(wanted[name], abs=1e-9), name
    assert found["BC"] == pytest.approx(wanted["BC(1)"])
    assert found["switches"] == 0  # over the gap it is still the same track


def test_wrong_truth_is_refused():
    truth = pages(TRUTH, PLACES)
    with pytest.raises(InputError, match="no row for the tracks 3, 4"):
        true_tracks(truth, LINEAGE[:2])
    with pytest.raises(InputError, match="track 2 begins in frame 2, and its parent 4 ends in frame 3"):
        true_tracks(truth, LINEAGE.assign(parent=[0, 4, 1, 0]))
    new = [np.where(page > 0, page + 10 * time, 0) for time, page in enumerate(truth)]
    with pytest.raises(InputError, match="no number is in two frames"):
        true_tracks(new, None)
    assert true_tracks(truth, LINEAGE.assign(parent=[7, 1, 1, 0]))["parent"].tolist() == [
        0,
        1,
        1,
        0,
    ]  # 7 is not seen


def test_the_truth_is_found_in_the_sheet():
    sheet = pd.DataFrame(
        {
            "sample": ["a", "b", "c"],
            "group": ["one", "one", "two"],
            "track": ["t.tif", "t.tif", ""],
            "lineage": ["m.txt", "m.txt", ""],
            "page": ["0", "1", ""],
        }
    )
    assert chunks.truth_of_recordings(sheet) == {
        "one": {"frames": {"a": ("t.tif", 0), "b": ("t.tif", 1)}, "lineage": "m.txt"}
    }
    with pytest.raises(InputError, match="a second table of tracks"):
        chunks.truth_of_recordings(sheet.assign(lineage=["m.txt", "n.txt", ""]))
    with pytest.raises(InputError, match="no images whose numbers"):
        chunks.truth_of_recordings(sheet.assign(track=""))
    rows = chunks.rows_of_recordings(sheet)["one"]
    assert all(
        set(row) == {"sample", "group", "page", "frame"} for row in rows
    )  # finished chunks stay as they are


def test_the_script_reads_the_files_and_refuses_other_sizes(tmp_path):
    names = [f"t{time}" for time in range(4)]
    stacks.write_stack(tmp_path / "labels.tif", zip(names, pages(TRUTH, PLACES), strict=True))
    table = cells(*RIGHT).assign(sample=lambda each: each["time"].map(dict(enumerate(names))), frame=0)
    files.write_table(table.drop(columns="time"), tmp_path / "tracks.tsv")
    files.write_table(pd.DataFrame({"sample": names}), tmp_path / "quality.tsv")
    tifffile.imwrite(
        tmp_path / "true.tif", np.stack(pages(TRUTH, PLACES)).astype(np.uint16), photometric="minisblack"
    )
    LINEAGE.to_csv(tmp_path / "man_track.txt", sep=" ", header=False, index=False)
    truth = {
        "frames": {name: (str(tmp_path / "true.tif"), time) for time, name in enumerate(names)},
        "lineage": str(tmp_path / "man_track.txt"),
    }
    inputs = [tmp_path / name for name in ("labels.tif", "tracks.tsv", "quality.tsv")]
    score_tracks.main(*inputs, truth, tmp_path / "tracking.tsv")
    scores = files.read_table(tmp_path / "tracking.tsv").set_index("score")["value"]
    assert scores["TRA"] == 1
    assert scores["divisions_right"] == 1
    tifffile.imwrite(tmp_path / "true.tif", np.zeros((4, 6, 30), np.uint16), photometric="minisblack")
    with pytest.raises(InputError, match=r"true.tif: 6 × 30 px, while the frame t0 is 6 × 24"):
        score_tracks.main(*inputs, truth, tmp_path / "tracking.tsv")
