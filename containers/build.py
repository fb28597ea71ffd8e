#!/usr/bin/env python3
"""Build, inspect and fingerprint the container images.

python containers/build.py build                    what is missing or made from something older
python containers/build.py inspect [IMAGE …]        what images are made from, and whether they are up to date
python containers/build.py fingerprint [IMAGE …]    what the results tell of the image that they came from
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from brightcell import __version__, provenance  # noqa: E402
from brightcell.compute import containers  # noqa: E402
from brightcell.errors import InputError  # noqa: E402

# zstd unpacks several times faster than the default, gzip, and is no larger.
SQUASHFS = "-comp zstd -Xcompression-level 3"
SHOWN = ("==>", "INFO:    Extracting", "INFO:    Running testscript", "INFO:    Creating SIF")
SHOWN_OF_A_FAILURE = 30  # lines


def origin(bootstrap: str, base: str) -> str:
    """Name the base for an image's label: an address as it is, a folder with a digest of its system's packages."""
    if bootstrap != "localimage":
        return f"{bootstrap}:{base}"
    folder = Path(base)
    if not folder.exists():
        raise InputError(
            f"{base}: no such base; CONTAINER_BASE must name a folder or image with Python 3.11."
        )
    installed = folder / "var/lib/dpkg/status"
    digest = hashlib.sha256(installed.read_bytes()).hexdigest()[:12] if installed.is_file() else "unknown"
    return f"{bootstrap}:{folder.name}@{digest}"


def commit() -> str:
    """The source's commit, marked if files differ from it; `unknown` outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def outdated(path: Path, base: str | None) -> str | None:
    """Say why an image must be built; None if it is up to date. Another `base` counts only where one is named."""
    if not path.exists():
        return "not built yet"
    try:
        containers.verify(ROOT, path)
    except InputError as error:
        return f"of no use: {error}"
    found = containers.read_labels(path).get("base")
    return f"built on {found}" if base and found != base else None


def build(recipe: containers.Recipe, bootstrap: str, base: str, verbose: bool = False) -> Path:
    """Build and test an image; it appears under its name when all went well, else nothing is left behind."""
    from spython.utils import stream_command

    path = recipe.path(ROOT)
    part = path.with_name(f".{path.stem}.{os.getpid()}.part.sif")
    arguments = {
        "bootstrap": bootstrap,
        "base": base,
        "origin": origin(bootstrap, base),
        "packages": recipe.packages,
        "version": __version__,
        "commit": commit(),
    }
    command = [
        *(containers.program(), "build", "--force", "--fakeroot", "--mksquashfs-args", SQUASHFS),
        *(word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")),
        *(str(part), f"containers/{recipe.definition}"),
    ]
    remove_leftovers(path)
    last, start = deque(maxlen=SHOWN_OF_A_FAILURE), time.perf_counter()
    here = Path.cwd()
    os.chdir(ROOT)  # the definitions name their files from there
    try:
        for line in stream_command(command, output_type="both"):
            last.append(line.rstrip())
            if verbose or line.startswith(SHOWN):
                words = line.rstrip().removeprefix("INFO:").removeprefix("==>").strip()
                print(f"  {time.perf_counter() - start:4.0f} s  {words}", flush=True)
        part.replace(path)
    except subprocess.CalledProcessError:
        lines = "\n    ".join(last)
        raise InputError(
            f"containers/{recipe.definition}: the image could not be built or failed its test; Apptainer's last words:"
            f"\n    {lines}\n{containers.MANUAL}."
        ) from None
    finally:
        os.chdir(here)
        part.unlink(missing_ok=True)
    return path


def remove_leftovers(path: Path) -> None:
    """Delete half images of builds that were killed."""
    for part in path.parent.glob(f".{path.stem}.*.part.sif"):
        if not Path("/proc", part.name.split(".")[-3]).exists():
            part.unlink()


def build_all(names: list[str], bootstrap: str, base: str | None, force: bool, verbose: bool) -> None:
    """Build what is missing or outdated of the images named, one after the other."""
    wanted = origin(bootstrap, base) if base else None
    chosen = [recipe for recipe in containers.recipes(ROOT) if recipe.name in names]
    for number, recipe in enumerate(chosen, start=1):
        path = recipe.path(ROOT)
        title = f"[{number}/{len(chosen)}] {path.relative_to(ROOT)}"
        reason = "asked for" if force else outdated(path, wanted)
        if reason is None:
            print(f"{title}: up to date, {path.stat().st_size / 1e6:.0f} MB", flush=True)
            continue
        print(f"{title}: {reason}; building ...", flush=True)
        start = time.perf_counter()
        build(recipe, bootstrap, base or "python:3.11-slim-bookworm", verbose)
        size, seconds = path.stat().st_size / 1e6, time.perf_counter() - start
        print(f"{title}: {size:.0f} MB in {seconds:.0f} s", flush=True)
        for old in sorted(path.parent.glob(f"{recipe.name}-*.sif")):
            if old != path:
                print(
                    f"  {old.relative_to(ROOT)} is of an older version; delete it when no run needs it any more"
                )


def own_images() -> list[Path]:
    """The project's images that are built."""
    return [path for recipe in containers.recipes(ROOT) if (path := recipe.path(ROOT)).exists()]


def inspect(paths: list[Path]) -> int:
    """Print what images are made from; the exit code is 1 if one cannot be used."""
    code = 0
    for path in paths:
        try:
            labels = containers.read_labels(path)
            containers.verify(ROOT, path.resolve())
            state = "up to date" if "definition" in labels else "not of this project: used as it is"
        except InputError as error:
            labels, state, code = {}, str(error), 1
        print(path)
        if path.is_file():
            print(f"  size         {path.stat().st_size / 1e6:.0f} MB")
        if labels:
            print(f"  fingerprint  {provenance.fingerprint(labels)}")
        for name in ("image", "version", "commit", "base", "definition", "packages", "contents"):
            if name in labels:
                print(f"  {name:<12} {labels[name]}")
        print(f"  state        {state}")
    return code


def fingerprints(paths: list[Path]) -> int:
    """Print a line an image: fingerprint, path."""
    for path in paths:
        print(f"{containers.fingerprint(path)}  {path}")
    return 0


def has_gpu() -> bool:
    """Tell whether a GPU's driver answers on this machine."""
    command = shutil.which("nvidia-smi")
    return bool(command) and subprocess.run([command], capture_output=True, check=False).returncode == 0


def read_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help="build what is missing or outdated")
    builder.add_argument(
        "--device", choices=("cpu", "gpu", "auto"), default="auto", help="the kind of TensorFlow"
    )
    builder.add_argument(
        "--only", action="append", choices=[recipe.name for recipe in containers.recipes(ROOT)]
    )
    builder.add_argument("--tool", help="the image of this tool of the comparison alone")
    builder.add_argument("--bootstrap", default=os.environ.get("CONTAINER_BOOTSTRAP") or "docker")
    builder.add_argument("--base", default=os.environ.get("CONTAINER_BASE") or None)
    builder.add_argument("--force", action="store_true", help="also what is up to date")
    builder.add_argument("--verbose", action="store_true", help="show all that Apptainer says")
    for name in ("inspect", "fingerprint"):
        commands.add_parser(name).add_argument(
            "images", nargs="*", type=Path, help="default: the project's own"
        )
    return parser.parse_args(words)


def name_of_tool(tool: str, device: str) -> str:
    """Return the name of a tool's image for a kind of device; raise InputError if no list of packages has its name."""
    known = [recipe.name for recipe in containers.recipes(ROOT) if recipe.definition == containers.TOOL]
    for name in (f"contestant-{tool}-{device}", f"contestant-{tool}"):
        if name in known:
            return name
    raise InputError(
        f"requirements/contestants/{tool}.txt: no such file; docs/add-a-contestant.md tells how to make it."
    )


def main(words: list[str] | None = None) -> int:
    """Run a command and return the exit code."""
    arguments = read_arguments(words)
    try:
        if arguments.command == "build":
            device = arguments.device if arguments.device != "auto" else "gpu" if has_gpu() else "cpu"
            names = arguments.only or ["image", "report", f"train-{device}"]
            if arguments.tool:
                names = [name_of_tool(arguments.tool, device)]
            build_all(names, arguments.bootstrap, arguments.base, arguments.force, arguments.verbose)
            return 0
        paths = arguments.images or own_images()
        return inspect(paths) if arguments.command == "inspect" else fingerprints(paths)
    except InputError as error:
        print(f"ERROR {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
