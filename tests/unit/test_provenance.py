"""Code digests: what an edit reruns, and what stops a job."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from brightcell import provenance
from brightcell.errors import InputError

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Modules a, which imports b, and c; packages: `open` has a face, `shut` has an empty one."""
    for name, source in {
        "a": "from . import b\n",
        "b": "X = 1\n",
        "c": "Y = 1\n",
        "errors": "Z = 1\n",
        "open/__init__": "from .front import shown\n",
        "open/front": "from brightcell.shut import used\nfrom .. import c\nshown = used.X + c.Y\n",
        "open/back": "X = 1\n",
        "shut/__init__": "",
        "shut/used": "from .below.deep import X\n",
        "shut/unused": "X = 1\n",
        "shut/below/__init__": "",
        "shut/below/deep": "from ...b import X\n",
    }.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
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


# What a script depends on, by what it imports: a face runs before any module of its package.
OPEN = {"open", "open.front", "shut", "shut.used", "shut.below", "shut.below.deep", "b", "c"}


@pytest.mark.parametrize(
    ("imports", "modules"),
    [
        ("from brightcell.open import shown", OPEN),
        ("from brightcell import open", OPEN),
        ("from brightcell.open import back", OPEN | {"open.back"}),
        ("import brightcell.open.back", OPEN | {"open.back"}),
        ("from brightcell.open.back import X", OPEN | {"open.back"}),
        ("from brightcell.shut import used", {"shut", "shut.used", "shut.below", "shut.below.deep", "b"}),
        ("def late():\n    from brightcell.shut import unused", {"shut", "shut.unused"}),
        ("from brightcell import a", {"a", "b"}),
    ],
)
def test_a_script_depends_on_what_runs_when_it_is_imported_and_on_nothing_else(package, imports, modules):
    (package / "script.txt").write_text(imports)
    before, changed = digest(package), set()
    for path in package.rglob("*.py"):
        source = path.read_text()
        path.write_text(f"{source}\nADDED = 1\n")
        if digest(package) != before:
            parts = path.relative_to(package).with_suffix("").parts
            changed.add(".".join(part for part in parts if part != "__init__"))
        path.write_text(source)
    assert changed == modules


def test_a_docstring_is_no_code():
    assert provenance.meaning('def f():\n    """Say."""\n    return 1') == provenance.meaning(
        'def f():\n    """Say it otherwise."""\n    # why\n    return  1'
    )
    assert provenance.meaning("X = 1") != provenance.meaning("X = 2")


def test_training_does_not_depend_on_scores_or_reports():
    def closure(script):
        return provenance.dependencies(SCRIPTS / script).keys()

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


def test_packages_that_pythonpath_puts_in_place_of_others_are_named(monkeypatch, tmp_path):
    (tmp_path / "shadowing_package.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("shadowing_package")
    assert provenance.packages_from_pythonpath() == []
    monkeypatch.setenv("PYTHONPATH", f"/nowhere:{tmp_path}:{provenance.PACKAGE.parent}")
    assert provenance.packages_from_pythonpath() == [str(tmp_path / "shadowing_package.py")]
    monkeypatch.delitem(sys.modules, "shadowing_package")


def test_the_digest_of_pages_follows_their_files(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "PAGES", tmp_path)
    (tmp_path / "page").mkdir()
    (tmp_path / "page/a.css").write_text("a")
    (tmp_path / "check.html.j2").write_text("b")
    both = provenance.pages_digest(["page", "check.html.j2"])
    assert provenance.pages_digest(["check.html.j2"]) != both
    (tmp_path / "page/a.css").write_text("c")
    assert provenance.pages_digest(["page", "check.html.j2"]) != both
