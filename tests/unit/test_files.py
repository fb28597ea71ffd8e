"""Files appear whole or not at all, and what killed processes leave behind goes away."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project import ROOT

from brightcell import files
from brightcell.errors import InputError

KILLED = """
import os, signal, sys
from brightcell import files
with files.whole(sys.argv[1]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_missing_value_is_spelt_by_its_column(tmp_path):
    path = tmp_path / "t.tsv"
    table = pd.DataFrame(
        {
            "sample": ["01", "nan", None],
            "state": [np.nan] * 3,
            "mean": [0.5, np.nan, None],
            "frames": [3, 2, 1],
            "touches_border": [True, False, True],
        }
    )
    files.write_table(table, path)
    assert path.read_text().splitlines()[1:] == [
        "01\t\t0.5\t3\tTrue",
        "nan\t\tnan\t2\tFalse",
        "\t\tnan\t1\tTrue",
    ]
    assert table["state"].isna().all()  # that in memory is left alone
    read = files.read_table(path)
    assert read["sample"].tolist() == ["01", "nan", ""]
    assert read["state"].tolist() == ["", "", ""]
    assert read["mean"].isna().tolist() == [False, True, True]
    assert read["touches_border"].dtype == bool
    files.write_table(read, tmp_path / "again.tsv")
    assert (tmp_path / "again.tsv").read_text() == path.read_text()
    twice = files.read_tables([path, tmp_path / "again.tsv"])
    pd.testing.assert_frame_equal(twice, pd.concat([read, read], ignore_index=True))


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_left_is_removed(tmp_path):
    path = tmp_path / "a.b.tsv"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow/scripts")}
    subprocess.run([sys.executable, "-c", KILLED, path], env=environment, check=False)
    [left] = names(tmp_path)
    assert os.uname().nodename in left  # the same process number elsewhere is another file
    with files.whole(path) as temporary:
        temporary.write_text("whole")
        files.sweep(tmp_path.parent)
        assert names(tmp_path) == [temporary.name]
    assert names(tmp_path) == [path.name]


def test_of_another_host_what_is_a_day_old_is_removed(tmp_path):
    for name in (".a.n7.5.part.tif", ".b.n7.5.part.tif", "a.part", ".c.part.json"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 90000,) * 2)
    os.utime(tmp_path / ".b.n7.5.part.tif")
    files.sweep(tmp_path)
    assert names(tmp_path) == [".b.n7.5.part.tif", ".c.part.json", "a.part"]


def test_an_error_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    try:
        with files.whole(path) as temporary:
            temporary.write_text("new")
            raise KeyError
    except KeyError:
        pass
    assert names(tmp_path) == ["a.txt"]
    assert path.read_text() == "old"


def test_a_full_folder_of_temporary_files_is_named(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/proc/self")  # nothing can be written there, whoever one is
    with pytest.raises(InputError, match=r"/proc/self: no temporary files .*`export TMPDIR="):
        files.check_temporary()
    monkeypatch.setenv("TMPDIR", "/nowhere")  # Python takes another folder
    files.check_temporary()


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "frames.tsv"
    files.write_table(pd.DataFrame({"sample": ["a", "b"], "dice": [0.125, 0.5]}), path)
    files.seal(path, "score_frames", "score.log")
    files.check_seal(path)
    return path


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (
            lambda content: content[: content.rindex(b"b")],
            "20 bytes; expected the 26 bytes",
        ),  # the last row is lost
        (lambda content: content[:-2], "24 bytes"),  # cut within a number
        (lambda content: content.replace(b"0.125", b"0.135"), "as many bytes, but others"),  # a bit flipped
        (lambda content: b"", "0 bytes"),
    ],
)
def test_a_damaged_result_is_named_with_the_rule_that_makes_it(sealed, damage, found):
    content = sealed.read_bytes()
    sealed.write_bytes(damage(content))
    with pytest.raises(InputError) as raised:
        files.check_seal(sealed)
    assert f"{sealed}: damaged since the rule score_frames wrote it. Found {found}" in str(raised.value)
    sealed.write_bytes(content)
    files.check_seal(sealed)


def test_results_without_a_seal_are_taken_as_they_are(sealed, tmp_path):
    files.seal_of(sealed).unlink()
    sealed.write_bytes(b"edited")
    files.check_seal(sealed)
    files.check_seal(tmp_path / "missing")
    files.seal(tmp_path, "report", "report.log")  # a folder has none
    assert [path.name for path in tmp_path.iterdir()] == ["frames.tsv"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda handle: done.append(Path(f"/proc/self/fd/{handle}").readlink()))
    with files.whole(tmp_path / "a.txt") as temporary:
        temporary.write_text("done")
        assert done == []
    assert done == [temporary, tmp_path]


def test_a_seal_goes_with_its_file(sealed, tmp_path):
    files.sweep(tmp_path)
    assert files.seal_of(sealed).exists()
    sealed.unlink()
    files.sweep(tmp_path)
    assert not list(tmp_path.iterdir())
