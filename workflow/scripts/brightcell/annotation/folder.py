"""The folder in which a person draws: every crop as a picture, the cells predicted in it, and a file that says where it is from.

Files of one crop have one name in folders by kind. What is there already is never written again: a person may be at work
on it, and crops of earlier rounds stay beside their corrections.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from brightcell import files
from brightcell.errors import InputError, counted, nearest
from brightcell.sheets.layouts import ARRAYS, MASK_SUFFIXES

KINDS = {
    "images": ".tif",
    "predicted": ".tif",
    "rois": ".zip",
    "geojson": ".geojson",
    "crops": ".json",
}
"""folder → suffix; `crops` is written last, so that a crop that has it is whole"""
LONGEST_SAMPLE = 70  # characters of a crop's name
FORMS = (*MASK_SUFFIXES, *ARRAYS, ".csv", ".xml")


def name_of(sample: str, top: int, left: int) -> str:
    """Return the name of a crop.

    >>> name_of("dish9_00", 120, 40)
    'dish9_00_y120_x40'
    """
    if len(sample) > LONGEST_SAMPLE:
        sample = f"{sample[: LONGEST_SAMPLE - 9]}-{hashlib.sha256(sample.encode()).hexdigest()[:8]}"
    return f"{sample}_y{top}_x{left}"


def path_of(folder: Path, kind: str, name: str) -> Path:
    """Return the path of a file of a crop; kind : of KINDS"""
    return folder / kind / f"{name}{KINDS[kind]}"


def known(folder: Path) -> dict[str, dict]:
    """Return what is written of each crop in a folder, by its name; see `write_crop`."""
    return {path.stem: files.read_json(path) for path in sorted((folder / "crops").glob("*.json"))}


def sheet(folder: Path, crops: dict[str, dict], masks: dict[str, str]) -> Iterator[str]:
    """Yield the lines of a sample sheet of crops, tabs between the columns.

    crops : what `known` returns of them; masks : the path of each one's mask, relative to the sheet as the images are
    """
    size = "pixel_size_um" if all(each["pixel_size_um"] for each in crops.values()) else "cell_diameter_px"
    yield "\t".join(["sample", "image", "mask", "group", size])
    for name, about in crops.items():
        image = path_of(folder, "images", name).as_posix()
        yield "\t".join([name, image, masks[name], about["recording"], f"{about[size]:.6g}"])


def find(place: Path, crops: Iterable[str]) -> dict[str, list[Path]]:
    """Return the files of each crop in a folder; the name of a file begins with that of its crop.

    Raises InputError for files of masks or outlines that belong to no crop. A folder that is not there is empty.
    """
    names = sorted(crops, key=len, reverse=True)
    found: dict[str, list[Path]] = {}
    strange = []
    for path in sorted(place.iterdir()) if place.is_dir() else []:
        if path.name.startswith(".") or (path.is_file() and not path.name.lower().endswith(FORMS)):
            continue
        crop = next(
            (name for name in names if re.fullmatch(rf"{re.escape(name)}(\W.*|_.*)?", path.name)), None
        )
        if crop:
            found.setdefault(crop, []).append(path)
        else:
            strange.append(path.name)
    if strange:
        guess = nearest(Path(strange[0]).stem, names)
        hint = f"; did you mean {guess}?" if guess else "."
        raise InputError(
            f"{place}: {counted(len(strange), 'file belongs', 'files belong')} to no crop, such as {strange[0]}{hint} Expected "
            "names that begin with that of a crop, such as those in suggest/images: rename or remove them."
        )
    return dict(sorted(found.items()))
