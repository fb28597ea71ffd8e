"""Read cells from COCO, whose files hold the cells of a whole data set and may be larger than the memory.

A file is read once, as a stream, into an index: a database from which the cells of one image are fetched.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any

import numpy as np

from brightcell.errors import InputError

from .image_file import damaged
from .outlined import Cells, Frame, by_class, check_named_size, matching_name
from .rasterize import Patch, bounded, fill, limited

BOM = b"\xef\xbb\xbf"
TABLES = """
create table images(id text, name text, base text, height integer, width integer);
create table classes(id text, name text);
create table cells(image text, class text, crowd integer, outline text);
"""
LONGEST_RUN = 60  # bits
INDEXES = "create index by_base on images(base); create index by_image on cells(image);"


@lru_cache(maxsize=1)
def is_coco(path: Path, modified: int = 0) -> bool:
    """Tell whether a JSON file is an object with the key `annotations`; what precedes the key is read."""
    return _kind_of_annotations(path) is not None


def image_names(path: Path) -> list[str]:
    """Return the file names of the images in a COCO file; none if it is of another kind."""
    return [str(entry["file_name"]) for entry in _items(path, "images.item")] if is_coco(path) else []


def write_index(path: Path, target: Path) -> None:
    """Write the index of a COCO file, from which `read_coco` reads without parsing the file again; else an empty file.

    Raises InputError if the file is damaged.
    """
    try:
        if not is_coco(path, path.stat().st_mtime_ns):
            target.write_bytes(b"")
            return
    except Exception as error:  # the parser's own errors
        raise damaged(path, error) from error
    database = sqlite3.connect(target)
    try:
        _fill(path, database)
    except Exception as error:  # the parser's own errors
        raise damaged(path, error) from error
    finally:
        database.close()


def read_coco(path: Path, frame: Frame) -> Cells:
    """Read the cells of one image of a COCO file; images are identified by their file names.

    A name that stands in the file several times is one image, with the cells of all its entries. Crowds are ignored areas.
    """
    database = _index_of(str(path), path.stat().st_mtime_ns, frame.database)
    ids, name = _image(path, database, frame)
    known = dict(database.execute("select id, name from classes"))
    if (
        frame.classes
        and known
        and not {each.lower() for each in frame.classes} & {each.lower() for each in known.values()}
    ):
        raise InputError(
            f"{path}: has the categories {', '.join(known.values())}; the config's images.cell_classes asks for "
            f"{', '.join(frame.classes)}. Correct the config."
        )
    rows = database.execute(
        f"select distinct class, crowd, outline from cells where image in ({', '.join('?' * len(ids))})", ids
    ).fetchall()
    patches, classes, empty = [], [], 0
    drawn = limited(path, (_patch(json.loads(outline), frame.shape) for *_, outline in rows), frame.shape)
    for (category, crowd, _), patch in zip(rows, drawn, strict=True):
        if patch is None:
            empty += 1
        else:
            patches.append(patch)
            classes.append("Ignore*" if crowd else known.get(category, ""))
    found = by_class(path, patches, classes, frame.classes)
    notes = [f"{empty} annotations have a box but no outline and are left out"] if empty else []
    if len(ids) > 1:
        notes.append(
            f"{name} stands {len(ids)} times in it; the cells of all its entries are taken, equal ones once"
        )
    return found._replace(notes=notes + found.notes)


def _image(path: Path, database: sqlite3.Connection, frame: Frame) -> tuple[list[str], str]:
    """Return the ids and the name of the image whose path shares the longest end, at least the file's name."""
    entries = database.execute(
        "select name, id, height, width from images where base = ?", [Path(frame.image).name]
    ).fetchall()
    number = database.execute("select count(*) from images").fetchone()[0]
    names = list(dict.fromkeys(name for name, *_ in entries)) or [
        name for (name,) in database.execute("select name from images limit 3")
    ]
    best = matching_name(path, names, frame.image, number)
    chosen = [entry for entry in entries if entry[0] == best]
    for _, _, height, width in chosen:
        check_named_size(path, best, (height, width), frame)
    return [entry[1] for entry in chosen], best


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _patch(outline: Any, shape: tuple[int, int]) -> Patch | None:
    if isinstance(outline, dict):
        return bounded(run_lengths(outline, shape))
    if not outline:
        return None
    return fill([[np.reshape(np.asarray(ring, float), (-1, 2))] for ring in outline], shape)


@lru_cache(maxsize=1)  # the cells of all images of a file are read one image after the other
def _index_of(path: str, modified: int, index: str) -> sqlite3.Connection:
    if index:
        return sqlite3.connect(f"{Path(index).absolute().as_uri()}?mode=ro", uri=True)
    database = sqlite3.connect(":memory:")
    _fill(Path(path), database)
    return database


def _fill(path: Path, database: sqlite3.Connection) -> None:
    """Fill a database with images, categories and annotations of a COCO file. Raises InputError if they do not fit."""
    kind = _kind_of_annotations(path)
    if kind is None:
        raise InputError(f"{path}: not COCO (keys images and annotations). Export the cells again as COCO.")
    database.executescript(TABLES)
    database.executemany("insert into images values (?, ?, ?, ?, ?)", _images(path))
    database.executemany(
        "insert into classes values (?, ?)",
        ((_id(each["id"]), str(each.get("name", each["id"]))) for each in _items(path, "categories.item")),
    )
    database.executemany("insert into cells values (?, ?, ?, ?)", _annotations(path, kind))
    database.executescript(INDEXES)
    database.commit()
    strange, number = database.execute(
        "select count(*) filter (where image not in (select id from images)), count(*) from cells"
    ).fetchone()
    if strange:
        (example,) = database.execute(
            "select image from cells where image not in (select id from images) limit 1"
        ).fetchone()
        raise InputError(
            f"{path}: {strange:,} of {number:,} annotations belong to no image of the file, for example to image_id "
            f"{example}. Expected the id of an entry in `images`: export the file again, with all its images."
        )


def _images(path: Path) -> Iterator[tuple]:
    for entry in _items(path, "images.item"):
        name = str(entry["file_name"])
        yield _id(entry["id"]), name, (_parts(name) or ("",))[-1], entry.get("height"), entry.get("width")


def _annotations(path: Path, kind: str) -> Iterator[tuple]:
    # Some published files keep the annotations as an object, {"1": {…}}, in place of a list.
    found: Iterable = (
        _items(path, "annotations.item")
        if kind == "start_array"
        else (each for _, each in _members(path, "annotations"))
    )
    for each in found:
        crowd = int(bool(each.get("iscrowd")))
        yield _id(each["image_id"]), _id(each.get("category_id")), crowd, json.dumps(each.get("segmentation"))


def _id(value: object) -> str:
    """Return an id as text: 1, 1.0 and "1" are the same one."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _items(path: Path, prefix: str) -> Iterator[dict]:
    import ijson

    with _opened(path) as file:
        yield from ijson.items(file, prefix, use_float=True)


def _members(path: Path, prefix: str) -> Iterator[tuple[str, dict]]:
    import ijson

    with _opened(path) as file:
        yield from ijson.kvitems(file, prefix, use_float=True)


def _kind_of_annotations(path: Path) -> str | None:
    """Return the event with which the annotations of a COCO file begin, start_array or start_map; None if it has none."""
    import ijson

    with _opened(path) as file:
        events = ijson.basic_parse(file)
        if next(events, ("", None))[0] != "start_map":
            return None
        depth, wanted = 1, False
        for event, value in events:
            if wanted:
                return event if event in ("start_array", "start_map") else None
            depth += event in ("start_map", "start_array")
            depth -= event in ("end_map", "end_array")
            wanted = depth == 1 and event == "map_key" and value == "annotations"
    return None


def _opened(path: Path) -> IO[bytes]:
    file = path.open("rb")
    if file.read(len(BOM)) != BOM:
        file.seek(0)
    return file


def run_lengths(code: dict, shape: tuple[int, int]) -> np.ndarray:
    """Decode COCO's run lengths {"size", "counts"}, a list or compressed text, into a bool image.

    Runs of background and cell alternate down the columns, background first. The text holds them in base 32, five
    bits per character from "0" on, lowest first; from the third run on as differences to the run before the last
    (cocodataset/cocoapi, maskApi.c).
    >>> run_lengths({"size": [2, 3], "counts": [1, 2, 3]}, (2, 3)).astype(int).tolist()
    [[0, 1, 0], [1, 0, 0]]
    """
    counts = code["counts"]
    if isinstance(counts, str):
        counts = _decompressed(counts)
    if (
        tuple(code["size"]) != tuple(shape)
        or sum(counts) != shape[0] * shape[1]
        or min(counts, default=0) < 0
    ):
        raise ValueError(
            f"run lengths of {code['size']} that add up to {sum(counts)}, for an image of {list(shape)}"
        )
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape[::-1]).T


def _decompressed(text: str) -> list[int]:
    counts: list[int] = []
    value = bits = 0
    for character in text:
        digit = ord(character) - 48
        value |= (digit & 31) << bits
        bits += 5
        if bits > LONGEST_RUN:
            raise ValueError("a run length without end")
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << bits
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = bits = 0
    return counts
