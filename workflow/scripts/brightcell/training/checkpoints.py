"""Keep the state of a training on disk, so that it resumes after being killed.

A folder holds `state.npz` (network, optimiser, random state, progress), the weights of the best epoch so far, and
`owner.json`, which names the job that writes there. Where learning rates are tried first, each trial has such a folder in
it, and `rates.json` the results. Nothing in it is a pickle. Progress and best weights of a finished
training stay, so that its results can be written again without training if they are lost.
"""

import hashlib
import json
import logging
import os
import shutil
import signal
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import keras
import numpy as np
from keras import ops

from brightcell import files
from brightcell.compute import backend
from brightcell.errors import InputError, TakenOver

logger = logging.getLogger("brightcell")

STATE = "state.npz"
OWNER = "owner.json"
RATES = "rates.json"
ASIDE = "other_settings"


@dataclass
class Progress:
    """The progress of a training.

    step : number of steps done; history : one row per epoch; best, best_epoch : the lowest validation loss and its epoch;
    seconds, total : time spent on the unfinished epoch, and the sum of its steps' losses; validating : the time (s) that
    the last validation took; first : the loss of the first step; finished : whether the training is finished.
    """

    step: int = 0
    history: list[list[float]] = field(default_factory=list)
    best: float = float("inf")
    best_epoch: int = 0
    seconds: float = 0.0
    total: float = 0.0
    validating: float = 0.0
    first: float = 0.0
    finished: bool = False


def settings_digest(settings: dict, arrays: list[np.ndarray]) -> dict[str, str]:
    """Return what a training depends on: each setting as JSON, and `data`, a digest of its arrays.

    A training may resume from the state of another one if these are equal.
    """
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return {key: json.dumps(value, sort_keys=True) for key, value in settings.items()} | {
        "data": digest.hexdigest()
    }


class Checkpoint:
    """The state of one training in a folder of its own.

    Parameters
    ----------
    folder : Path
        Created if it is missing. The last job to open it owns it: an older job that still writes is stopped.
    made_of : dict
        From `settings_digest`.
    """

    def __init__(self, folder: Path, made_of: dict[str, str]):
        self.folder = Path(folder)
        self.made_of = made_of
        self.token = uuid.uuid4().hex
        self.folder.mkdir(parents=True, exist_ok=True)
        owner = {
            "token": self.token,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "job": os.environ.get("SLURM_JOB_ID", ""),
        }
        files.write_json(owner, self.folder / OWNER)
        files.sweep(self.folder)

    def check_owner(self) -> None:
        """Raise TakenOver if another job has opened the folder since."""
        try:
            owner = files.read_json(self.folder / OWNER)
        except FileNotFoundError:
            owner = {}
        if owner.get("token") != self.token:
            job = f"SLURM job {owner['job']}, " if owner.get("job") else ""
            by = f"{job}process {owner['process']} on {owner['host']}" if owner else "another job"
            raise TakenOver(
                f"{self.folder}: this training was taken over by {by}. Expected one job at a time; this one stops here, "
                "and writes nothing more."
            )

    def save(self, model: keras.Model, progress: Progress, best: list[np.ndarray] | None = None) -> None:
        """Write the state of a compiled model; `best` are the weights of `progress.best_epoch` if they are new."""
        self.check_owner()
        if best is not None:
            with files.whole(self._best(progress.best_epoch)) as temporary:
                np.savez(temporary, *best)
        content = {
            f"variable_{index}": ops.convert_to_numpy(variable)
            for index, variable in enumerate(_variables(model))
        }
        content |= {f"random_{index}": state for index, state in enumerate(backend.random_state())}
        about = {"made_of": self.made_of, "progress": asdict(progress)}
        with files.whole(self.folder / STATE) as temporary:
            np.savez(temporary, about=np.array(json.dumps(about)), **content)
        for path in self.folder.glob("best-*.npz"):
            if path != self._best(progress.best_epoch):
                path.unlink()

    def restore(self, model: keras.Model) -> tuple[Progress, list[np.ndarray] | None]:
        """Restore a compiled model to the saved state; return the progress and the best weights so far.

        If there is no state, or it is damaged or of another training (both are logged), nothing is changed and the
        progress is that of the start. For a finished training only progress and weights are returned.
        Raises InputError if the disk cannot be read at the moment.
        """
        path = self.folder / STATE
        if not path.exists():
            return Progress(), None
        try:
            with np.load(path) as content:
                about = json.loads(str(content["about"]))
                differing = _differences(about["made_of"], self.made_of)
                if differing:
                    kept = "" if about["progress"]["finished"] else self._set_aside()
                    logger.warning(
                        "the state in %s is of another training: %s%s", self.folder, differing, kept
                    )
                    return Progress(), None
                values, random = (_numbered(content, name) for name in ("variable", "random"))
            progress = Progress(**about["progress"])
            best = None
            if progress.best_epoch:
                with np.load(self._best(progress.best_epoch)) as content:
                    best = _numbered(content, "arr")
            variables = [] if progress.finished else _variables(model)
            if [value.shape for value in values] != [tuple(variable.shape) for variable in variables]:
                raise ValueError("variables of other shapes")
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                raise InputError(
                    f"{path}: the state of this training cannot be read now ({error}). Expected a disk that answers: run the "
                    f"same command again when it does, or delete {self.folder} to train again."
                ) from error
            logger.warning("the state in %s cannot be read (%s): training starts again", self.folder, error)
            return Progress(), None
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        backend.set_random_state(random)
        return progress, best

    def trial(self, rate: float) -> "Checkpoint":
        """Return the state of the trial of a learning rate, which the training makes before it starts."""
        return Checkpoint(
            self.folder / f"rate-{rate:g}", self.made_of | {"learning_rate tried": json.dumps(rate)}
        )

    def trials(self) -> list[list]:
        """Return the results of the trials that this training, and no other, has made: rate, loss, seconds of each."""
        return self._kept_trials().get(self._name(), [])

    def keep_trial(self, rate: float, loss: float | None, seconds: float) -> None:
        """Keep the result of a trial, and delete its state; loss : None where it diverged."""
        self.check_owner()
        kept = self._kept_trials()
        kept.setdefault(self._name(), []).append([rate, loss, seconds])
        files.write_json(kept, self.folder / RATES)
        shutil.rmtree(self.folder / f"rate-{rate:g}", ignore_errors=True)

    def _kept_trials(self) -> dict[str, list[list]]:
        """Return the results of all trainings that ever had this folder, by `_name`."""
        try:
            return json.loads((self.folder / RATES).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}

    def _name(self) -> str:
        return hashlib.sha256(json.dumps(self.made_of, sort_keys=True).encode()).hexdigest()

    def finish(self) -> None:
        """Reduce the state of a finished training to the progress and the best weights."""
        self.check_owner()
        with np.load(self.folder / STATE) as content:
            about = json.loads(str(content["about"]))
        about["progress"]["finished"] = True
        with files.whole(self.folder / STATE) as temporary:
            np.savez(temporary, about=np.array(json.dumps(about)))
        for folder in (self.folder / ASIDE, *self.folder.glob("rate-*")):
            shutil.rmtree(folder, ignore_errors=True)

    def _set_aside(self) -> str:
        """Keep the files of the first unfinished training with other settings; return a message that says where."""
        aside = self.folder / ASIDE
        if not (aside / STATE).exists():
            aside.mkdir(exist_ok=True)
            for path in [*self.folder.glob("best-*.npz"), self.folder / STATE]:
                path.replace(aside / path.name)
            return f". It is kept in {aside} until this one is finished: to go on from it, restore its settings and move it back"
        return ""

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch}.npz"


def _variables(model: keras.Model) -> list:
    """Return all variables that change in training: weights, batch statistics, random state, running loss, optimiser."""
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.metrics_variables, *model.optimizer.variables]


def _numbered(content: np.lib.npyio.NpzFile, name: str) -> list[np.ndarray]:
    """Read name_0, name_1, …; raises KeyError if one is missing."""
    return [content[f"{name}_{index}"] for index in range(sum(key.startswith(name) for key in content.files))]


def _differences(saved: dict[str, str], now: dict[str, str]) -> str:
    """Return in words which settings differ; empty if none does."""
    keys = [key for key in {**saved, **now} if saved.get(key) != now.get(key)]
    return "; ".join(
        "other images, masks or folds" if key == "data" else f"{key} was {saved.get(key)}, is {now.get(key)}"
        for key in keys
    )


class Interrupted(InputError):
    """A signal asked the training to stop; its state is saved."""


@contextmanager
def stop_signals() -> Iterator[list[str]]:
    """Collect the names of SIGTERM, SIGINT and SIGUSR1 in a list while the block runs, instead of ending the process.

    A cluster sends SIGTERM before it kills a job that exceeds its time.
    """
    received: list[str] = []
    watched = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    try:
        before = {
            number: signal.signal(number, lambda got, _: received.append(signal.Signals(got).name))
            for number in watched
        }
    except ValueError:  # not the main thread: signals go elsewhere
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
