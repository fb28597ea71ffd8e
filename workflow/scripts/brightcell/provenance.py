"""Record what made a result: digests of code, versions of packages, the machine."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from .errors import InputError

PACKAGE = Path(__file__).parent
# The templates of pages.
PAGES = PACKAGE.parents[1] / "report"
# These modules make messages and records; they never change a result.
WITHOUT_EFFECT = {"errors", "jobs", "provenance"}
# The environment variable for the digest of what a run has read; the jobs that it submits inherit it.
READING = "BRIGHTCELL_READING"
# Where Apptainer keeps an image's labels.
LABELS = Path("/.singularity.d/labels.json")


@functools.cache
def _parsed(source: str) -> ast.Module:
    """Return the tree of Python source without docstrings."""
    tree = ast.parse(source)
    for node in _statements(tree):
        body = getattr(node, "body", None)
        if body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return tree


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield a module and every statement in it. Expressions, most of a tree, are left out: no statement is in one."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, block, ())


@functools.cache
def imported_modules(source: str, package: str = "") -> frozenset[str]:
    """Return the names of the brightcell modules that Python source imports, inside functions too.

    Names are dotted, without `brightcell.`; a package stands for its `__init__.py`, which Python runs before any
    module in it. `package` is the package of the source itself, for its relative imports.

    >>> sorted(imported_modules("import brightcell.files; from brightcell import jobs, errors"))
    ['errors', 'files', 'jobs']
    """
    found = set()
    for node in _statements(_parsed(source)):
        if isinstance(node, ast.Import):
            found |= {
                name.name.partition(".")[2] for name in node.names if name.name.startswith("brightcell.")
            }
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                above = ["brightcell", *package.split(".")] if package else ["brightcell"]
                module = ".".join([*above[: len(above) - node.level + 1], *([module] if module else [])])
            if module.partition(".")[0] == "brightcell":
                inside = module.partition(".")[2]
                found |= {inside} | {f"{inside}.{name.name}".lstrip(".") for name in node.names}
    found |= {name.rsplit(".", depth)[0] for name in found for depth in range(1, name.count(".") + 1)}
    return frozenset(name for name in found if name and module_file(name))


def module_file(name: str) -> Path | None:
    """Return the file of a module, or the `__init__.py` of a package; None if there is none by this dotted name."""
    path = PACKAGE.joinpath(*name.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)


def hold_to_first_reading(first: bool, config: dict, *tables: pd.DataFrame) -> None:
    """Raise InputError if a job reads another config, or other tables of text, than the run that submitted it.

    Its results would be recorded as made from what the run had read. `first` is True in the run itself.
    """
    parts = [json.dumps(config, sort_keys=True, default=str)]
    parts += ["\t".join(table.to_numpy().ravel()) for table in tables]
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    if first:
        os.environ[READING] = digest
    elif os.environ.get(READING, digest) != digest:
        raise InputError(
            "the config, a sample sheet or the images that segment.images names changed while the run was at work: this job "
            "reads something else than the run that submitted it. Let the run end or stop it with Ctrl + C, and start it "
            "again: it redoes what the change concerns. To prepare another run meanwhile, edit copies of config and sheet."
        )


@functools.cache
def meaning(source: str) -> str:
    """Return Python source without comments, docstrings and layout."""
    return ast.dump(_parsed(source))


def dependencies(script: str | Path) -> dict[str, str]:
    """Return the source of every library module that a script imports, directly or indirectly, by name."""
    waiting = set(imported_modules(Path(script).read_text(encoding="utf-8")))
    sources: dict[str, str] = {}
    while waiting:
        name = waiting.pop()
        if name in sources or name in WITHOUT_EFFECT:
            continue
        file = module_file(name)
        assert file  # `imported_modules` returns only modules that have one
        sources[name] = file.read_text(encoding="utf-8")
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting |= imported_modules(sources[name], package)
    return sources


def code_digest(script: str | Path) -> str:
    """Return a digest of the library modules that a script depends on.

    Rules take it as a parameter, so that an edited module reruns the rules that use it and no others. Snakemake
    watches the script itself. Comments and docstrings do not count.
    """
    parts = [f"{name} {meaning(source)}" for name, source in sorted(dependencies(script).items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def pages_digest(names: Iterable[str]) -> str:
    """Return a digest of templates of pages: of files, and of all files of folders, in PAGES."""
    paths = [PAGES / name for name in names]
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, brightcell and those of the named packages that are installed."""
    from . import __version__

    found = {"python": platform.python_version(), "brightcell": __version__}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def packages_from_pythonpath() -> list[str]:
    """Return the files of the loaded packages that come from a folder in PYTHONPATH, but for this library."""
    folders = [Path(each).resolve() for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]
    own = [PACKAGE.parent, Path(sys.prefix).resolve()]
    loaded = [getattr(module, "__file__", None) for name, module in sys.modules.items() if "." not in name]

    def below(file: str, places: list[Path]) -> bool:
        return any(Path(file).is_relative_to(place) for place in places)

    return sorted(file for file in loaded if file and below(file, folders) and not below(file, own))


def machine() -> dict[str, str | int]:
    """Return the machine's name, operating system, processor and cores, with what `environment` returns."""
    processor = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        processor = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), processor
        )
    except OSError:
        pass
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": processor,
        "cores": os.cpu_count() or 0,
        **environment(),
    }


def environment() -> dict[str, str]:
    """Return the image and its fingerprint (empty outside containers), Python's prefix and the versions."""
    from . import __version__

    image = container()
    return {
        "image": image,
        "fingerprint": fingerprint(json.loads(LABELS.read_text())) if image and LABELS.is_file() else "",
        "prefix": sys.prefix,
        "python": platform.python_version(),
        "brightcell": __version__,
    }


def container() -> str:
    """Return the container image (file or folder) in which this process runs; empty outside containers."""
    return os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER") or ""


def fingerprint(labels: dict[str, str]) -> str:
    """Return 16 hexadecimal digits for an image: from the digest of its packages' files, else from all its labels."""
    contents = (
        labels.get("contents") or hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()
    )
    return contents[:16]
