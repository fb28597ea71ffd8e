import ast
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

from brightcell.compute.containers import RECIPES, TOOL, recipes
from brightcell.provenance import dependencies

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").rglob("*.txt"))
SCRIPTS = ROOT / "workflow" / "scripts"
# Keras runs on these as well; the images hold TensorFlow. OpenVINO and ONNX are extras (`make engines`).
OTHER_BACKENDS = {"torch", "jax", "openvino", "onnxruntime", "onnx"}


def standard(name: str) -> str:
    """A distribution's name as package lists write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, set[str]]:
    """Each package's versions with their markers: `==1.2 ; python_full_version < '3.12'`."""
    found = {}
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if match := re.match(r"([a-z0-9-]+)(?:\[[^]]*\])?(==[^\\]*)", line):
            found.setdefault(match[1], set()).add(match[2].strip())
    return found


def scripts_of(image: str) -> list[str]:
    """The scripts of the rules that run in an image."""
    rules = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    return [
        script
        for rule in re.split(r"^ *rule ", rules, flags=re.M)
        if f'IMAGES["{image}"]' in rule
        for script in re.findall(r'"\.\./scripts/(\w+\.py)"', rule)
    ]


def packages_of(source: str) -> set[str]:
    """The packages outside the standard library that Python source imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module)
    siblings = {path.stem for path in SCRIPTS.glob("*.py")}
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"brightcell"} - siblings


def imported_by(script: str) -> set[str]:
    """The same for a script and all library modules behind it."""
    source = (SCRIPTS / script).read_text()
    return packages_of(source).union(*map(packages_of, dependencies(SCRIPTS / script).values()))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_pin_has_hashes_and_no_index_is_named(path):
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"\bindex\b", re.sub(r"^\s*#.*$", "", text, flags=re.M))
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("image.txt", "cpu.txt"),
        ("report.txt", "cpu.txt"),
        ("train-cpu.txt", "cpu.txt"),
        ("train-gpu.txt", "gpu.txt"),
    ],
)
def test_an_image_has_the_versions_of_the_virtual_environment(name, environment):
    everywhere = pins(environment)
    differing = {
        (package, version)
        for package, versions in pins(name).items()
        for version in versions
        if not {version, version.split(" ;")[0]} & everywhere.get(package, set())
    }
    assert differing == set()


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_an_image_has_all_that_its_scripts_import(recipe):
    distributions = importlib.metadata.packages_distributions()
    there, scripts = pins(Path(recipe.packages).name), scripts_of(recipe.kind)
    assert scripts
    lacking = {
        (script, package)
        for script in scripts
        for package in imported_by(script) - OTHER_BACKENDS
        if not {standard(name) for name in distributions[package]} & (there.keys() | {"tensorflow-cpu"})
    }
    assert lacking == set()


def test_make_lock_pins_every_tool():
    shown = subprocess.run(
        ["make", "-n", "lock"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    names = {path.stem for path in (ROOT / "requirements/contestants").glob("*.txt")}
    assert set(re.findall(r"contestants/([\w-]+)", shown)) == names


def test_every_kind_of_job_has_a_definition_and_a_package_list():
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    named = set(re.findall(r'IMAGES\["(\w+)"\]', rules))
    assert named == {recipe.kind for recipe in RECIPES}
    assert {recipe.definition for recipe in recipes(ROOT)} == {
        path.name for path in (ROOT / "containers").glob("*.def")
    }
    assert all((ROOT / recipe.packages).is_file() for recipe in RECIPES)


@pytest.mark.parametrize(
    "recipe",
    [recipe for recipe in recipes(ROOT) if recipe.definition == TOOL],
    ids=lambda recipe: recipe.name,
)
def test_a_tool_has_all_that_its_file_and_the_runner_import(recipe):
    folder, tool = ROOT / "workflow/contestants", recipe.kind.removeprefix("contestant-")
    imported = packages_of((folder / "run.py").read_text()) | packages_of((folder / f"{tool}.py").read_text())
    distributions = importlib.metadata.packages_distributions() | {
        "tensorflow": ["tensorflow", "tensorflow-cpu"]
    }
    there = pins(f"contestants/{Path(recipe.packages).name}").keys()
    lacking = {
        package
        for package in imported
        if not {standard(name) for name in distributions.get(package, [package])} & there
    }
    assert lacking == set()


def test_no_file_of_the_images_names_a_mirror():
    for path in [*(ROOT / "containers").glob("*.def"), ROOT / "containers/install.sh"]:
        assert not re.search(r"://|index-url|deb\.", path.read_text()), path
