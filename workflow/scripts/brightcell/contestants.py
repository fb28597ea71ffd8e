"""Contestants: whole tools, and labels that were made elsewhere, as further rows of the comparison.

A tool is a file in workflow/contestants/ with the functions train, predict and labels (docs/add-a-contestant.md). A
contestant is *fixed* if nothing is trained here: its labels are given, or it has weights and 0 epochs.
"""

import hashlib
import importlib.util
import math
import re
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .errors import InputError, nearest
from .folds import fold_numbers, trainings

FUNCTIONS = ("train", "predict", "labels")
FOLDER = Path("workflow/contestants")
RUNNER = "run.py"
ENVIRONMENTS = ".venv-contestants"
BUDGET = ("minutes", "epochs")


def tool_of(name: str, entry: dict) -> str | None:
    """Return the tool of a contestant: by default its name; None for given labels."""
    return None if entry["labels"] else entry["tool"] or name


def is_fixed(entry: dict) -> bool:
    """Return whether nothing is trained here, so that there is no luck of a training."""
    return bool(entry["labels"]) or entry["epochs"] == 0


def may_have_seen(entry: dict) -> bool:
    """Return whether a contestant's model may have been trained on the frames that are tested here."""
    return bool(entry["labels"] or entry["weights"]) and not entry["held_out"]


def running(config: dict) -> dict[str, dict]:
    """Return the contestants of a config whose tools run."""
    return {name: entry for name, entry in config["contestants"].items() if not entry["labels"]}


def given(config: dict) -> dict[str, dict]:
    """Return the contestants of a config whose labels are given."""
    return {name: entry for name, entry in config["contestants"].items() if entry["labels"]}


def fixed(config: dict) -> list[str]:
    """Return the names of the contestants that are not trained here."""
    return [name for name, entry in config["contestants"].items() if is_fixed(entry)]


def runs(config: dict) -> list[dict]:
    """Return scheme, network (the contestant's name), fold and seed of every run that the contestants need.

    A fixed contestant has one seed, the first.
    """
    return [
        {"scheme": scheme, "network": name, "fold": fold, "seed": seed}
        for scheme in config["folds"]["schemes"]
        for name, entry in config["contestants"].items()
        for fold in fold_numbers(scheme, config["folds"]["number"])
        for seed in (config["seeds"][:1] if is_fixed(entry) else config["seeds"])
    ]


def every_run(config: dict) -> list[dict]:
    """Return the trainings of networks, then the runs of contestants: the rows of all comparisons."""
    return trainings(config) + runs(config)


def tools(root: Path) -> dict[str, Path]:
    """Return the files of the tools in a project's folder, by the tools' names."""
    return {path.stem: path for path in sorted((root / FOLDER).glob("*.py")) if path.name != RUNNER}


def load(path: str | Path) -> ModuleType:
    """Import a tool's file under a name of its own, so that it can import the package that has its name.

    Raises InputError where that fails, where one of its functions is missing, or where its options are no dictionary.
    """
    path = Path(path)
    spec = importlib.util.spec_from_file_location(f"contestant_{path.stem}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise InputError(
            f"{_place(path, error)}: {error}. Expected a file that can be read without the tool's packages: import them in "
            "the functions."
        ) from None
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{_place(path, error)}: {type(error).__name__}: {error}. Expected a file that Python can import: correct it."
        ) from None
    missing = [name for name in FUNCTIONS if not callable(getattr(module, name, None))]
    if missing:
        raise InputError(
            f"{path}: no function {', '.join(missing)}. Expected {', '.join(FUNCTIONS)}: docs/add-a-contestant.md."
        )
    options = getattr(module, "OPTIONS", {})
    if not isinstance(options, dict) or not all(isinstance(key, str) for key in options):
        raise InputError(
            f"{path}: OPTIONS is {options!r}. Expected a dictionary of names and defaults, such as {{'depth': 3}}."
        )
    return module


def _place(path: str | Path, error: BaseException) -> str:
    """Return a file and, if an error arose in it, the line."""
    file = str(Path(path).resolve())
    lines = [
        line
        for name, line in (
            *((frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)),
            (getattr(error, "filename", None), getattr(error, "lineno", None)),
        )
        if line and name and str(Path(name).resolve()) == file
    ]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def title(name: str, entry: dict, root: Path) -> str:
    """Return what to call a contestant in sentences: its tool's name, and its own where that differs."""
    tool = tool_of(name, entry)
    if tool is None:
        return name
    called = getattr(load(tools(root)[tool]), "TITLE", tool)
    return called if name == tool else f"{name} ({called})"


def settings(entry: dict, module: ModuleType, training: dict) -> dict[str, Any]:
    """Return the settings for a tool that do not depend on the run: budget, weights, options with their defaults.

    training : the config's `training`; its minutes or epochs count where the contestant names none
    """
    budget = {key: entry[key] for key in BUDGET}
    if entry["minutes"] is None and entry["epochs"] is None:
        key = "minutes" if training["minutes"] else "epochs"
        budget[key] = training[key]
    return {
        **budget,
        "weights": entry["weights"],
        "options": getattr(module, "OPTIONS", {}) | entry["options"],
    }


def check_tools(config: dict, root: Path) -> dict[str, ModuleType]:
    """Check what a config says of the contestants whose tools run; return the modules of their tools.

    One InputError lists unknown tools and options, missing weights, and what the tools themselves find.
    """
    known = tools(root)
    modules, problems = {}, []
    for name, entry in running(config).items():
        tool = tool_of(name, entry) or name
        if tool not in known:
            guess = nearest(tool, known)
            problems.append(
                f"contestants.{name}: there is no tool {tool!r}; expected one of {', '.join(known)}"
                f"{f'; did you mean {guess}?' if guess else ''}. To add one: docs/add-a-contestant.md"
            )
            continue
        modules[name] = load(known[tool])
        problems += [
            f"contestants.{name}{found}" for found in _faults(entry, modules[name], config["training"])
        ]
    if problems:
        raise InputError("\n  ".join(["the contestants of the config cannot run:", *problems]))
    return modules


def _faults(entry: dict, module: ModuleType, training: dict) -> Iterator[str]:
    """Yield what is wrong with a contestant, to be written behind its key."""
    options = getattr(module, "OPTIONS", {})
    for key, value in entry["options"].items():
        if key not in options:
            guess = nearest(key, options)
            legal = f"did you mean {guess}?" if guess else f"expected one of {', '.join(options) or 'none'}"
            yield f".options.{key}: unknown option; {legal}"
        elif not _same_kind(value, options[key]):
            yield f".options.{key}: found {value!r}; expected a value like its default, {options[key]!r}"
    weights = entry["weights"]
    if weights and not Path(weights).exists():
        yield f".weights: {weights}: no such file. Nothing is downloaded: get the weights, and correct the path"
    elif not weights and (getattr(module, "NEEDS_WEIGHTS", False) or entry["epochs"] == 0):
        why = "with 0 epochs nothing is trained" if entry["epochs"] == 0 else "this tool starts from weights"
        yield f".weights: missing; expected the path of a file: {why}, and nothing is downloaded"
    elif check := getattr(module, "check", None):
        try:
            check(settings(entry, module, training))
        except SystemExit as error:
            yield f": {error}"
        except Exception as error:
            place = _place(module.__file__ or "", error)
            yield f": {place}: check failed with {type(error).__name__}: {error}. Correct the tool's file"


def _same_kind(value: object, default: object) -> bool:
    """Return whether a value has the type of a default; None is of any type, and fractions may be whole numbers."""
    if default is None or value is None:
        return True
    if isinstance(value, bool) or isinstance(default, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    return isinstance(value, int | float if isinstance(default, float) else type(default))


def packages_of(root: Path, tool: str) -> list[Path]:
    """Return the lists of packages of a tool that there are, one for each kind of device."""
    folder = root / "requirements/contestants"
    return [path for name in (tool, f"{tool}-gpu") if (path := folder / f"{name}.txt").is_file()]


def environment(root: Path, tool: str) -> Path:
    """Return the folder of a tool's environment."""
    return root / ENVIRONMENTS / tool


def check_environment(root: Path, tool: str) -> None:
    """Raise InputError unless a tool's environment is there, and made from its list of packages as it is now."""
    folder, advice = environment(root, tool), f"`make contestant NAME={tool}`"
    lists = packages_of(root, tool)
    if not lists:
        raise InputError(
            f"requirements/contestants/{tool}.txt: no such file. Expected the packages of the tool {tool}, pinned: "
            "docs/add-a-contestant.md."
        )
    made = folder / "installed"
    if not made.is_file():
        raise InputError(f"{folder}: the tool {tool} has no environment. Make it: {advice}.")
    if made.read_text().split()[-1:] not in [
        [hashlib.sha256(path.read_bytes()).hexdigest()] for path in lists
    ]:
        raise InputError(
            f"{folder}: the environment of the tool {tool} was made from another list than "
            f"{' or '.join(path.name for path in lists)}. Make it again: {advice}."
        )


def main_packages(root: Path, tool: str) -> list[str]:
    """Return the packages that a tool's list names, without those that they need in turn."""
    path = root / f"requirements/contestants/{tool}.in"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    return [found[0] for line in lines if (found := re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line))]


def plain_values(returned: object, where: str | Path) -> dict:
    """Return what a tool's `train` returned as values that JSON can hold; raise InputError if it is something else.

    NumPy's numbers and arrays become numbers and lists. What is not a finite number becomes None.

    >>> plain_values({"loss": np.float32(0.5), "rates": np.array([1.0, np.nan])}, "mytool.py")
    {'loss': 0.5, 'rates': [1.0, None]}
    """
    try:
        plain = {} if returned is None else _plain(returned)
    except (TypeError, RecursionError):
        plain = None
    if isinstance(plain, dict):
        return plain
    raise InputError(
        f"{where}: train returned {str(returned)[:100]!r} ({type(returned).__name__}). Expected a dictionary of plain values: "
        "numbers, words, true or false, None, and lists of them."
    )


def _plain(value: object) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    raise TypeError(type(value).__name__)


def check_labels(labels: object, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Return a label image as int32; raise InputError, which begins with `where`, if it is none of a frame of this shape.

    >>> check_labels(np.array([[0, 3]], np.uint8), (1, 2), "stardist, sample a").tolist()
    [[0, 3]]
    """
    if labels is None:
        raise InputError(
            f"{where}: labels returned None. Expected an array of {' × '.join(map(str, shape))} px: end the function with return."
        )
    labels = np.asarray(labels)
    if labels.shape != tuple(shape):
        found = " × ".join(map(str, labels.shape)) or "a single value"
        raise InputError(
            f"{where}: labels of {found} px. Expected {' × '.join(map(str, shape))} px, as the frame has."
        )
    if labels.dtype.kind not in "ui":
        advice = (
            "a mask of True and False has no cells: number them, for example with skimage.measure.label"
            if labels.dtype.kind == "b"
            else "add `.astype(np.int32)`"
        )
        raise InputError(
            f"{where}: labels of type {labels.dtype}. Expected whole numbers: 0 for background, cells from 1; {advice}."
        )
    if labels.size and (labels.min() < 0 or labels.max() > np.iinfo(np.int32).max):
        raise InputError(
            f"{where}: labels from {labels.min()} to {labels.max()}. Expected 0 for background and cells from 1 to "
            f"{np.iinfo(np.int32).max:,}."
        )
    return labels.astype(np.int32)


def files_of(pattern: str, folder: Path, rows: Iterable[dict]) -> dict[str, str]:
    """Return the file of labels of each sample: `{sample}` and `{group}` in the pattern are replaced.

    rows : of the sheet; folder : of the sheet, from which a relative pattern starts
    """
    found = {}
    for row in rows:
        try:
            path = pattern.format(sample=row["sample"], group=row["group"])
        except (KeyError, IndexError, ValueError):
            raise InputError(
                f"{pattern}: only {{sample}} and {{group}} are replaced in a pattern of labels. Expected one such as "
                "masks/{sample}_cp_masks.png."
            ) from None
        found[row["sample"]] = str(folder / path)
    return found


def check_files(name: str, files: dict[str, str]) -> None:
    """Raise InputError if files of labels, by sample, are missing."""
    absent = [sample for sample, path in files.items() if not Path(path).exists()]
    if absent:
        listed = "".join(f"\n  sample {sample}: {files[sample]}" for sample in absent[:5])
        more = f"\n  … and {len(absent) - 5:,} more" if len(absent) > 5 else ""
        raise InputError(
            f"contestants.{name}.labels: {len(absent)} of {len(files)} frames have no file of labels. Expected one for every "
            f"frame that is tested; paths start from the sheet's folder:{listed}{more}"
        )
