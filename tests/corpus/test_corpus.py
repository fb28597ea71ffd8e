"""Every broken or odd input gets the right result, or one message that names the file, what was found and what to do."""

import numpy as np
import pytest
from corpus import cases_images, cases_masks, cases_sheet
from corpus.case import CASES, Folder, prepared, run, tells

LIMIT_S = 10
MODULES = (cases_sheet, cases_images, cases_masks)  # each fills CASES


def test_the_corpus_is_large_and_its_names_differ():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "_"))
def test_case(case, tmp_path, record_property):
    folder = Folder(tmp_path)
    expected = case.make(folder)
    outcome = run(folder)
    record_property("corpus", [case.kind, case.name, said(case, outcome, tmp_path)])
    assert outcome.seconds < LIMIT_S
    if case.caught == "check":
        finding, level = case.words
        rows = outcome.findings[outcome.findings["finding"] == finding]
        assert set(rows["level"]) == {level}, outcome.message or outcome.findings.to_string()
        assert (outcome.stage == "check") == ("error" in set(outcome.findings["level"]))
        if level == "error":
            assert f"{finding}: " in outcome.message and "check.html" in outcome.message
    elif case.caught:
        assert outcome.stage == case.caught, outcome.message
        for words in case.words:
            assert words in outcome.message
        assert str(tmp_path) in outcome.message  # the file
        assert not tells(outcome.message), outcome.message
        assert not [path for path in tmp_path.rglob("*") if ".part" in path.name]
        assert not (tmp_path / "results/odd").is_dir() or not list((tmp_path / "results/odd").iterdir())
    else:
        assert outcome.stage in ("", "check") and "error" not in case.words, outcome.message
        errors = (
            outcome.findings[outcome.findings["level"] == "error"] if outcome.findings is not None else []
        )
        assert not len(errors), outcome.message
        compare(folder, expected)


def compare(folder, expected):
    """Compare the prepared frame and labels of the sample `odd` with (frame or None, labels[, tolerance])."""
    if expected is None:
        return
    frame, labels, *tolerance = expected
    if frame is not None:
        read = prepared(folder, "frames")
        assert read.dtype == frame.dtype or tolerance
        np.testing.assert_allclose(
            read.astype(float), frame.astype(float), atol=tolerance[0] if tolerance else 0
        )
    read = prepared(folder, "truth")
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, labels)


def said(case, outcome, folder):
    """Say in a line what became of a case."""
    if case.caught == "check":
        rows = (
            outcome.findings[outcome.findings["finding"] == case.words[0]]
            if outcome.findings is not None
            else []
        )
        return f"check {rows['level'].iloc[0]}: {rows['found'].iloc[0]}" if len(rows) else "not found"
    if not outcome.stage:
        return "read right"
    lines = [line.strip() for line in outcome.message.replace(f"{folder}/", "").splitlines()]
    return f"{outcome.stage}: {lines[-1] if len(lines) > 1 else lines[0]}"
