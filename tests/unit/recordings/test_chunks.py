"""Which frames are segmented together: chunks keep what is finished."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brightcell.recordings import chunks
from brightcell.sheets import samples


def sheet(rows):
    table = pd.DataFrame(rows, columns=["sample", "image", "group", "frame", "page"], dtype=str)
    return table.reindex(columns=samples.no_samples().columns, fill_value="")


def covered(names):
    limits = [chunks.limits(name) for name in names]
    return [position for first, last in limits for position in range(first, last + 1)]


def test_frames_added_later_make_chunks_of_their_own():
    first = chunks.plan(73, 50)
    assert first == ["000000-000049", "000050-000072"]
    later = chunks.plan(130, 50, first)
    assert later == [*first, "000073-000122", "000123-000129"]


def test_a_changed_size_leaves_finished_chunks_alone():
    assert chunks.plan(30, 10, ["000000-000004"]) == [
        "000000-000004",
        "000005-000014",
        "000015-000024",
        "000025-000029",
    ]


def test_a_shorter_recording_drops_chunks_that_reach_beyond_it():
    assert chunks.plan(60, 50, ["000000-000049", "000050-000072"]) == ["000000-000049", "000050-000059"]


@given(
    st.integers(1, 60),
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(0, 70), st.integers(0, 30)), max_size=6),
)
def test_chunks_hold_every_frame_once_and_planning_again_changes_nothing(frames, size, ranges):
    finished = [f"{first:06d}-{first + more:06d}" for first, more in ranges]
    names = chunks.plan(frames, size, finished)
    assert covered(names) == list(range(frames))
    assert chunks.plan(frames, size, [*finished, *names]) == names  # as a job of the running workflow sees it
    grown = chunks.plan(frames + 7, size, names)
    assert grown[: len(names)] == names


def test_frames_have_numbers_from_the_sheet_the_page_or_the_order():
    rows = [
        ["a", "a.tif", "one", "7", ""],
        ["b", "b.tif", "one", "03", ""],
    ]
    assert [row["frame"] for row in chunks.rows_of_recordings(sheet(rows))["one"]] == ["7", "3"]
    pages = [["a", "a.tif", "two", "", "4"], ["b", "a.tif", "two", "", "5"]]
    assert [row["frame"] for row in chunks.rows_of_recordings(sheet(pages))["two"]] == ["4", "5"]
    plain = [["a", "a.tif", "x", "", ""], ["b", "b.tif", "y", "", ""], ["c", "c.tif", "x", "", ""]]
    found = chunks.rows_of_recordings(sheet(plain))
    assert [row["frame"] for row in found["x"]] == ["0", "1"]
    assert [row["sample"] for row in chunks.rows_of(found["x"], "000001-000001")] == ["c"]
    assert "mask" not in found["x"][0]


def test_chunks_are_read_in_the_order_of_time():
    table = pd.DataFrame({"sample": list("abcde"), "frame": [0, 1, 4, 5, 2], "chunk": [0, 0, 0, 0, 1]})
    assert list(chunks.in_order_of_time(table)) == [(0, ["a", "b"]), (1, ["e"]), (0, ["c", "d"])]


@pytest.mark.parametrize("name", ["000000-000004", "notes", "000005-000009"])
def test_only_whole_chunks_count_as_finished(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "labels.tif").write_bytes(b"")
    assert chunks.finished(tmp_path) == []
    (tmp_path / name / "frames.tsv").write_text("sample\n")
    assert chunks.finished(tmp_path) == ([name] if name != "notes" else [])
