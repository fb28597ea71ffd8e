import os
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brightcell.errors import InputError
from brightcell.sheets.samples import read_samples, rows_of_group, shared_annotations, turns, with_channels

COLUMNS = ["sample", "image", "mask", "group"]
ROWS = [
    ["a", "a.tif", "a_mask.tif", "g1"],
    ["b", "b.tif", "b_mask.tif", "g1"],
    ["c", "c.tif", "c_mask.tif", "g2"],
]


@pytest.fixture
def sheet(tmp_path):
    def write(rows=ROWS, columns=COLUMNS, separator="\t", end="\n", encoding="utf-8"):
        path = tmp_path / "sheet.tsv"
        text = end.join(separator.join(map(str, row)) for row in [columns, *rows]) + end
        path.write_bytes(text.encode(encoding))
        return path

    return write


def refuse(path, **options):
    with pytest.raises(InputError) as raised:
        read_samples(path, **options)
    assert str(path) in str(raised.value)
    return str(raised.value)


def with_cell(row, column, value):
    rows = [list(each) for each in ROWS]
    rows[row][COLUMNS.index(column)] = value
    return rows


def with_column(name, values):
    return [[*row, value] for row, value in zip(ROWS, values, strict=True)], [*COLUMNS, name]


def test_a_sheet_becomes_a_table_of_text(sheet, tmp_path):
    table = read_samples(sheet())
    assert list(table) == [
        "sample",
        "image",
        "mask",
        "group",
        "frame",
        "split",
        "pixel_size_um",
        "cell_diameter_px",
        "page",
        "track",
        "lineage",
        "scene",
        "condition",
        "well",
        "interval_min",
    ]
    assert table.loc[0].tolist() == [
        "a",
        str(tmp_path / "a.tif"),
        str(tmp_path / "a_mask.tif"),
        "g1",
        *[""] * 11,
    ]
    assert table.index.tolist() == [0, 1, 2]


def test_numbers_stay_text(sheet):
    rows, columns = with_column("pixel_size_um", ["0.650", "1", "2e-1"])
    rows[0][0] = "001"
    table = read_samples(sheet(rows, columns))
    assert table["sample"][0] == "001"
    assert table["pixel_size_um"].tolist() == ["0.650", "1", "2e-1"]


def test_paths_are_seen_from_the_sheet_and_tidied(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    path = tmp_path / "config" / "sheet.tsv"
    path.write_text("sample\timage\tmask\tgroup\na\t../resources/a.tif\t/data/a.tif\tg\n")
    table = read_samples("config/sheet.tsv")
    assert table.loc[0, ["image", "mask"]].tolist() == ["resources/a.tif", "/data/a.tif"]
    assert read_samples(path)["image"][0] == str(tmp_path / "resources" / "a.tif")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_line_ends_and_byte_order_marks(sheet, end, encoding):
    assert read_samples(sheet(end=end, encoding=encoding))["group"].tolist() == ["g1", "g1", "g2"]


def test_blank_lines_are_skipped_and_counted(sheet):
    path = sheet([ROWS[0], ["", "", "", ""], [], ["b b", *ROWS[1][1:]]])
    assert "line 5: sample is 'b b'" in refuse(path)


def test_quoted_cells_and_spaces_around_cells(sheet):
    table = read_samples(sheet(with_cell(0, "image", ' "my, ""best"" image.tif" ')))
    assert table["image"][0].endswith('my, "best" image.tif')


def test_an_empty_optional_column_is_as_good_as_none(sheet):
    assert read_samples(sheet(*with_column("split", ["", "", ""])))["split"].tolist() == ["", "", ""]


def test_empty_cells_at_the_end_of_a_line_may_be_left_out(sheet):
    path = sheet([[*ROWS[0]], [*ROWS[1], "", ""]], [*COLUMNS, "split"])
    assert read_samples(path)["split"].tolist() == ["", ""]


def test_the_mask_column_may_be_missing_where_masks_are_not_needed(sheet):
    path = sheet([[row[0], row[1], row[3]] for row in ROWS], ["sample", "image", "group"])
    assert read_samples(path, masks=False)["mask"].tolist() == ["", "", ""]
    assert "column mask: missing" in refuse(path)


def test_a_missing_sheet(sheet):
    path = sheet().with_name("shet.tsv")
    text = refuse(path)
    assert "no such sample sheet" in text
    assert "Did you mean" in text and "sheet.tsv?" in text


@pytest.mark.parametrize("content", [b"", b"\n\n \n", b"\xef\xbb\xbf"])
def test_an_empty_sheet(tmp_path, content):
    path = tmp_path / "sheet.tsv"
    path.write_bytes(content)
    assert "empty" in refuse(path)


def test_a_sheet_without_rows(sheet):
    assert "no rows" in refuse(sheet([]))


def test_a_workbook(tmp_path):
    path = tmp_path / "sheet.xlsx"
    path.write_bytes(b"PK\x03\x04\x14\x00\xff\xfe\x80")
    assert "a workbook (.xlsx) is not read" in refuse(path)


@pytest.mark.parametrize(("separator", "word"), [(",", "commas"), (";", "semicolons"), (" ", "no tabs")])
def test_other_separators(sheet, separator, word):
    assert f"line 1: columns are separated by {word}; expected tabs" in refuse(sheet(separator=separator))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["sample", "image", "mask"], "column group: missing: what a frame shares with others"),
        (["sample", "image", "mask", "Group"], "column 'Group': unknown; did you mean group?"),
        (["sample", "image", "masks", "group"], "column 'masks': unknown; did you mean mask?"),
        (["sample", "image", "group"], "column mask: missing; found sample, image, group"),
        ([*COLUMNS, "temperature"], "column 'temperature': unknown; expected only sample, image"),
        ([*COLUMNS, "splits"], "column 'splits': unknown; did you mean split?"),
        ([*COLUMNS, "mask"], "column 'mask': 2 times; expected once"),
    ],
)
def test_wrong_columns(sheet, columns, message):
    text = refuse(sheet([[str(number) for number in range(len(columns))]], columns))
    assert message in text
    assert text.count("\n  ") == 1


def test_a_tab_too_many(sheet):
    assert "line 3: 6 cells; expected 4" in refuse(sheet([ROWS[0], [*ROWS[1], "", "x"]]))


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (2, "sample", "a", "lines 2, 4: sample 'a' stands 2 times"),
        (1, "image", "a.tif", "stands 2 times; one frame is one sample"),
        (1, "image", "./x/../a.tif", "lines 2, 3: image 'a.tif' stands 2 times"),
        (1, "image", "b_mask.tif", "line 3: image and mask are the same file, b_mask.tif"),
        (1, "mask", "", "line 3: mask is empty"),
        (1, "group", "", "line 3: group is empty"),
        (0, "sample", "my cell#1", "line 2: sample is 'my cell#1'; expected at most 100 of the characters"),
        (0, "sample", "my cell#1", "such as my_cell_1"),
        (0, "sample", ".hidden", "no dot in front"),
        (0, "group", "..", "line 2: group is '..'"),
        (0, "group", "a..b", "such as a.b"),
        (0, "group", "../../etc", "line 2: group is '../../etc'"),
        (0, "sample", "Zelle_ä", "line 2: sample is 'Zelle_ä'"),
        (0, "sample", "x" * 101, "at most 100"),
    ],
)
def test_wrong_cells(sheet, row, column, value, message):
    text = refuse(sheet(with_cell(row, column, value)))
    assert message in text
    assert text.count("\n  ") == 1


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (
            "split",
            ["train", "valid", "test"],
            "line 3: split is 'valid'; expected one of train, validate, test; did",
        ),
        ("split", ["train", "", "test"], "column split: filled in 2 of 3 rows (line 3 is empty)"),
        ("frame", ["0", "1.5", "2"], "line 3: frame is '1.5'; expected a whole number from 0"),
        ("frame", ["0", "-1", "2"], "line 3: frame is '-1'"),
        ("pixel_size_um", ["0.65", "0,65", "0.65"], "with a point, not a comma"),
        ("pixel_size_um", ["0.65", "0", "0.65"], "line 3: pixel_size_um is '0'; expected a number above 0"),
        ("pixel_size_um", ["0.65", "nan", "0.65"], "line 3: pixel_size_um is 'nan'"),
        ("pixel_size_um", ["0.65", "inf", "0.65"], "line 3: pixel_size_um is 'inf'"),
        ("pixel_size_um", ["0.65", "0.65 µm", "0.65"], "line 3: pixel_size_um is '0.65 µm'"),
    ],
)
def test_wrong_cells_of_optional_columns(sheet, column, values, message):
    assert message in refuse(sheet(*with_column(column, values)))


def test_all_problems_are_told_at_once(sheet):
    rows = [["a", "a.tif", "", "g 1"], ["a", "a.tif", "m.tif", "g"]]
    text = refuse(sheet(rows))
    assert "4 problems" in text
    assert text.count("\n  ") == 4


def test_of_many_problems_of_a_kind_ten_are_shown_and_the_others_counted(sheet):
    rows = [[f"a{number}", f"{number}.tif", f"{number}m.tif", "g g"] for number in range(50)]
    text = refuse(sheet(rows))
    assert text.count("group is 'g g'") == 10
    assert "and 40 more: 50 problems of this kind" in text


def test_missing_files_are_told_with_their_lines(sheet, tmp_path):
    path = sheet()
    for name in ("a.tif", "b.tif", "a_mask.tif", "c_mask.tif"):
        (tmp_path / name).touch()
    text = refuse(path, check_files=True)
    assert f"line 4: image {tmp_path / 'c.tif'}: no such file" in text
    assert f"line 3: mask {tmp_path / 'b_mask.tif'}: no such file" in text
    assert text.count("no such file") == 2
    for name in ("c.tif", "b_mask.tif"):
        (tmp_path / name).touch()
    assert len(read_samples(path, check_files=True)) == 3


def test_a_missing_folder_counts_its_files(sheet):
    rows = [[f"a{number}", f"x/{number}.tif", f"x/{number}m.tif", "g"] for number in range(30)]
    text = refuse(sheet(rows), check_files=True)
    assert text.count("no such folder") == 20
    assert "and 20 more: 30 image files are missing" in text


def test_files_that_a_rule_makes_are_not_looked_for(sheet, tmp_path):
    rows = [["a", "made/x/a.tif", "made/a.tif", "g"]]
    path = sheet(rows)
    assert len(read_samples(path, check_files=True, exempt=tmp_path / "made")) == 1
    assert len(read_samples(path, check_files=True, exempt=[tmp_path / "other", tmp_path / "made"])) == 1
    assert "no such folder" in refuse(path, check_files=True, exempt=tmp_path / "mad")


def test_a_file_may_stand_once_a_page(sheet):
    rows = [
        [name, "stack.tif", "labels.tif", "g", page] for name, page in zip("abc", (0, 1, 10), strict=True)
    ]
    columns = [*COLUMNS, "page"]
    assert read_samples(sheet(rows, columns))["page"].tolist() == ["0", "1", "10"]
    rows[2][1:] = ["./stack.tif", "labels.tif", "g", "01"]
    assert "stack.tif, page 1' stands 2 times" in refuse(sheet(rows, columns))
    rows[2][4] = "-1"
    assert "page is '-1'; expected a whole number from 0" in refuse(sheet(rows, columns))


@pytest.mark.parametrize(
    "name", ["with blank.tif", "größe µm 中.tif", "a'b\"c.tif", "x*?[1].tif", "100%.tif"]
)
def test_odd_file_names_come_back(sheet, tmp_path, name):
    (tmp_path / name).touch()
    (tmp_path / "m.tif").touch()
    assert read_samples(sheet([["a", name, "m.tif", "g"]]), check_files=True)["image"][0] == str(
        tmp_path / name
    )


def test_thousands_of_faults_are_counted_in_seconds(sheet):
    rows = [[f"../s{n % 100}", "a.tif", "a.tif", "g g"] for n in range(50_000)]
    start = time.process_time()
    text = refuse(sheet(rows), check_files=True)
    assert time.process_time() - start < 6
    assert "sample is '../s0'; expected" in text and "and 49,990 more" in text


def test_columns_without_a_name(sheet):
    rows = [[*row, "", ""] for row in ROWS]
    assert len(read_samples(sheet(rows, [*COLUMNS, "", ""]))) == 3
    rows[1][4] = "x"
    assert "line 3: 6 cells; expected 4" in refuse(sheet(rows, [*COLUMNS, "", ""]))
    assert "column 1: no name" in refuse(sheet([["", *row] for row in ROWS], ["", *COLUMNS]))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a{day}.tif", "without braces"),
        ("a\0b.tif", "characters that no name should have"),
        ("a\x1fb.tif", "characters"),
    ],
)
def test_paths_that_cannot_be_are_told(sheet, name, message):
    assert message in refuse(sheet(with_cell(1, "image", name)))
    text = refuse(sheet(with_cell(1, "mask", name)), check_files=True)
    assert message in text and "\0" not in text and "\x1f" not in text


def test_a_folder_with_braces_is_told(tmp_path):
    path = tmp_path / "{x}/sheet.tsv"
    path.parent.mkdir()
    path.write_text("sample\timage\tmask\tgroup\na\ta.tif\tb.tif\tg\n")
    assert "expected a path without braces" in refuse(path)


def test_a_cell_with_a_line_break_is_told(sheet):
    assert "line 3: a cell with a line break in it" in refuse(sheet(with_cell(1, "mask", '"od\nd.tif"')))


def test_links_and_pipes_that_no_one_can_read(sheet, tmp_path):
    for row in ROWS:
        (tmp_path / row[2]).touch()
    (tmp_path / "a.tif").symlink_to("a.tif")
    (tmp_path / "b.tif").symlink_to("nowhere.tif")
    os.mkfifo(tmp_path / "c.tif")
    text = refuse(sheet(), check_files=True)
    assert "line 2: image" in text and "a link that leads nowhere (to a.tif)" in text
    assert "(to nowhere.tif)" in text
    assert "c.tif: no ordinary file but a pipe" in text


def test_a_sheet_of_50_000_rows_is_read_in_three_seconds(sheet):
    rows = [[f"s{n}", f"i/{n}.tif", f"m/{n}.tif", f"g{n // 100}", n % 100, "train"] for n in range(50_000)]
    path = sheet(rows, [*COLUMNS, "frame", "split"])
    start = time.process_time()
    assert len(read_samples(path)) == 50_000
    assert time.process_time() - start < 3


names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9_-]{0,20}(\.[a-z]{1,3})?", fullmatch=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(names, names), min_size=1, max_size=8, unique_by=lambda row: row[0]), st.randoms())
def test_every_legal_sheet_comes_back_whatever_the_order_of_its_columns(sheet, rows, random):
    cells = [
        {"sample": s, "image": f"{n}.tif", "mask": f"{n}m.tif", "group": g} for n, (s, g) in enumerate(rows)
    ]
    columns = random.sample(COLUMNS, 4)
    table = read_samples(sheet([[cell[name] for name in columns] for cell in cells], columns))
    assert list(zip(table["sample"], table["group"], strict=True)) == rows


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused_with_a_message(tmp_path, content):
    path = tmp_path / "sheet.tsv"
    path.write_bytes(content)
    refuse(path)


def test_a_frame_stands_once_in_a_group(sheet):
    said = refuse(sheet(*with_column("frame", ["1", "01", "1"])))
    assert "lines 2, 3: frame 1 stands 2 times in the group g1 (a.tif, b.tif)" in said
    read_samples(sheet(*with_column("frame", ["1", "2", "1"])))  # another group


@pytest.mark.parametrize(
    ("frames", "expected"),
    [(["", "", ""], [0, 1, 2]), (["5", "4", "3"], [2, 1, 0]), (["0", "1", "3"], [None] * 3)],
)
def test_single_files_that_share_outlines_take_turns(sheet, frames, expected):
    rows, columns = with_column("frame", frames)
    for row in rows:
        row[2] = "all.zip"
    table = read_samples(sheet(rows, columns))
    assert turns(table) == {name: (place, 3) for name, place in zip("abc", expected, strict=True)}
    one, other = rows_of_group(table, "g1", {table["mask"][0]: "all.sqlite"})
    assert (one["turn"], other["turn"], one["database"]) == ((expected[0], 3), (expected[1], 3), "all.sqlite")
    assert rows_of_group(read_samples(sheet()), "g2", {})[0]["turn"] == (0, 1)


def test_outlines_of_several_groups_have_a_database(sheet, tmp_path):
    shared = read_samples(sheet([[*row[:2], "all.json", row[3]] for row in ROWS]))
    ((path, name),) = shared_annotations(shared).items()
    assert (path, name[:4]) == (str(tmp_path / "all.json"), "all-")
    assert shared_annotations(shared[shared["group"] == "g1"]) == {}


def test_a_table_of_200_000_columns_is_told_at_once(sheet):
    names = [f"c{number}" for number in range(200_000)]
    assert "line 1: 200,000 columns" in refuse(sheet([["1"] * len(names)], names))


def test_a_file_too_large_for_a_sheet_is_not_read(tmp_path):
    with (tmp_path / "movie.tif").open("wb") as file:
        file.truncate(1_000_000_000)
    assert "1,000,000,000 bytes" in refuse(tmp_path / "movie.tif")


def test_files_of_channels_are_inputs_too():
    endings = ["_ch00", "_ch01"]
    assert with_channels(["d/a_ch00.tif", "d/a_ch00.tif", "b.tif"], endings) == [
        "d/a_ch00.tif",
        "d/a_ch01.tif",
        "b.tif",
    ]
    assert with_channels(["a_ch00.tif"], None) == ["a_ch00.tif"]
