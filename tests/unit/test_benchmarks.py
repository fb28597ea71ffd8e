"""The benchmarks: sorted by the library's packages, none forgotten, and none left behind when a name moves."""

import ast
import importlib
import re
import runpy
from pathlib import Path

import pytest

import brightcell

FOLDER = Path(__file__).parents[2] / "benchmarks"
SCRIPTS = sorted(FOLDER.rglob("*.py"))


def name_of(script):
    return str(script.relative_to(FOLDER))


def imported(script):
    """What a script takes from the library, in strings of code too: module and name."""
    trees = [ast.parse(script.read_text(encoding="utf-8"))]
    for node in ast.walk(trees[0]):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "from brightcell" in node.value:
            trees.append(ast.parse(node.value))
    return {
        (node.module, each.name)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "brightcell"
        for each in node.names
    }


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_a_benchmark_imports_what_the_library_has(script):
    for module, name in imported(script):
        if not hasattr(importlib.import_module(module), name):
            importlib.import_module(f"{module}.{name}")


def test_imports_are_found_in_strings_too():
    assert ("brightcell.inference", "streaming") in imported(FOLDER / "recordings/segment.py")


def test_a_folder_is_a_package_of_the_library_or_the_workflow():
    packages = {path.name for path in Path(brightcell.__file__).parent.iterdir() if path.is_dir()}
    assert {path.parent.name for path in SCRIPTS} <= packages | {"workflow", "benchmarks"}


def test_every_benchmark_is_on_the_page():
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in map(name_of, SCRIPTS) if f"`{name}`" not in page] == []


def test_make_bench_runs_every_command_of_the_page_on_performance():
    text = (FOLDER.parent / "docs/performance.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"benchmarks/(\w+/\w+\.py[^`]*)`", text))
    lists = runpy.run_path(str(FOLDER / "run.py"))
    elsewhere = {"training/gpu.py", "training/precision.py"}  # need a GPU, a finished demo
    assert len(shown) > 10
    assert {command for command in shown if command.split()[0] not in elsewhere} <= {
        *lists["SHORT"],
        *lists["FULL"],
    }
