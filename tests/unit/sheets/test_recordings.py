"""Frames of recordings found by their paths."""

import json
import os
import threading

import numpy as np
import pandas as pd
import pytest
import tifffile

from brightcell.errors import InputError
from brightcell.io import readers
from brightcell.recordings import chunks
from brightcell.sheets import recordings


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in (
        "new/dish9_00.tif",
        "new/dish9_01.tif",
        "new/dish10_00.tif",
        "new/notes.txt",
        "new/sub/x_1.png",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"II*\0")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def columns(table):
    return [tuple(row) for row in table[["sample", "group", "frame", "image"]].to_numpy()]


def test_the_number_at_the_end_is_the_frame_and_the_rest_the_recording(folder):
    assert columns(recordings.find_frames("new/*.tif")) == [
        ("dish9_00", "dish9", "00", "new/dish9_00.tif"),
        ("dish9_01", "dish9", "01", "new/dish9_01.tif"),
        ("dish10_00", "dish10", "00", "new/dish10_00.tif"),
    ]


def test_a_pattern_names_condition_and_well(folder):
    (folder / "new/plate1/drug").mkdir(parents=True)
    (folder / "new/plate1/drug/B03_f2_007.tif").write_bytes(b"II*\0")
    found = recordings.find_frames("new/*/*/*.tif", "{plate}/{condition}/{well}_{field}_{frame}")
    assert found[["group", "condition", "well", "frame"]].to_numpy().tolist() == [
        ["plate1_drug_B03_f2", "drug", "plate1_B03", "007"]
    ]


def sheet(*rows):
    return pd.DataFrame(rows, columns=["group", "condition", "well", "interval_min"])


def test_circumstances_are_those_of_each_recording():
    table = sheet(("a", "x", "B02", "20"), ("a", "x", "B02", "20"), ("b", "y", "B03", "15.5"))
    assert recordings.circumstances(table, 5) == {
        "a": {"condition": "x", "well": "B02", "interval_min": 20},
        "b": {"condition": "y", "well": "B03", "interval_min": 15.5},
    }
    assert recordings.circumstances(sheet(("a", "", "", "")), 5)["a"]["interval_min"] == 5
    assert recordings.circumstances(sheet(("a", "", "", "")))["a"]["interval_min"] is None


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [("a", "x", "", ""), ("a", "y", "", "")],
            "recording a have the values x and y in the column condition",
        ),
        ([("a", "", "", "5"), ("a", "", "", "6")], "the values 5 and 6 in the column interval_min"),
        (
            [("a", "x", "B02", ""), ("b", "y", "B02", "")],
            "the well B02 has the condition x in the recording a and y in b. .* such as plate2_B03",
        ),
    ],
)
def test_circumstances_that_contradict_each_other_are_refused(rows, told):
    with pytest.raises(InputError, match=told):
        recordings.circumstances(sheet(*rows))


def test_folders_below_the_fixed_part_tell_recordings_apart(folder):
    found = recordings.find_frames("new/**/*.png")
    assert columns(found) == [("x_1", "sub_x", "1", "new/sub/x_1.png")]
    before = recordings.find_frames("new/*/*")
    (folder / "new/other").mkdir()
    (folder / "new/other/y_1.png").write_bytes(b"")
    after = recordings.find_frames("new/*/*")
    assert columns(after)[-1] == columns(before)[0]  # a folder added later renames nothing


def test_a_pattern_reads_the_names(folder):
    found = recordings.find_frames("new/d*.tif", "dish{group}_{frame}")
    assert list(found["group"]) == ["9", "9", "10"]
    with pytest.raises(InputError, match=r"1 file is no frame\n  new/sub/x_1.png: not 'dish"):
        recordings.find_frames("new/**/*.*g", "dish{group}_{frame}")


def test_pages_of_a_stack_are_frames(folder):
    tifffile.imwrite(
        folder / "new/stack.tif", np.zeros((3, 8, 8), np.uint8), imagej=True, metadata={"axes": "TYX"}
    )
    table = recordings.read({"samples": None, "images": "new/stack*", "pattern": None})
    assert list(table["page"]) == ["0", "1", "2"]
    assert list(table["frame"]) == ["0", "1", "2"]
    assert set(table["group"]) == {"stack"}


def test_slices_of_depth_are_no_times(folder):
    stack = np.zeros((2, 3, 8, 8), np.uint8)
    tifffile.imwrite(folder / "new/deep.ome.tif", stack, ome=True, metadata={"axes": "TZYX"})
    options = {"samples": None, "images": "new/deep*", "pattern": None}
    for _ in range(2):  # from the file, then from memory
        with pytest.raises(InputError, match=r"3 slices of depth at each of 2 times.*plane: 1.*plane: time"):
            recordings.read(options, memory=folder / "pages.json")
        assert list(recordings.read(options, memory=folder / "pages.json", images={"plane": 2})["page"]) == [
            "0",
            "1",
        ]
        assert len(recordings.read(options, images={"plane": "time"})) == 6
        for plane in ("focus", [0, 2]):
            assert len(recordings.read(options, memory=folder / "pages.json", images={"plane": plane})) == 2


def test_panels_side_by_side_are_no_times(folder):
    tifffile.imwrite(folder / "new/wide.tif", np.zeros((8, 30), np.uint8))
    options = {"samples": None, "images": "new/wide*", "pattern": None}
    with pytest.raises(InputError, match=r"3 slices of depth\. Expected"):
        recordings.read(options, images={"plane": None, "panels": 3})
    assert len(recordings.read(options, images={"plane": 1, "panels": 3})) == 1


def read_stacks(memory=None):
    return recordings.read({"samples": None, "images": "many/*.tif", "pattern": None}, memory=memory)


def add_stack(path, pages):
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, np.zeros((pages, 8, 8), np.uint8), imagej=True, metadata={"axes": "TYX"})


def test_a_stack_added_later_changes_no_row(folder):
    for number in range(2):
        tifffile.imwrite(folder / f"new/dish9_{number:02d}.tif", np.zeros((8, 8), np.uint8))
    named = {"samples": None, "images": "new/*.tif", "pattern": None}
    before = chunks.rows_of_recordings(recordings.read(named))
    add_stack(folder / "new/stack.tif", 3)
    after = chunks.rows_of_recordings(recordings.read(named))
    assert [row["page"] for row in after.pop("stack")] == ["0", "1", "2"]
    assert after == before


def test_many_stacks_are_looked_into_like_few(folder):
    for number in range(101):
        add_stack(folder / f"many/well{number}x.tif", 2)
    assert len(read_stacks()) == 202


def test_files_are_opened_once(folder, monkeypatch):
    for name in ("a", "b"):
        add_stack(folder / f"many/{name}.tif", 2)
    memory, opened, read = folder / "pages.json", [], readers.open_image_file
    monkeypatch.setattr(readers, "open_image_file", lambda path: opened.append(path.name) or read(path))
    assert len(read_stacks(memory)) == len(read_stacks(memory)) == 4
    assert opened == ["a.tif", "b.tif"]
    add_stack(folder / "many/b.tif", 5)
    (folder / "many/c.tif").write_bytes(b"II*\0")
    assert len(read_stacks(memory)) == len(read_stacks(memory)) == 2 + 5 + 1
    assert opened[2:] == ["b.tif", "c.tif", "c.tif"]  # what cannot be read is tried again
    memory.write_text("{")
    assert len(read_stacks(memory)) == 8
    memory.unlink()
    memory.mkdir()  # no place to remember
    assert len(read_stacks(memory)) == 8


def test_names_without_numbers_count_in_their_order(folder):
    for name in ("a", "b"):
        (folder / f"new/{name}.jpg").write_bytes(b"")
    table = recordings.find_frames("new/*.jpg", "{}{group}")
    assert list(table["frame"]) == ["", ""]


def test_whole_paths_and_home_are_understood(folder, monkeypatch):
    monkeypatch.setenv("HOME", os.fspath(folder))
    table = recordings.read({"samples": None, "images": "~/new/d*.tif", "pattern": None})
    assert list(table["group"]) == ["dish9", "dish9", "dish10"]
    assert table["image"][0] == f"{folder}/new/dish9_00.tif"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("nowhere/*.tif", "no folder nowhere"), ("new/*.nd", "no image fits"), ("new/*.txt", "no image fits")],
)
def test_a_pattern_that_fits_nothing(folder, pattern, said):
    with pytest.raises(InputError, match=f"segment.images {pattern.replace('*', '.')}: {said}"):
        recordings.find_frames(pattern)


def test_two_files_of_one_frame_are_refused(folder):
    for name in ("copy.tif", "copy.jpg", "twin_01.tif", "twin_1.tif"):
        (folder / "new" / name).touch()
    for pattern in ("new/copy.*", "new/twin*"):
        with pytest.raises(InputError, match=r"are the same frame of .*Expected each frame once"):
            recordings.find_frames(pattern)


def test_a_folder_that_is_not_looked_through_in_time(folder, monkeypatch):
    """The file that holds the reader up is named; what was counted before it is remembered."""
    tifffile.imwrite(folder / "new/dish9_00.tif", np.zeros((3, 8, 8), np.uint8), photometric="minisblack")
    wait, real = threading.Event(), readers.open_image_file
    monkeypatch.setattr(
        readers, "open_image_file", lambda path: wait.wait(9) if path.name == "dish9_01.tif" else real(path)
    )
    monkeypatch.setattr(recordings, "LOOKING_S", 0.2)
    options = {"samples": None, "images": "new/*.tif", "pattern": None}
    with pytest.raises(
        InputError, match=r"within 0.2 s; 2 images were opened, the last one new/dish9_01.tif"
    ):
        recordings.read(options, memory="pages.json")
    wait.set()
    assert list(json.loads((folder / "pages.json").read_text())) == ["new/dish9_00.tif"]
    with pytest.raises(InputError, match="no folder nowhere"):
        recordings.read(options | {"images": "nowhere/*.tif"})


def test_files_of_other_channels_are_no_recordings(folder):
    for channel in range(2):
        for time in range(2):
            tifffile.imwrite(folder / f"new/x_t{time}_ch0{channel}.tif", np.zeros((8, 8), np.uint8))
    images = {"plane": None, "panels": None, "channel_endings": ["_ch00", "_ch01"]}
    table = recordings.read({"samples": None, "images": "new/x_*", "pattern": None}, images=images)
    assert [path.endswith("_ch00.tif") for path in table["image"]] == [True, True]
    assert list(table["frame"]) == ["0", "1"]
