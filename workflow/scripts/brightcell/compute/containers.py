"""The container images: how each is built, which one a kind of job runs in, and whether it is up to date."""

import hashlib
import os
import shutil
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from brightcell import files, provenance
from brightcell.errors import InputError

if TYPE_CHECKING:
    from spython.main.base import Client

BUILD = "build it with `make containers`"
MANUAL = "docs/containers.md says more"
_MAKE_A_LIST = "It lists the packages of the tool, pinned: docs/add-a-contestant.md"
# The definition of the images in which contestants' tools run.
TOOL = "contestant.def"


@dataclass(frozen=True)
class Recipe:
    """An image of the project: the kind of jobs it is for, and the definition and package list that it is built from."""

    kind: str
    definition: str
    packages: str

    def digests(self, root: Path) -> dict[str, str]:
        """Return the SHA-256 of definition and installer, and of the package list: the image has both as labels."""
        folder = root / "containers"
        parts = {
            "definition": (folder / self.definition, folder / "install.sh"),
            "packages": (root / self.packages,),
        }
        return {
            name: hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()
            for name, paths in parts.items()
        }

    def path(self, root: Path) -> Path:
        """Return the image file, named by its digests: an edited definition or package list changes the name."""
        digest = hashlib.sha256("".join(self.digests(root).values()).encode()).hexdigest()
        return root / "containers" / f"{self.name}-{digest[:12]}.sif"

    @property
    def name(self) -> str:
        """The name of the package list: `image`, `report`, `train-cpu`, `train-gpu`; `contestant-` and a tool's name."""
        path = Path(self.packages)
        return f"contestant-{path.stem}" if path.parent.name == "contestants" else path.stem


# In the order of building. If a kind has several, jobs run in the first that exists.
RECIPES = (
    Recipe("image", "image.def", "requirements/image.txt"),
    Recipe("report", "report.def", "requirements/report.txt"),
    Recipe("train", "train.def", "requirements/train-gpu.txt"),
    Recipe("train", "train.def", "requirements/train-cpu.txt"),
)


def recipes(root: Path) -> list[Recipe]:
    """Return the recipes of a project: those of all jobs, then one for each package list of a contestant's tool."""
    lists = sorted(path.name for path in (root / "requirements/contestants").glob("*.txt"))
    return [
        *RECIPES,
        *(
            Recipe(
                f"contestant-{name.removesuffix('.txt').removesuffix('-gpu')}",
                TOOL,
                f"requirements/contestants/{name}",
            )
            for name in lists
        ),
    ]


def address(root: Path, kind: str, configured: str | None = None) -> str:
    """Return where the image for a kind of job is: an absolute path, or an address such as `oras://…`.

    `configured` is the config's value; without it the image is the project's own. A relative path starts from the
    project's folder `root`; `~` and environment variables are replaced.
    """
    if configured is None:
        own = [recipe.path(root) for recipe in recipes(root) if recipe.kind == kind]
        if not own:
            tool = kind.removeprefix("contestant-")
            raise InputError(f"requirements/contestants/{tool}.txt: no such file. {_MAKE_A_LIST}")
        return str(next((path for path in own if path.exists()), own[-1]))
    return configured if "://" in configured else os.path.normpath(root / files.expand(configured))


def usable(path: str, in_use: bool) -> str | None:
    """Return the path or address of an image, or None where Snakemake would refuse it: it takes none with a space.

    Raises InputError if such an image is to be used.
    """
    if " " not in path:
        return path
    if in_use:
        raise InputError(
            f"{path}: containers run from paths without spaces alone. Move the project to a folder without a space in its "
            "path, or name images elsewhere with the config's `containers`; or run without --sdm apptainer."
        )
    return None


def verify(root: Path, path: str | Path) -> None:
    """Raise InputError unless an image exists, is complete, and was built from this version's definition and packages.

    An image without labels of brightcell is a site's own and accepted as it is, unless its name is one of the project's.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such container image{_similar(path)}. {_remedy(root, path)}")
    labels = read_labels(path)
    known = recipes(root)
    own = [recipe for recipe in known if recipe.kind == labels.get("image")]
    if path.parent == root / "containers":
        own = [recipe for recipe in known if recipe.path(root) == path] or own
    wanted = [recipe.digests(root) for recipe in own]
    if not wanted or any(digests.items() <= labels.items() for digests in wanted):
        return
    differing = {
        name
        for name in ("definition", "packages")
        if labels.get(name) not in {digests[name] for digests in wanted}
    }
    made_from = " and ".join(sorted(differing)) or "package list"
    raise InputError(
        f"{path}: this container image belongs to another version (brightcell {labels.get('version', 'unknown')}, "
        f"commit {labels.get('commit', 'unknown')}): its {made_from} differ from containers/{own[0].definition} "
        f"and {' or '.join(recipe.packages for recipe in own)}. {_remedy(root, path)}"
    )


def read_labels(path: str | Path) -> dict[str, str]:
    """Return the labels of an image file or sandbox folder; raise InputError if it is damaged or no image."""
    path = Path(path)
    damaged = (
        f"{path}: this is no container image that can be read, {{}}. Copy it again or {BUILD}; {MANUAL}."
    )
    if path.is_file():
        size, expected = path.stat().st_size, _size_of_sif(path)
        if expected is None:
            raise InputError(damaged.format("it is no SIF file"))
        if size < expected:
            raise InputError(damaged.format(f"it is cut off: {size:,} of {expected:,} bytes are there"))
    elif not any(os.path.lexists(path / folder / "bash") for folder in ("bin", "usr/bin", "usr/local/bin")):
        raise InputError(damaged.format("the folder holds no system with bash"))
    found = client().inspect(str(path))
    if "return_code" in found:
        reason = (found.get("message") or ["no reason given"])[-1].strip().splitlines()[-1]
        raise InputError(damaged.format(f"Apptainer says: {reason}"))
    return found.get("attributes", {}).get("labels") or {}


def program() -> str:
    """Return the path of the command `apptainer` or, its older name, `singularity`; raise InputError if there is none."""
    found = shutil.which("apptainer") or shutil.which("singularity")
    if not found:
        raise InputError(f"Apptainer is not installed: there is no command `apptainer`; {MANUAL}.")
    return found


def client() -> "Client":
    """Return spython's client, changed to call `program`: by itself it only knows the older name."""
    from spython.main import get_client

    found, command = get_client(quiet=True), program()
    original = type(found)._init_command
    found._init_command = lambda *arguments: [command, *original(found, *arguments)[1:]]
    return found


def fingerprint(path: str | Path) -> str:
    """Return the fingerprint that jobs in an image record, see `provenance.fingerprint`."""
    return provenance.fingerprint(read_labels(path))


def bind(files: Iterable[str | Path], visible: Iterable[str | Path]) -> None:
    """Make Apptainer bind files in every container that this process starts, in addition to what the user bound."""
    asked = [folder for folder in os.environ.get("APPTAINER_BIND", "").split(",") if folder]
    os.environ["APPTAINER_BIND"] = ",".join(dict.fromkeys([*asked, *folders_to_bind(files, visible)]))


def folders_to_bind(files: Iterable[str | Path], visible: Iterable[str | Path]) -> list[str]:
    """Return the fewest folders to bind so that a container sees the files, except those below `visible`.

    >>> folders_to_bind(["/data/a/1.tif", "/data/a/b/2.tif", "/work/3.tif"], visible=["/work"])
    ['/data/a']
    """
    bound = [Path(folder).resolve() for folder in visible]
    found: list[Path] = []
    for folder in sorted({Path(os.path.realpath(Path(file).parent)) for file in files}):
        if not any(folder.is_relative_to(parent) for parent in [*bound, *found]):
            found.append(folder)
    return [str(folder) for folder in found]


def _size_of_sif(path: Path) -> int | None:
    """Return the size in a SIF file's header; None if the file has no such header.

    The header: 32 bytes to start it, 10 of a mark, 22 of version and id, then eight 64-bit numbers, of which the last
    two are the offset and the size of the data (https://github.com/apptainer/sif, type header).
    """
    layout = struct.Struct("<32s10s22s8q")
    with path.open("rb") as file:
        header = file.read(layout.size)
    if len(header) < layout.size or header[32:41] != b"SIF_MAGIC":
        return None
    return sum(layout.unpack(header)[-2:])


def _remedy(root: Path, path: Path) -> str:
    own = next((recipe for recipe in recipes(root) if recipe.path(root) == path), None)
    if own and own.definition == TOOL:
        return f"Copy it there or build it with `make containers NAME={own.kind.removeprefix('contestant-')}`; {MANUAL}."
    if own:
        return f"Copy it there, {BUILD}, or name another under `containers` in the config; {MANUAL}."
    return f"Correct its path under `containers` in the config, or set null there and {BUILD}; {MANUAL}."


def _similar(path: Path) -> str:
    """Return a phrase that names images of the same kind that exist instead."""
    others = sorted(other.name for other in path.parent.glob(f"{path.stem.rpartition('-')[0] or '?'}-*.sif"))
    if not others:
        return ""
    return f"; {', '.join(others)} was made from another definition or package list"
