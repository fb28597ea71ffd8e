"""Unpack a zip or tar file from elsewhere without trusting it: no file outside the folder, no links, limited size."""

import gzip
import json
import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

from brightcell.errors import InputError
from brightcell.files import expand

RECORD = ".archive.json"  # in an unpacked folder: the archive that it comes from
MOST_FILES = 200_000
# Label images may shrink to a hundredth and less; no archive of images exceeds both of these.
LARGEST_BYTES = 2 * 1024**3
LARGEST_RATIO = 200
LITTER = ("__MACOSX/*", "*/.DS_Store", ".DS_Store", "*/Thumbs.db", "Thumbs.db")


def fetched(sheet: str | Path, archive: dict | None) -> bool:
    """Return whether there is nothing to fetch: the config has no archive, or its sheet and folder exist."""
    return not archive or (Path(sheet).exists() and folder_of(sheet, archive).exists())


def folder_of(sheet: str | Path, archive: dict) -> Path:
    """Return the folder into which a config's archive is unpacked: the sheet's folder, unless it names another."""
    return Path(expand(archive["folder"])) if archive["folder"] else Path(sheet).parent


def advice(sheet: str | Path, configs: Iterable[str | Path]) -> str:
    """Return a message that says how to get the archive with the images."""
    names = "".join(f" {os.path.relpath(name)}" for name in configs)
    return (
        f"{sheet}: the images and their sheet are not here yet; the config's key `archive` says where they come from. "
        f"Get them first:\n  snakemake fetch --configfile{names} --cores 1"
    )


def unpack(
    archive: str | Path, folder: str | Path, sha256: str, members: Iterable[str] = ("*",), source: str = ""
) -> int:
    """Unpack the members of a zip or tar file that fit the patterns into a folder, which appears whole or not at all.

    The folder must not exist, be empty, or hold the same members of the same archive already. Returns the number of
    files. Raises InputError if the file is neither, is damaged, or has contents unlike an archive of images.
    """
    archive, folder, members = Path(archive), Path(folder), list(members)
    if unpacked(folder, sha256, members):
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))["files"]
    refuse_full(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _opened(archive) as (entries, read):
            chosen = _choose(entries, archive, members)
            _refuse_flood(chosen, archive, temporary.parent)
            for entry in chosen:
                target = temporary / entry.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with read(entry) as packed, target.open("wb") as written:
                    shutil.copyfileobj(packed, written, 1024**2)
        record = {"source": source, "sha256": sha256, "members": members, "files": len(chosen)}
        (temporary / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        temporary.replace(folder)  # this also replaces an empty folder
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        gzip.BadGzipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        NotImplementedError,
        UnicodeDecodeError,
    ) as error:
        raise InputError(
            f"{archive}: no zip or tar file, or a damaged one ({error}). Get it again, and its SHA-256 with it."
        ) from error
    except OSError as error:
        raise InputError(f"{archive}: could not be unpacked into {folder} ({error}).") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return len(chosen)


def unpacked(folder: str | Path, sha256: str, members: Iterable[str] = ("*",)) -> bool:
    """Return whether the folder holds these members of the archive with this digest."""
    try:
        record = json.loads((Path(folder) / RECORD).read_text(encoding="utf-8"))
        return (record["sha256"], record["members"]) == (sha256, list(members))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def refuse_full(folder: str | Path) -> None:
    """Raise InputError if a folder to unpack into is not empty."""
    folder = Path(folder)
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise InputError(
            f"{folder}: holds other files already. Nothing is written over: move it away, or give `archive.folder` "
            "of the config another name."
        )


class Entry(NamedTuple):
    """A file or folder in an archive: its name, its size in bytes, what is wrong with it or "", and its own record."""

    name: str
    size: int
    fault: str
    folder: bool
    own: zipfile.ZipInfo | tarfile.TarInfo


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[list[Entry], Callable[[Entry], IO[bytes]]]]:
    """Open a zip or tar file; yields its entries and a function that opens one of them."""
    if tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            packed, total, entries = archive.stat().st_size, 0, []
            for member in tar:
                total += member.size
                kind = "" if member.isreg() or member.isdir() else "is a link or a device"
                entries.append(
                    Entry(member.name, member.size, _fault(member.name) or kind, member.isdir(), member)
                )
                if len(entries) > MOST_FILES or _is_flood(total, packed):
                    break  # refused before the rest is unpacked
            yield entries, lambda entry: cast(IO[bytes], tar.extractfile(cast(tarfile.TarInfo, entry.own)))
        return
    with zipfile.ZipFile(archive) as file:
        entries = [
            Entry(
                each.filename,
                each.file_size,
                _fault(each.filename) or _fault_of_zip(each),
                each.filename.endswith("/"),
                each,
            )
            for each in file.infolist()
        ]
        yield entries, lambda entry: file.open(cast(zipfile.ZipInfo, entry.own))


def _choose(entries: list[Entry], archive: Path, members: list[str]) -> list[Entry]:
    """Return the files to unpack; raise InputError for a name or a kind of file that could do harm."""
    chosen: list[Entry] = []
    seen: dict[str, str] = {}
    if len(entries) > MOST_FILES:
        raise InputError(f"{archive}: {len(entries):,} files; expected at most {MOST_FILES:,}. Not unpacked.")
    for entry in entries:
        name = entry.name
        if entry.fault:
            raise InputError(
                f"{archive}: {name!r} in it {entry.fault}. Nothing was unpacked: this is no archive of images."
            )
        if entry.folder or any(fnmatchcase(name, litter) for litter in LITTER):
            continue
        if any(fnmatchcase(name, pattern) for pattern in members):
            same = seen.setdefault(name.lower(), name)
            if same is not name:
                raise InputError(
                    f"{archive}: {name!r} in it stands twice (as {same!r}). Nothing was unpacked."
                )
            chosen.append(entry)
    if not chosen:
        held = [entry.name for entry in entries[:5]]
        raise InputError(
            f"{archive}: no file in it fits `archive.members`, {', '.join(members)}. It holds {', '.join(held) or 'nothing'}."
        )
    return chosen


def _fault(name: str) -> str:
    if not name:
        return "has no name"
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or name[1:2] == ":":
        return "leads out of the folder"
    if any(ord(character) < 32 for character in name):
        return "has a line break or the like in its name"
    return ""


def _fault_of_zip(entry: zipfile.ZipInfo) -> str:
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device"
    return "is locked with a password" if entry.flag_bits & 1 else ""


def _is_flood(total: int, packed: int) -> bool:
    return total > LARGEST_BYTES and total > LARGEST_RATIO * packed


def _refuse_flood(entries: list[Entry], archive: Path, place: Path) -> None:
    """Raise InputError if the files take much more room than the archive, or more than is free."""
    total, packed = sum(entry.size for entry in entries), archive.stat().st_size
    if _is_flood(total, packed):
        raise InputError(
            f"{archive}: {packed:,} bytes that unpack to {total:,}. Nothing was unpacked: this is no archive of images."
        )
    free = shutil.disk_usage(place).free
    if total > free:
        raise InputError(
            f"{archive}: unpacks to {total:,} bytes; {free:,} are free below {place}. Make room."
        )
