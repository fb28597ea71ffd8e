"""One training: a network, its data and its settings, from the first weights to the file of the model."""

import logging
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from brightcell import files
from brightcell.errors import InputError
from brightcell.nets import loading, unet

from . import budget, checkpoints, loop
from .patches import TrainingFrame
from .warm_start import warm_start

logger = logging.getLogger("brightcell")


def random_seed(seed: int, scheme: str, fold: int, network: str) -> int:
    """Return the number, 0 to 2³² − 1, from which one training draws its first weights, its patches and its dropout.

    It is the first word of NumPy's `SeedSequence`, fed with seed, fold and the letters of scheme and network. So the
    trainings of one seed share no luck, and the same training has the same number everywhere.
    """
    letters = f"{scheme}/{network}".encode()
    return int(np.random.SeedSequence([seed, fold, *letters]).generate_state(1)[0])


def best_rate(tried: list[list]) -> float:
    """Return the learning rate with the lowest loss of trials, (rate, loss, …) each; InputError if all diverged."""
    losses = {rate: loss for rate, loss, *_ in tried if loss is not None}
    if not losses:
        raise InputError(
            f"Training diverged with each of training.learning_rate, {', '.join(f'{rate:g}' for rate, *_ in tried)}. "
            "Lower them, or set compute.precision to float32."
        )
    return min(losses, key=losses.__getitem__)


class Run:
    """A network that is built, to be trained on some frames.

    Parameters
    ----------
    architecture : str
        A key of `unet.ARCHITECTURES`.
    shape : dict
        Further arguments of `unet.build_unet`: filters, levels, dropout, outputs.
    settings : dict
        The config's `training`.
    frames, validation : list of TrainingFrame
        To train on, and to choose the best epoch by.
    seed : int
        Fixes the first weights, the patches that are drawn and the dropout, see `random_seed`.
    precision : str
        Keras' dtype policy to train in.
    init : path, optional
        A trained network to take the first weights from.
    """

    def __init__(
        self,
        architecture: str,
        shape: dict,
        settings: dict,
        frames: list[TrainingFrame],
        validation: list[TrainingFrame],
        seed: int,
        precision: str,
        init: str | Path | None = None,
    ):
        self.architecture, self.shape, self.settings = architecture, shape, settings
        self.frames, self.validation = frames, validation
        self.seed, self.precision, self.init = seed, precision, init
        self.channels = frames[0].image.shape[-1]
        self.rate = budget.rates(settings)[0]
        self.tried: list[list] = []
        logger.info("%d frames to train on, %d to validate on", len(frames), len(validation))
        self.model = self._start()
        loading.check_loadable(self.model)
        self.parameters, self.trainable_parameters = unet.count_parameters(self.model)
        logger.info("%s: %d parameters", unet.ARCHITECTURES[architecture].title, self.parameters)

    def _start(self) -> keras.Model:
        """Return the network as every training of this run begins with it, and the random numbers, too."""
        keras.utils.set_random_seed(self.seed)
        keras.config.set_dtype_policy(self.precision)
        model = self._build(self.settings["patch"])
        if self.init:
            warm_start(model, Path(self.init))
        return model

    def _build(self, side: int | None) -> keras.Model:
        return unet.build_unet(self.architecture, (side, side, self.channels), **self.shape)

    def made_of(self, code: str) -> dict[str, str]:
        """Return what the training depends on, see `checkpoints.settings_digest`; `code` is a digest of the library."""
        return checkpoints.settings_digest(
            {
                "network": {"architecture": self.architecture, **self.shape},
                "training": self.settings,
                "precision": self.precision,
                "random_seed": self.seed,
                "init_weights": files.digest(self.init) if self.init else None,
                "code": code,
                "keras": f"{keras.__version__} on {keras.backend.backend()}",
            },
            [array for frame in (*self.frames, *self.validation) for array in (frame.image, frame.labels)],
        )

    def train(self, checkpoint: checkpoints.Checkpoint, diverged: Path) -> pd.DataFrame:
        """Train the model, see `loop.train`, with the best of the learning rates; returns an epoch a row.

        Where the training diverges, the weights of its best epoch are written to the file `diverged`.
        """
        trial, rest = budget.divide(self.settings)
        if len(budget.rates(self.settings)) > 1:
            self.tried = self._try_rates(trial, checkpoint)
            self.rate = best_rate(self.tried)
            logger.info("learning rate %g taken", self.rate)
            self.model = self._start()
        try:
            return self._train(self.model, rest | {"learning_rate": self.rate}, checkpoint)
        except loop.Diverged as error:
            if not error.best_epoch:
                raise
            self.save(diverged)
            raise InputError(
                f"{error} The weights of epoch {error.best_epoch}, the best so far, are in {diverged}."
            ) from None

    def _train(self, model: keras.Model, settings: dict, checkpoint: checkpoints.Checkpoint) -> pd.DataFrame:
        given = model, self.frames, self.validation, settings, self.seed, checkpoint
        return loop.train(*given, warm=bool(self.init))

    def _try_rates(self, settings: dict, checkpoint: checkpoints.Checkpoint) -> list[list]:
        """Train with each learning rate from the start; return rate, lowest validation loss (None: diverged) and seconds."""
        rates = budget.rates(settings)
        for rate in rates[len(checkpoint.trials()) :]:
            logger.info("trying learning rate %g", rate)
            try:
                history = self._train(
                    self._start(), settings | {"learning_rate": rate}, checkpoint.trial(rate)
                )
            except loop.Diverged as error:
                logger.warning("learning rate %g: %s", rate, error)
                checkpoint.keep_trial(rate, None, error.seconds)
                continue
            loss, seconds = float(history["val_loss"].min()), float(history["seconds"].sum())
            logger.info("learning rate %g: validation loss %.4f after %.0f s", rate, loss, seconds)
            checkpoint.keep_trial(rate, loss, seconds)
        return checkpoint.trials()

    def save(self, path: Path) -> None:
        """Write the model for frames of any size and in float32: the machine that predicts chooses its own precision."""
        keras.config.set_dtype_policy("float32")
        portable = self._build(None)
        portable.set_weights(self.model.get_weights())
        with files.whole(path) as temporary:
            portable.save(temporary)

    def describe(self, history: pd.DataFrame) -> dict:
        """Return facts about the network and its training, for the recipe; history : of `train`."""
        return {
            **self.shape,
            "channels": self.channels,
            "parameters": self.parameters,
            "trainable_parameters": self.trainable_parameters,
            "epochs_run": len(history),
            "best_epoch": int(history.loc[history["val_loss"].idxmin(), "epoch"]),
            "budget": "minutes" if self.settings["minutes"] else "steps",
            "learning_rate": self.rate,
            "rates_tried": [[rate, loss] for rate, loss, _ in self.tried],
            "train_seconds": round(
                float(history["seconds"].sum()) + sum(spent for *_, spent in self.tried), 1
            ),
            "precision": self.precision,
            "backend": keras.backend.backend(),
            "train_frames": len(self.frames),
            "validate_frames": len(self.validation),
        }
