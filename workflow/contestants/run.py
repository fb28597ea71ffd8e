"""Run a contestant's tool in its own environment: train it on a fold, or label the test frames of the fold.

    python -I run.py train|predict JOB THREADS

JOB is JSON, as workflow/rules/contestants.smk writes it: what the job reads and writes, its settings, its log. The tool is
given arrays and a folder; all else is done here. With -I Python does not look for packages beside this file.
"""

import argparse
import json
import os
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, TextIO

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from brightcell import contestants, files, jobs, provenance  # noqa: E402
from brightcell.errors import InputError  # noqa: E402
from brightcell.io import stacks  # noqa: E402
from brightcell.sheets.roles import rows_in_role  # noqa: E402

MADE_OF = "made_of.json"


def main(command: str, job: dict, threads: int) -> None:
    """Run one job; see the module."""
    run, inputs, outputs = (SimpleNamespace(**job[name]) for name in ("run", "inputs", "outputs"))
    tool = contestants.load(inputs.tool)
    samples, folds = files.read_table(inputs.samples), files.read_table(inputs.folds)
    roles = ("train", "validate") if command == "train" else ("train", "validate", "test")
    rows = {role: rows_in_role(samples, folds, run.scheme, run.fold, role) for role in roles}
    inputs.frames, inputs.truth = (
        stacks.listed_groups(inputs.prepared, kind) for kind in ("frames", "truth")
    )
    device = files.read_json(inputs.preflight)["device"] if inputs.preflight else "cpu"
    known = pd.concat([rows["train"], rows["validate"]])["pixel_size_um"].median()
    settings = contestants.settings(job["entry"], tool, job["training"]) | {
        "seed": run.seed,
        "pixel_size_um": None if pd.isna(known) else float(known),
        "threads": threads,
        "device": device,
    }
    jobs.tell(device=device)
    folder = Path(outputs.folder)
    if command == "train":
        train(tool, rows, inputs, outputs, folder, settings, run, job)
    else:
        predict(tool, rows["test"], inputs, outputs, folder, settings, run, job["log"])


def train(
    tool: ModuleType, rows: dict, inputs: Any, outputs: Any, folder: Path, settings: dict, run: Any, job: dict
) -> None:
    """Train a tool on the frames of a fold, and write recipe.json. Its folder is kept where nothing has changed since."""
    made_of = digest(rows, inputs, settings)
    state = folder / MADE_OF
    if not state.is_file() or files.read_json(state) != made_of:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        files.write_json(made_of, state)
    else:
        jobs.logger.info("%s: state of an earlier attempt is there", folder)
    training, validation = (
        [
            (np.ascontiguousarray(image, np.float32), np.ascontiguousarray(labels[..., 0], np.int32))
            for image, labels in zip(
                stacks.read_named(inputs.frames, rows[role]).values(),
                stacks.read_named(inputs.truth, rows[role]).values(),
                strict=True,
            )
        ]
        for role in ("train", "validate")
    )
    start = time.perf_counter()
    returned = called(tool.train, run, job["log"], training, validation, folder, settings)
    seconds = time.perf_counter() - start
    jobs.logger.info("trained in %.0f s", seconds)
    recipe = {
        **contestants.plain_values(returned, inputs.tool),
        **vars(run),
        "tool": Path(inputs.tool).stem,
        "title": job["title"],
        "budget": "minutes" if settings["minutes"] is not None else "epochs",
        **{name: settings[name] for name in ("minutes", "epochs", "options", "device", "threads")},
        "weights": settings["weights"],
        "held_out": job["entry"]["held_out"],
        "train_seconds": round(seconds, 3),
        "memory_mb": memory_mb(),
        "train_frames": len(training),
        "validate_frames": len(validation),
        "versions": provenance.versions(*job["packages"]),
        "machine": provenance.machine(),
    }
    files.write_json(recipe, outputs.recipe)


def predict(
    tool: ModuleType,
    rows: pd.DataFrame,
    inputs: Any,
    outputs: Any,
    folder: Path,
    settings: dict,
    run: Any,
    log: str,
) -> None:
    """Write the labels of the test frames, the probabilities of a tool that has some, and how long it took.

    The file of probabilities is empty where the tool has none. The time is from file to file, as that of the networks.
    A first call is not in it, because it imports the tool's packages and loads the model.
    """
    wanted = getattr(tool, "PROBABILITY", False)

    def segmented(frame: np.ndarray) -> tuple[Any, Any]:
        raw = called(tool.predict, run, log, folder, np.ascontiguousarray(frame, np.float32), settings)
        return raw, called(tool.labels, run, log, folder, raw, settings)

    def pages() -> Iterator[tuple[str, np.ndarray, np.ndarray | None]]:
        for name, frame in stacks.iterate_named(inputs.frames, rows):
            where = f"{run.network}, fold {run.fold}, sample {name}"
            raw, found = segmented(frame)
            labels = contestants.check_labels(found, frame.shape[:2], where)
            jobs.logger.info("%s: %d cells", name, len(np.unique(labels[labels > 0])))
            yield name, labels, probability(raw, frame.shape[:2], where) if wanted else None

    for _, frame in stacks.iterate_named(inputs.frames, rows[:1]):
        segmented(frame)
    start = time.perf_counter()
    with stacks.stack_writer(outputs.labels) as write_labels, files.whole(outputs.probabilities) as maps:
        if wanted:
            with stacks.stack_writer(maps) as write_maps:
                for name, labels, foreground in pages():
                    write_labels(name, labels)
                    write_maps(name, foreground)
        else:
            maps.touch()
            for name, labels, _ in pages():
                write_labels(name, labels)
    speed = {"frames": len(rows), "seconds": round(time.perf_counter() - start, 3)}
    files.write_json({"test": speed, "memory_mb": memory_mb()}, outputs.speed)


def probability(raw: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Return the probabilities that a tool made of a frame as uint16, see `stacks.to_uint16`; InputError if there are none."""
    found = np.asarray(raw.get("probability", np.nan), np.float32)
    if (
        found.shape != tuple(shape)
        or not np.isfinite(found).all()
        or found.min() < -1e-4
        or found.max() > 1 + 1e-4
    ):
        raise InputError(
            f"{where}: no probabilities. Expected raw['probability'] of {' × '.join(map(str, shape))} px with values from 0 to "
            "1, because the tool's file says PROBABILITY = True: correct the tool's file."
        )
    return stacks.to_uint16(found)


def called(function: Any, run: Any, log: str, *arguments: Any) -> Any:
    """Call a function of a tool; what it prints goes to the log, and its faults become messages.

    SystemExit holds a message for users. Of any other error the log has the traceback.
    """
    with to_log(log) as said:
        try:
            return function(*arguments)
        except SystemExit as error:
            raise InputError(f"{run.network}, fold {run.fold}, seed {run.seed}: {error}") from None
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt | InputError):
                raise
            traceback.print_exc(file=said)
            last = (str(error).strip().splitlines() or ["no reason given"])[0][:300]
            raise InputError(
                f"{run.network}, fold {run.fold}, seed {run.seed}: the tool's function {function.__name__} failed with "
                f"{type(error).__name__}: {last}. What it said is in {log}. The others go on with --keep-going; "
                "--config 'comparison={unfinished: skip}' makes a report without it."
            ) from None


@contextmanager
def to_log(log: str) -> Iterator[TextIO]:
    """Send stdout and stderr to the end of a file, that of C code and of programs that are started too."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with Path(log).open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield file
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, handle in enumerate(kept, start=1):
                os.dup2(handle, number)
                os.close(handle)


def digest(rows: dict[str, pd.DataFrame], inputs: Any, settings: dict) -> dict:
    """Return of what a training is made: settings, tool, packages, and the frames of each role with their files' digests."""
    weights = settings["weights"]
    listed = files.read_table(inputs.prepared)
    groups = pd.concat([rows["train"], rows["validate"]])["group"]
    return {
        "settings": {name: value for name, value in settings.items() if name not in ("threads", "device")},
        "tool": files.digest(inputs.tool),
        "packages": {path: files.digest(path) for path in inputs.packages},
        "weights": files.digest(weights) if weights and Path(weights).is_file() else weights,
        "frames": {role: rows[role]["sample"].tolist() for role in ("train", "validate")},
        "files": listed[listed["group"].isin(groups)].to_dict("records"),
    }


def memory_mb() -> float:
    """Return the most memory that this process, or one that it started, has used, in MB."""
    used = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(used) / 1024, 1)


def read_arguments(words: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("train", "predict"))
    parser.add_argument("job", type=json.loads)
    parser.add_argument("threads", type=int)
    return parser.parse_args(words)


if __name__ == "__main__":
    arguments = read_arguments()
    described = arguments.job
    read = [
        described["inputs"][name] for name in ("recipe", "prepared", "samples", "folds", "tool", "preflight")
    ]
    written = [path for name, path in described["outputs"].items() if name != "folder"]
    task = SimpleNamespace(input=list(filter(None, read)), output=written, rule=described["rule"])
    with jobs.job(described["log"], task):
        main(arguments.command, described, arguments.threads)
