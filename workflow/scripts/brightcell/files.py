"""Write files so that they appear whole or not at all."""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd

from .errors import InputError

ANEW = "If this workflow wrote the file, remove it, and it is made again; otherwise get it again."
ROOM = 1024**2  # bytes that must be free before work begins
DAY = 86400  # seconds
TEXT = frozenset(
    (
        *(
            "scheme",
            "network",
            "network_a",
            "network_b",
            "group",
            "sample",
            "image",
            "split",
            "role",
            "mask_type",
        ),
        *(
            "score",
            "variant",
            "minus",
            "equivalence",
            "carried_by",
            "level",
            "finding",
            "found",
            "advice",
            "flags",
        ),
        *("crop", "reason", "file"),
        *(
            "condition",
            "condition_a",
            "condition_b",
            "well",
            "recording",
            "measure",
            "unit",
            "why",
            "begins",
            "ends",
        ),
        *("rule", "rules", "models", "job", "slurm_job", "slurm_jobs", "state", "host", "fingerprint"),
        *("python", "brightcell", "device", "precision", "frames_sha256", "truth_sha256"),
    )
)
"""Columns of result tables that hold text; all others hold numbers, or True and False."""


def check_writable(folder: str | Path) -> None:
    """Raise InputError unless files can be created in a folder, or in its nearest parent that exists."""
    folder = Path(folder)
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    try:
        with tempfile.TemporaryFile(dir=existing, prefix=".brightcell") as file:
            file.write(bytes(ROOM))
            file.flush()
    except OSError as error:
        raise InputError(
            f"{folder}: no results can be written there ({existing.absolute()}: {error.strerror}). Expected a folder "
            f"that you may write to, with room: mend the disk or its permissions, or run in a copy of the project "
            "elsewhere."
        ) from error


def check_temporary() -> None:
    """Raise InputError unless temporary files can be written where TMPDIR says; Snakemake's scheduler and TensorFlow do."""
    folder = os.environ.get("TMPDIR") or "/tmp"
    if not Path(folder).is_dir():  # Python takes another one
        return
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
            file.flush()
    except OSError as error:
        raise InputError(
            f"{folder}: no temporary files can be written there ({error.strerror}). Expected room for some MB: make room, or "
            "name another folder, `export TMPDIR=/path/to/folder`."
        ) from error


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    It may be made a file or a folder, which replaces one that is there. The temporary name keeps the suffix of `path`, because writers choose the format by it.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("done")
    >>> [path.name for path in folder.iterdir()]
    ['a.txt']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.uname().nodename}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        if (
            temporary.is_file()
        ):  # on the disk before it has its name: a machine that goes down leaves no empty file
            _flush(temporary)
        if temporary.is_dir() and path.is_dir():
            shutil.rmtree(path)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the disk write a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # file systems that do not know it
            raise
    finally:
        os.close(handle)


def sweep(folder: str | Path) -> None:
    """Remove the temporary files of `whole` that killed processes left below a folder, and seals without a file.

    Files of other hosts are removed after a day.
    """
    for place, _, names in os.walk(folder):
        for name in names:
            if name.startswith(".") and name.endswith(".seal") and name[1:-5] not in names:
                Path(place, name).unlink(missing_ok=True)
            if name.startswith(".") and re.search(r"\.\d+\.part", name):
                path = Path(place, name)
                with suppress(OSError):  # the file is another user's, or no longer there
                    if _abandoned(path):
                        path.unlink()


def _abandoned(path: Path) -> bool:
    here = re.search(rf"\.{re.escape(os.uname().nodename)}\.(\d+)\.part", path.name)
    if not here:
        return time.time() - path.stat().st_mtime > DAY
    try:
        os.kill(int(here[1]), 0)
    except ProcessLookupError:
        return True
    return False


def _separator(path: str | Path) -> str:
    return "," if Path(path).suffix == ".csv" else "\t"


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table with a header line: commas between columns in a .csv file, tabs in all others.

    A missing value is an empty field in the columns that TEXT names and `nan` in all others, which hold numbers, or
    True and False. Floats are written with nine significant digits.
    """
    table = table.copy()
    for name in TEXT.intersection(table.columns):
        table[name] = table[name].astype(object).where(table[name].notna(), "")
    with whole(path) as temporary:
        table.to_csv(temporary, sep=_separator(path), index=False, float_format="%.9g", na_rep="nan")


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table written by `write_table`: the columns of TEXT stay text ("01" is not 1), in others `nan` is NaN."""
    with Path(path).open(encoding="utf-8") as file:
        columns = file.readline().rstrip("\n").split(_separator(path))
    missing = {column: ["nan"] for column in columns if column not in TEXT}
    return pd.read_csv(
        path, sep=_separator(path), dtype=dict.fromkeys(TEXT, str), keep_default_na=False, na_values=missing
    )


def read_tables(paths: Iterable[str | Path]) -> pd.DataFrame:
    """Read tables with the same columns into one, one below the other."""
    tables = [read_table(path) for path in paths]
    # a table without rows has columns without types, which would spoil those of the others
    return pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)


def write_json(content: dict, path: str | Path) -> None:
    """Write a dictionary as indented JSON."""
    with whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> dict:
    """Read a dictionary from a JSON file; raise InputError if it holds none."""
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({error}). {ANEW}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {str(content)[:50]!r}; expected names and values in braces. {ANEW}")
    return content


def digest(path: str | Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal_of(path: str | Path) -> Path:
    """Return the file with the digest of a result, hidden beside it.

    >>> seal_of("a/frames.tif").name
    '.frames.tif.seal'
    """
    path = Path(path)
    return path.with_name(f".{path.name}.seal")


def seal(path: str | Path, rule: str, log: str) -> None:
    """Write the digest of a finished result beside it, with the rule that made it; folders have none."""
    path = Path(path)
    if path.is_file():
        write_json(
            {"sha256": digest(path), "bytes": path.stat().st_size, "rule": rule, "log": log}, seal_of(path)
        )


def sealed_digest(path: str | Path) -> str:
    """Return the SHA-256 of a result that the job has checked against its seal; of a file without one it is computed."""
    record = seal_of(path)
    return read_json(record)["sha256"] if record.is_file() else digest(path)


def check_seal(path: str | Path, listed: Path | None = None) -> None:
    """Raise InputError if a result is no longer what its job wrote; a file without a digest is taken as it is.

    listed : the list of results in which Snakemake looks for this one, if it does not look at the file itself.
    """
    path, record = Path(path), seal_of(path)
    if not (record.is_file() and path.is_file()):
        return
    told, size = read_json(record), path.stat().st_size
    if size == told.get("bytes") and digest(path) == told.get("sha256"):
        return
    found = f"{size:,} bytes" if size != told.get("bytes") else "as many bytes, but others"
    raise InputError(
        f"{path}: damaged since the rule {told.get('rule')} wrote it. Found {found}; expected the {told.get('bytes')} bytes "
        f"whose digest is in {record.name}. Delete {_all_of(path, listed)} and start the same command again, which makes it "
        f"again; if it came from elsewhere, get it again. If it was edited on purpose, delete {record} instead."
    )


def check_listed(path: str | Path, listed: Path) -> None:
    """Raise InputError if a result that a list names is missing, or no longer what its job wrote."""
    if not Path(path).is_file():
        raise InputError(
            f"{path}: missing, though {listed} lists it. Delete {listed} and start the same command again, which makes "
            "both again."
        )
    check_seal(path, listed)


def _all_of(path: Path, listed: Path | None) -> str:
    return f"{path} and {listed}" if listed else "the file"


VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})")


def expand(path: str) -> str:
    """Replace `~` and environment variables in a path; raise InputError if a variable is not set."""
    for match in VARIABLE.finditer(path):
        name = match[1] or match[2]
        if name not in os.environ:
            raise InputError(
                f"{path}: the environment variable {name} is not set. "
                f"Set it to a folder, `export {name}=/path/to/folder`, or write the path out."
            )
    return os.path.expandvars(Path(path).expanduser())
