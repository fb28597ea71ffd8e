"""What the pages tell a reader to type, open and copy."""

import os
import pkgutil
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from snakemake.cli import get_argument_parser

import make_samples
from brightcell.config import suggest, validation

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(page for folder in ("config", "docs", "benchmarks") for page in (ROOT / folder).glob("*.md")),
]
RULES = {
    name
    for path in [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    for name in re.findall(r"^(?:rule|checkpoint) (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE)
}
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page, language):
    """The page's code blocks of a language, without the indent of a list."""
    found = re.findall(
        rf"^( *)```{language}\n(.*?)^\1```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return [re.sub(rf"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


def commands(page):
    """Words of the lines to type: in blocks, within a line where a config is named, in the configs' first comments."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^#     (\S.*)$", text, re.MULTILINE) + re.findall(
        r"`(\S+ [^`\n]*--configfile[^`\n]*)`", text
    )
    lines += [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    program = re.compile(r"(\S*snakemake|make|\S*python\S* \S+\.py) ")
    return [shlex.split(line, comments=True) for line in lines if program.match(line)]


@pytest.mark.parametrize(
    "page", [*PAGES, *(ROOT / "config").glob("*.yaml")], ids=lambda page: str(page.relative_to(ROOT))
)
def test_snakemake_takes_what_is_typed_as_it_is_meant(page):
    for program, *words in commands(page):
        if program.endswith("snakemake"):
            assert program == ".venv/bin/snakemake", words
            given = get_argument_parser().parse_args(words)
            assert {path.suffix for path in given.configfile or []} <= {".yaml"}, words
            assert all(target in RULES or "/" in target for target in given.targets), words


@by_page
def test_make_and_make_samples_know_what_is_typed(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for program, *words in commands(page):
        if program == "make":
            assert {word for word in words if "=" not in word} <= targets, words
        if words[0].endswith("make_samples.py"):
            assert program == ".venv/bin/python", words
            make_samples.arguments().parse_args(words[1:])


def slug(title):
    """The anchor of a heading, as GitHub and GitLab make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


@by_page
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, titles), target


def test_every_page_is_in_the_list_of_pages():
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == {
        page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"
    }


def test_every_rule_is_in_the_list_of_stages_or_targets():
    page = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")
    assert {rule for rule in RULES - {"all"} if f"`{rule}`" not in page} == set()


@by_page
def test_configs_that_are_shown_are_legal(page):
    for text in blocks(page, "yaml"):
        content = yaml.safe_load(text)
        if isinstance(content, dict) and "dataset" in content:
            validation.complete(content, validation.load_schema(), str(page))


@pytest.mark.parametrize("page", ["README.md", "config/README.md", "docs/your-own-images.md"])
def test_the_config_to_start_from_is_the_one_that_is_suggested(page):
    shown = next(yaml.safe_load(text) for text in blocks(ROOT / page, "yaml") if "dataset: mine" in text)
    assert shown.pop("dataset") == "mine"
    assert shown.pop("samples").endswith("mine/samples.tsv")
    made = suggest.settings([56] * 9, (1000, 1200), groups=3, pixel_size_um=0.65)
    assert shown == suggest.without_defaults(made, validation.load_schema())


def test_make_clean_leaves_other_studies_alone(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("results/demo", "results/mine", "resources/demo", ".snakemake"):
        (tmp_path / folder).mkdir(parents=True)
    subprocess.run(
        ["make", "clean"], cwd=tmp_path, check=True, capture_output=True, env=os.environ | {"MAKEFLAGS": ""}
    )
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.glob("[r.]*/*")} | {
        path.name for path in tmp_path.iterdir()
    }
    assert left == {"Makefile", "results", "results/mine", "resources", ".snakemake"}


def test_make_test_leaves_out_containers_and_slurm_alone():
    options = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"][
        "ini_options"
    ]
    folders = {str(path.parent.relative_to(ROOT)) for path in ROOT.glob("tests/*/test_*.py")}
    assert set(options["testpaths"]) == folders - {"tests/containers", "tests/slurm"}


# Folders below which a page may name a file by the rest of its path.
PLACES = [ROOT, ROOT / "workflow/scripts", ROOT / "workflow/scripts/brightcell"]


@by_page
def test_files_of_the_project_that_are_named_are_there(page):
    named = re.findall(r"(?<![\w./<>-])([\w./-]*\w\.(?:py|smk))\b", page.read_text(encoding="utf-8"))
    places = [page.parent, *PLACES]
    assert {path for path in named if not any((place / path).is_file() for place in places)} == set()


@by_page
def test_modules_and_functions_that_are_named_are_there(page):
    for name in re.findall(r"\bbrightcell(?:\.[a-z_]\w*)+", page.read_text(encoding="utf-8")):
        pkgutil.resolve_name(name)


def test_what_is_said_to_be_in_a_module_is_there():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = re.findall(r"`(\w+)` in `([\w/]+)\.py`", page)
    assert len(told) > 10
    for name, module in told:
        pkgutil.resolve_name(f"brightcell.{module.replace('/', '.')}:{name}")


def test_a_name_that_moved_would_be_found():
    with pytest.raises((AttributeError, ImportError)):
        pkgutil.resolve_name("brightcell.published_watershed")
