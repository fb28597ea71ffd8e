"""The library's packages stand in the order that its first page gives, and imports run one way."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import brightcell
from brightcell import provenance

FOLDER = Path(brightcell.__file__).parent
# "    name    what is in it": a package or a module a line.
ORDER = re.findall(r"^    (\w+) ", brightcell.__doc__, re.MULTILINE)
MODULES = sorted(
    ".".join(path.relative_to(FOLDER).with_suffix("").parts).removesuffix(".__init__")
    for path in FOLDER.rglob("*.py")
    if path.parent != FOLDER or path.stem != "__init__"
)
# Packages with a face: the names that others import from them.
FACES = {
    "comparison": ["compare", "inflation", "summarise", "verdict"],
    "nets": ["ARCHITECTURES", "build_unet", "count_parameters", "load_model"],
    "inference": ["predict_tiled"],
    "instances": ["label_cells", "label_cells_published"],
    "metrics": ["METRICS", "boundary_scores", "instance_scores", "pixel_scores", "probability_scores"],
}


def imports(module: str) -> set[str]:
    """Modules of the library that a module imports, at whatever depth of its code."""
    file = provenance.module_file(module)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return provenance.imported_modules(file.read_text(encoding="utf-8"), package) - {module}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_its_place():
    assert {room(module) for module in MODULES} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_what_stands_above_its_package(module):
    above = ORDER[: ORDER.index(room(module))]
    assert {room(name) for name in imports(module)} - {room(module)} <= set(above)


def test_the_order_could_be_broken():
    assert "metrics.matching" in imports("metrics.scoring")
    assert ORDER.index("metrics") < ORDER.index("comparison")


def test_no_circle_within_a_package():
    graph = {module: imports(module) - {module.rpartition(".")[0]} for module in MODULES}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)


@pytest.mark.parametrize("package", sorted({room(module) for module in MODULES if "." in module}))
def test_a_face_shows_what_others_rely_on_and_the_rest_nothing(package):
    tree = ast.parse((FOLDER / package / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    shown = [node for node in tree.body if isinstance(node, ast.Assign)]
    names = ast.literal_eval(shown[0].value) if shown else []
    assert sorted(names) == sorted(FACES.get(package, []))
    assert bool(FACES.get(package)) == any(isinstance(node, ast.ImportFrom) for node in tree.body)
