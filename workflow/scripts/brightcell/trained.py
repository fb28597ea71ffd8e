"""The files beside a trained network: recipe.json says how it was trained, calibration.json how its cells are separated.

They may come from a colleague, so everything that is used of them is checked.
"""

from collections.abc import Mapping
from pathlib import Path

from . import files
from .errors import InputError
from .values import NAME, Rule, check, mapping, number, one_of, optional, shortened, whole

LARGEST = 2**20
NEEDED = {
    "recipe.json": ("network", "channels", "outputs", "levels", "percentiles", "working_pixel_size_um"),
    "calibration.json": ("parameters", "score", "value"),
}
FILES = ("model.keras", *NEEDED)

_SHORT = Rule(
    "a short text", lambda found: isinstance(found, str) and len(found) <= 200 and found.isprintable()
)
_NUMBER = number(-1e12, 1e12).allows
_PLAIN = Rule(
    "a number, a short text, true, false, null or a few numbers",
    lambda found: (
        found is None
        or isinstance(found, bool)
        or _NUMBER(found)
        or _SHORT.allows(found)
        or (isinstance(found, list) and len(found) <= 8 and all(map(_NUMBER, found)))
    ),
)
_RANGE = Rule(
    "three numbers in ascending order",
    lambda found: (
        isinstance(found, list) and len(found) == 3 and all(map(_NUMBER, found)) and found == sorted(found)
    ),
)
RECIPE: Mapping[str, Rule] = {
    **dict.fromkeys(("network", "dataset", "scheme"), NAME),
    "channels": whole(1, 64),
    "outputs": whole(1, 8),
    "levels": whole(1, 10),
    "percentiles": Rule(
        "two numbers from 0 to 100, the smaller first",
        lambda found: (
            isinstance(found, list)
            and len(found) == 2
            and all(map(_NUMBER, found))
            and 0 <= found[0] < found[1] <= 100
        ),
    ),
    "working_pixel_size_um": optional(number(1e-4, 1e4)),
    "chosen_channels": optional(
        Rule(
            "a list of channel numbers",
            lambda found: (
                isinstance(found, list) and len(found) <= 64 and all(map(whole(0, 4096).allows, found))
            ),
        )
    ),
    "preprocess": mapping(_PLAIN),
    "training_data": mapping(_RANGE),
}
WATERSHED: Mapping[str, Rule] = {
    "threshold": number(0, 1),
    "smoothing_px": number(0, 50),
    "depth": number(0, 1000),
    "minimum_area_px": number(0, 1e8),
    "radius_px": number(1e-3, 1e4),  # only where the network has learned no distance
}
CALIBRATION: Mapping[str, Rule] = {
    "parameters": Rule("names and values", lambda found: isinstance(found, dict)),
    "score": NAME,
    "value": number(-1e9, 1e9),
    "symmetries": one_of(True, False),
    "pixels": Rule(
        "a threshold from 0 to 1, its score and its value",
        lambda found: isinstance(found, dict) and number(0, 1).allows(found.get("threshold")),
    ),
}


def read_recipe(path: str | Path, needed: tuple[str, ...] = NEEDED["recipe.json"]) -> dict:
    """Read and check a recipe.json, which must have the keys `needed`; InputError with what is wrong in it."""
    return check(_read(path), RECIPE, path, needed)


def read_calibration(path: str | Path) -> dict:
    """Read and check a calibration.json; InputError with what is wrong in it."""
    content = check(_read(path), CALIBRATION, path, NEEDED["calibration.json"])
    odd = set(content["parameters"]) - set(WATERSHED)
    if odd:
        raise InputError(
            f"{path}: parameters has {shortened(sorted(map(str, odd)))}. Expected {', '.join(WATERSHED)}: get the file "
            "again, or remove the folder."
        )
    check(content["parameters"], WATERSHED, f"{path}: parameters", tuple(WATERSHED)[:4])
    return content


def _read(path: str | Path) -> dict:
    """Read a small JSON file, no more of it than it may have."""
    try:
        if not Path(path).is_file():
            raise InputError(
                f"{path}: no such file. Expected {', '.join(FILES)} together: copy the whole folder."
            )
        if not 0 < Path(path).stat().st_size <= LARGEST:
            raise InputError(
                f"{path}: empty, or larger than {LARGEST:,} bytes. Expected the file that this workflow wrote beside a model."
            )
        return files.read_json(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Copy the whole folder again.") from None
