"""The files beside a trained network: recipe.json says how it was trained, calibration.json how its cells are separated.

expected.tsv, beside the folders of a network's trainings, says how well they do together.

They may come from a colleague, so everything that is used of them is checked.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

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
_SHARE = number(0, 1)
_NAN = Rule("nan", lambda found: isinstance(found, float) and found != found)
EXPECTED: Mapping[str, Rule] = {
    **dict.fromkeys(("scheme", "network", "score"), NAME),
    "mean": _SHARE,
    **dict.fromkeys(
        ("low", "high"),
        Rule(f"{_SHARE.expected}, or nan", lambda found: _SHARE.allows(found) or _NAN.allows(found)),
    ),
    **dict.fromkeys(("groups", "frames", "seeds", "trainings"), whole(1, 10**9)),
    "leaky": one_of(True, False),
}
MOST_ROWS = 100


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


def expected_beside(models: Iterable[str | Path]) -> list[str]:
    """Return the paths of expected.tsv that are there beside the folders of some models: ../expected.tsv of each folder.

    models : the folders, or model.keras in them
    """
    folders = [path.parent if (path := Path(model)).name == FILES[0] else path for model in models]
    found = dict.fromkeys(folder.parent / "expected.tsv" for folder in folders)
    return [str(path) for path in found if path.is_file()]


def read_expected(path: str | Path) -> pd.DataFrame:
    """Read and check an expected.tsv; InputError with what is wrong in it."""
    advice = "get the file again, or remove it"
    try:
        if Path(path).stat().st_size > LARGEST:
            raise InputError(
                f"{path}: larger than {LARGEST:,} bytes. Expected the file that this workflow wrote: {advice}."
            )
        table = files.read_table(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): {advice}.") from None
    except ValueError as error:  # of the encoding, or pandas' own
        raise InputError(
            f"{path}: no table can be read from it ({shortened(str(error))}). Expected a table with tabs: {advice}."
        ) from None
    missing = [name for name in EXPECTED if name not in table]
    if missing or not 0 < len(table) <= MOST_ROWS:
        found = f"no column {', '.join(missing)}" if missing else f"{len(table)} rows"
        raise InputError(
            f"{path}: {found}. Expected 1 to {MOST_ROWS} rows with the columns {', '.join(EXPECTED)}: {advice}."
        )
    for number_of_row, row in enumerate(table[list(EXPECTED)].to_dict("records"), start=1):
        for name, rule in EXPECTED.items():
            if not rule.allows(row[name]):
                raise InputError(
                    f"{path}: {name} is {shortened(row[name])} in row {number_of_row}. Expected {rule.expected}: {advice}."
                )
    return table[list(EXPECTED)]


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
