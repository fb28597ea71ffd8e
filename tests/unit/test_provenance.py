"""Code digests: what an edit reruns, and what stops a job."""

from pathlib import Path

import pandas as pd
import pytest

from brightcell import provenance
from brightcell.errors import InputError

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of three modules: a imports b; c stands alone."""
    for name, source in {
        "a": "from . import b\n",
        "b": "X = 1\n",
        "c": "Y = 1\n",
        "errors": "Z = 1\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    (tmp_path / "script.txt").write_text("from brightcell import a, errors\n")
    return tmp_path


def digest(package):
    return provenance.code_digest(package / "script.txt")


def test_an_edit_of_an_imported_module_changes_the_digest(package):
    before = digest(package)
    (package / "b.py").write_text("X = 2\n")
    assert digest(package) != before


@pytest.mark.parametrize(("module", "source"), [("c", "Y = 2"), ("errors", "Z = 2"), ("b", "# why\nX  =  1")])
def test_other_modules_messages_and_comments_do_not(package, module, source):
    before = digest(package)
    (package / f"{module}.py").write_text(source)
    assert digest(package) == before


def test_a_docstring_is_no_code():
    assert provenance.meaning('def f():\n    """Say."""\n    return 1') == provenance.meaning(
        'def f():\n    """Say it otherwise."""\n    # why\n    return  1'
    )
    assert provenance.meaning("X = 1") != provenance.meaning("X = 2")


def test_training_does_not_depend_on_scores_or_reports():
    def closure(script):
        waiting, seen = provenance.imported_modules((SCRIPTS / script).read_text()), set()
        while waiting:
            seen.add(name := waiting.pop())
            waiting |= provenance.imported_modules((provenance.PACKAGE / f"{name}.py").read_text()) - seen
        return seen

    assert not closure("train.py") & {
        "folds",
        "metrics",
        "stats",
        "report",
        "charts",
        "instances",
        "inference",
    }
    assert "nets" not in closure("score.py")
    assert "metrics" in closure("score.py")


@pytest.fixture
def read(monkeypatch):
    """What a run has read: a config and a table; the jobs that it submits read them again."""
    monkeypatch.setenv(provenance.READING, "")
    config, table = (
        {"seeds": [1], "networks": ["simple"]},
        pd.DataFrame({"sample": ["a", "b"], "group": ["", "x"]}),
    )
    provenance.hold_to_first_reading(True, config, table)
    return config, table


def test_a_job_that_reads_the_same_goes_on(read):
    config, table = read
    provenance.hold_to_first_reading(False, dict(reversed(config.items())), table.copy())


@pytest.mark.parametrize("change", [{"seeds": [2]}, {"group": ["x", ""]}])
def test_a_job_that_reads_a_changed_config_or_sheet_stops(read, change):
    config, table = read
    if "group" in change:
        table = table.assign(**change)
    else:
        config = config | change
    with pytest.raises(InputError, match="changed while the run was at work"):
        provenance.hold_to_first_reading(False, config, table)
