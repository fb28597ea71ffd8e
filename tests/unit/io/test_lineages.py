"""Tables of tracks, as the Cell Tracking Challenge writes them."""

import pytest

from brightcell.errors import InputError
from brightcell.io.lineages import read_lineage


def test_a_table_is_read_with_blanks_tabs_or_commas(tmp_path):
    path = tmp_path / "man_track.txt"
    for mark in (" ", "\t", ", "):
        path.write_text(f"\ufeff1{mark}0{mark}3{mark}0\n\n2{mark}4{mark}4{mark}1\n", encoding="utf-8")
        table = read_lineage(path)
        assert table.to_numpy().tolist() == [[1, 0, 3, 0], [2, 4, 4, 1]]
        assert list(table) == ["label", "begin", "end", "parent"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no tracks"),
        ("1 0 3\n", "line 1: found '1 0 3'"),
        ("1 0 3 0\nL B E P\n", "line 2: found 'L B E P'"),
        ("1 0 3 0\n1 4 5 0\n", "line 2: the track 1 is there twice"),
        ("1 3 0 0\n", "the last frame is before the first"),
        ("0 0 3 0\n", "0 is the background"),
        ("1 0 3 -1\n", "line 1"),
        ("1.5 0 3 0\n", "line 1"),
        ("99999999999999999999 0 3 0\n", "line 1"),
    ],
)
def test_what_is_no_such_table_is_refused_with_its_line(text, words, tmp_path):
    (tmp_path / "man_track.txt").write_text(text)
    with pytest.raises(InputError, match="Expected a line for each track") as error:
        read_lineage(tmp_path / "man_track.txt")
    assert words in str(error.value)
    assert "man_track.txt" in str(error.value)


def test_a_picture_or_a_missing_file_is_no_table(tmp_path):
    (tmp_path / "man_track.txt").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InputError, match="not a text"):
        read_lineage(tmp_path / "man_track.txt")
    with pytest.raises(InputError, match="No such file"):
        read_lineage(tmp_path / "none.txt")
    with pytest.raises(InputError, match="irectory"):
        read_lineage(tmp_path)
