"""The schema of result files: legal in itself, and the same as the code's own lists of columns."""

import re
from pathlib import Path

import pytest
import result_tables

import gather_jobs
from brightcell import folds, published
from brightcell.check import findings
from brightcell.comparison import curves, differences, watersheds
from brightcell.compute import accounting
from brightcell.instances import calibration, variants
from brightcell.metrics import scoring
from brightcell.preprocessing import group
from brightcell.recordings import expected
from brightcell.report import result_files

ROOT = Path(__file__).parents[3]
BY_PATH = {file.path: file for file in result_tables.FILES}
RUN = ("scheme", "network", "fold", "seed")
MODEL = "models/<scheme>/<network>/fold<fold>-seed<seed>"
IN_CODE = {
    "samples.tsv": group.COLUMNS,
    "check/findings.tsv": findings.COLUMNS,
    "folds.tsv": folds.COLUMNS,
    f"{MODEL}/calibration.tsv": calibration.COLUMNS,
    f"{MODEL}/cells.tsv": (*RUN, "sample", "group", *scoring.MATCH_COLUMNS),
    f"{MODEL}/curves.tsv": (*RUN, "sample", "group", *scoring.CURVE_COLUMNS),
    f"{MODEL}/reliability.tsv": (*RUN, "group", *scoring.BIN_COLUMNS),
    f"{MODEL}/watersheds.tsv": (*RUN, *variants.FRAME_COLUMNS),
    "models/<scheme>/<network>/expected.tsv": expected.COLUMNS,
    "comparison/summary.tsv": differences.SUMMARY_COLUMNS,
    "comparison/differences.tsv": differences.DIFFERENCE_COLUMNS,
    "comparison/leakage.tsv": differences.LEAKAGE_COLUMNS,
    "comparison/published.tsv": published.TABLE_COLUMNS,
    "comparison/reliability.tsv": curves.RELIABILITY_COLUMNS,
    "comparison/watersheds.tsv": watersheds.COLUMNS,
    "jobs.tsv": ("rule", *gather_jobs.WILDCARDS, *gather_jobs.MEASURED, *gather_jobs.WHERE_COLUMNS),
    "accounting.tsv": accounting.COLUMNS,
}


@pytest.mark.parametrize("path", IN_CODE)
def test_columns_are_those_of_the_code(path):
    assert BY_PATH[path].unlike(list(IN_CODE[path])) == set()


def test_every_file_is_made_by_a_target_that_exists():
    rules = {
        name
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for name in re.findall(
            r"^\s*(?:rule|checkpoint) (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert {file.target for file in result_tables.FILES} - {""} <= rules


def test_everything_is_described():
    for file in result_tables.FILES:
        assert file.what
        assert all(column.what for column in file.columns), file.path


def test_a_path_matches_one_name_or_a_whole_folder():
    table = BY_PATH[f"{MODEL}/frames.tsv"]
    assert table.matches("models/grouped/simple/fold1-seed1/frames.tsv")
    assert not table.matches("models/grouped/simple/extra/fold1-seed1/frames.tsv")
    assert BY_PATH["logs/**"].matches("logs/segment/dish/join.log")
    assert BY_PATH["segmented/<recording>/ctc/*"].matches("segmented/dish/ctc/mask000.tif")
    assert not BY_PATH["segmented/<recording>/ctc/*"].matches("segmented/dish/ctc/a/mask000.tif")


def test_strange_files_and_columns_are_told(tmp_path):
    (tmp_path / "folds.tsv").write_text("scheme\tfold\tsample\tgroup\tcolour\n")
    (tmp_path / "notes.txt").touch()
    assert result_tables.faults(tmp_path) == ["folds.tsv: colour, role", "notes.txt: 0 entries of the schema"]
    assert "samples.tsv" in result_tables.missing(tmp_path, {"Data"})
    assert "preflight.json" not in result_tables.missing(tmp_path, {"Data"})


@pytest.mark.parametrize(
    ("row", "odd"),
    [
        ("grouped\t1\ta\tg\ttest", None),
        ("grouped\tnan\ta\t\ttest", None),
        ("grouped\t\ta\tg\ttest", "fold"),
        ("grouped\tNaN\ta\tg\ttest", "fold"),
        ("grouped\tfirst\ta\tg\ttest", "fold"),
        ("grouped\t1\ta\tnan\tNone", "group, role"),
    ],
)
def test_a_missing_value_has_one_spelling(tmp_path, row, odd):
    (tmp_path / "folds.tsv").write_text(f"scheme\tfold\tsample\tgroup\trole\n{row}\n")
    told = f"folds.tsv: a value that is missing, or text unknown to files.TEXT, in {odd}"
    assert result_tables.faults(tmp_path) == ([told] if odd else [])


def test_a_column_without_a_meaning_is_an_error():
    files = [{"path": "a.tsv", "what": "A table.", "columns": {"colour": None}}]
    with pytest.raises(KeyError, match="colour"):
        result_files.result_files({"columns": {}, "sections": [{"title": "Data", "files": files}]})


def test_the_page_tells_of_every_file_and_of_scores_by_their_kind():
    page = result_files.page(result_files.load())
    for file in result_tables.FILES:
        assert f"`{file.path.removeprefix(file.folder + '/')}`" in page
    assert "| boundaries | `hd95_px` (px)" in page
    assert "| `scheme`, `fold`, `sample`, `group`<br>`role`: " in page
