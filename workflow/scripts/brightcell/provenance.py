"""Know what made a result: digests of code, versions of packages, the machine."""

import ast
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path

from .errors import InputError

PACKAGE = Path(__file__).parent
# These word messages and records and never change a result.
WITHOUT_EFFECT = {"errors", "jobs", "provenance"}
# Where a run leaves the digest of what it read: the jobs that it submits are given its environment.
READING = "BRIGHTCELL_READING"
# Where Apptainer puts an image's labels.
LABELS = Path("/.singularity.d/labels.json")


def imported_modules(source: str) -> set[str]:
    """Name the brightcell modules that Python source imports, at whatever depth.

    >>> sorted(imported_modules("from brightcell import nets; from brightcell.images import read_mask"))
    ['images', 'nets']
    """
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[1] for name in node.names if name.name.startswith("brightcell.")}
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".")
            if node.level == 0 and module[0] != "brightcell":
                continue
            inside = module if node.level else module[1:]
            found |= {inside[0]} if inside and inside[0] else {name.name for name in node.names}
    return {name for name in found if (PACKAGE / f"{name}.py").is_file()}


def hold_to_first_reading(first: bool, config: dict, *tables) -> None:
    """Raise InputError where a job reads another config, or other tables of text, than the run that submitted it.

    Its results would be recorded as made with what the run had read. `first` tells that the run itself is reading.
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
    """Reduce Python source to what it does: without comments, docstrings and layout."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return ast.dump(tree)


def code_digest(script: str | Path) -> str:
    """Digest the library modules that a script imports, directly or through one another.

    A rule gives it as a parameter, so that an edited module reruns the rules that use it and no others. The
    script itself is left to Snakemake, which watches it already. Comments and docstrings do not count.
    """
    waiting, seen = imported_modules(Path(script).read_text(encoding="utf-8")), {}
    while waiting:
        name = waiting.pop()
        if name in seen or name in WITHOUT_EFFECT:
            continue
        source = (PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        seen[name] = meaning(source)
        waiting |= imported_modules(source)
    return hashlib.sha256("\n".join(f"{name} {seen[name]}" for name in sorted(seen)).encode()).hexdigest()[
        :16
    ]


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, brightcell and the packages that are installed of those named."""
    from . import __version__

    found = {"python": platform.python_version(), "brightcell": __version__}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str | int]:
    """Describe the machine, name, operating system, processor, cores, and what ran on it, see `environment`."""
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
    """Say in what this process runs: image and fingerprint, empty outside containers; prefix of Python, versions."""
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
    """The container image, file or folder, in which this process runs; empty outside containers."""
    return os.environ.get("APPTAINER_CONTAINER") or os.environ.get("SINGULARITY_CONTAINER") or ""


def fingerprint(labels: dict[str, str]) -> str:
    """Sixteen hexadecimal digits for an image: of the digest of its packages' files, else of all its labels."""
    contents = (
        labels.get("contents") or hashlib.sha256(json.dumps(labels, sort_keys=True).encode()).hexdigest()
    )
    return contents[:16]
