"""The library's modules stand in the order that its first page gives, and data flow one way."""

import ast
from pathlib import Path

import pytest

import brightcell

FOLDER = Path(brightcell.__file__).parent
LINES = [line[17:] for line in brightcell.__doc__.splitlines() if line.startswith("    ")]
ORDER = [name for line in LINES for name in line.split(", ")]


def imported(module: str) -> set[str]:
    """Modules of the library that a module imports, at whatever depth of its code."""
    found = set()
    for node in ast.walk(ast.parse((FOLDER / f"{module}.py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            found |= {node.module} if node.module else {name.name for name in node.names}
    return found & set(ORDER)


def test_every_module_has_its_place():
    assert sorted(ORDER) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_what_stands_before_it(module):
    assert imported(module) <= set(ORDER[: ORDER.index(module)])


def test_the_order_could_be_broken():
    assert "metrics" in imported("scoring")
