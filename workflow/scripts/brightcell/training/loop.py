"""Train a network on patches, validate it on whole frames, keep the best weights."""

import logging
import math
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import keras
import numpy as np
import pandas as pd
from keras import ops

from brightcell.compute.backend import compiled, has_gpu
from brightcell.errors import InputError

from . import budget, fast_layers, patches, train_step, warping
from .checkpoints import Checkpoint, Interrupted, Progress, stop_signals
from .loss import SegmentationLoss, without_sigmoid
from .validation import validate, validation_tiles

logger = logging.getLogger("brightcell")


def prepare(model: keras.Model, settings: dict) -> keras.Model:
    """Return the network ready for training: compiled, giving logits, and with faster layers if the backend has some."""
    model = fast_layers.with_fast_layers(without_sigmoid(model))
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = budget.statistics_momentum(settings)
    model.compile(
        optimizer=keras.optimizers.Adam(),  # each step is given its learning rate
        loss=SegmentationLoss(settings["gamma"]),
        # XLA's compilation takes longer than it saves on a CPU; JAX needs it; on a GPU Keras decides.
        jit_compile="auto" if has_gpu() or keras.backend.backend() == "jax" else False,
    )
    return model


def train(
    model: keras.Model,
    frames: list[patches.TrainingFrame],
    validation: list[patches.TrainingFrame],
    settings: dict,
    seed: int,
    checkpoint: Checkpoint | None = None,
    warm: bool = False,
) -> pd.DataFrame:
    """Train a model in place; it ends with the weights of its best epoch.

    With `minutes` the training ends where the time for another step and a validation is over. What compiles, which is the
    first step of a process and the first batch that it validates, does not count, nor does the saving of the state.

    Parameters
    ----------
    model : keras.Model
        From `unet.build_unet`.
    frames, validation : list of patches.TrainingFrame
        Patches are drawn from the first; the second, whole and unchanged, decide which epoch is best.
    settings : dict
        The config's `training`.
    seed : int
        Determines the patches: those of a step depend only on the seed and the step's number.
    checkpoint : Checkpoint, optional
        Where the state is saved after every epoch, and restored from.
    warm : bool
        Whether the model is already trained, so that its batch statistics are meaningful.

    Returns
    -------
    pandas.DataFrame
        One row per epoch: epoch, loss, val_loss, val_cell_iou, learning_rate, seconds.

    Raises
    ------
    Diverged
        If the loss is no longer a number, or stays far above that of an untrained network; the model then has the
        weights of its best epoch.
    Interrupted
        If a signal asked the training to stop; the state is saved before.
    """
    outputs, patch, batch = model.output_shape[-1], settings["patch"], settings["batch_size"]
    given, model = model, prepare(model, settings)
    loss = model.loss
    tiles = validation_tiles(validation, patch, outputs)
    progress, best_weights = checkpoint.restore(model) if checkpoint else (Progress(), None)
    if progress.finished:
        logger.info("trained before: the weights are those of that training, see training_state")
    elif progress.step:
        logger.info("going on from step %d of an interrupted training", progress.step)
    best_weights = best_weights or model.get_weights()
    batches = prefetch(frames, batch, patch, outputs, settings, seed, progress.step)

    step, first = train_step.stepper(model), progress.step
    if not progress.finished:
        validate(model, tuple(part[:1] for part in tiles), loss, batch)  # compiles

    with stop_signals() as received:
        while not is_over(progress, settings):
            epoch = len(progress.history) + 1
            done, before = (epoch - 1) * settings["steps_per_epoch"], sum(row[-1] for row in progress.history)
            begun = time.perf_counter() - progress.seconds
            while progress.step < done + settings["steps_per_epoch"]:
                used = before + time.perf_counter() - begun
                if (
                    progress.step > done
                    and budget.spent(settings, progress.step, used + progress.validating) >= 1
                ):
                    break
                rate = budget.learning_rate(settings, budget.spent(settings, progress.step, used))
                images, targets = next(batches)
                value = step(images, targets, rate)
                if progress.step == first:
                    begun = time.perf_counter() - progress.seconds
                progress.first = progress.first or value
                progress.step += 1
                progress.total += value
                if received or not math.isfinite(value):
                    step.settle()
                if not math.isfinite(value):
                    given.set_weights(best_weights)
                    raise Diverged(f"the loss is {value}", epoch, progress)
                if received:
                    _stop(received[0], model, progress, checkpoint, begun)
            step.settle()
            value = progress.total / (progress.step - done)
            trained = model.get_weights()
            candidate = trained if warm else unbiased_weights(model, progress.step)
            model.set_weights(candidate)
            ended = time.perf_counter()
            val_loss, iou = validate(model, tiles, loss, batch, received)
            model.set_weights(trained)
            if received:
                _stop(received[0], model, progress, checkpoint, begun)
            reason = "" if math.isfinite(val_loss) else f"the validation loss is {val_loss}"
            if reason := reason or stays_high(value, progress, loss, outputs):
                given.set_weights(best_weights)
                raise Diverged(reason, epoch, progress)
            seconds, progress.validating = (time.perf_counter() - start for start in (begun, ended))
            share = budget.spent(settings, progress.step, before + seconds)
            rate = budget.learning_rate(settings, share)
            progress.history.append([epoch, value, val_loss, iou, rate, seconds])
            progress.seconds = progress.total = 0.0
            improved = val_loss < progress.best
            if improved:
                progress.best, progress.best_epoch, best_weights = val_loss, epoch, candidate
            logger.info(
                "epoch %d%s  loss %.4f  validation loss %.4f  validation cell IoU %.3f  %.1f s%s",
                *(epoch, f", {share:.0%} of the time" if settings["minutes"] else f"/{settings['epochs']}"),
                *(value, val_loss, iou, seconds),
                "  best so far" if improved else "",
            )
            if checkpoint:
                checkpoint.save(model, progress, best_weights if improved else None)
    given.set_weights(best_weights)
    logger.info("weights of epoch %d kept", progress.best_epoch)
    columns = ["epoch", "loss", "val_loss", "val_cell_iou", "learning_rate", "seconds"]
    return pd.DataFrame(progress.history, columns=columns).astype({"epoch": int})


def is_over(progress: Progress, settings: dict) -> bool:
    """Return whether no epoch follows.

    A training by time uses all of it: a network of fast steps has many epochs, and `patience` would end it before the
    learning rate has fallen.
    """
    epochs = len(progress.history)
    if progress.finished:
        return True
    if settings["minutes"]:
        planned = epochs * settings["steps_per_epoch"]
        if progress.step != planned:  # a short epoch was the last; steps beyond it are to be validated
            return progress.step < planned
        used = sum(row[-1] for row in progress.history) + progress.validating
        return epochs > 0 and budget.spent(settings, progress.step, used) >= 1
    if 0 < epochs < settings["epochs"] and epochs - progress.best_epoch >= settings["patience"]:
        logger.info("no better for %d epochs: stopping", settings["patience"])
        return True
    return epochs >= settings["epochs"]


def stays_high(value: float, progress: Progress, loss: SegmentationLoss, outputs: int) -> str:
    """Return a message if the loss has been twice as high as at the start for three epochs, else an empty text.

    value is the loss of the epoch just ended. If the start was worse than a map of 0.5, the map's loss counts instead,
    so that the rule does not depend on luck with the first batch.
    """
    shape = (1, 1, 1, outputs)
    ignorant = float(ops.convert_to_numpy(loss.call(ops.zeros(shape), ops.zeros(shape)))[0, 0, 0])
    limit = 2 * max(ignorant, progress.first)
    losses = [*(row[1] for row in progress.history[-2:]), value]
    if len(losses) < 3 or min(losses) < limit:
        return ""
    return f"for three epochs the loss has been above {limit:.2g}, twice that of an untrained network, and is {value:.2g}"


class Diverged(InputError):
    """A training whose loss does not fall, after some seconds; `best_epoch` is that of the model's weights, 0 for none."""

    def __init__(self, reason: str, epoch: int, progress: Progress):
        self.best_epoch = progress.best_epoch
        self.seconds = sum(row[-1] for row in progress.history)
        super().__init__(
            f"Training diverged: {reason} at epoch {epoch}, step {progress.step}. "
            "Lower training.learning_rate, or set compute.precision to float32."
        )


def _stop(
    name: str, model: keras.Model, progress: Progress, checkpoint: Checkpoint | None, begun: float
) -> None:
    """Save the state in the middle of an epoch, then raise Interrupted."""
    progress.seconds = time.perf_counter() - begun
    if checkpoint:
        checkpoint.save(model, progress)
    kept = "the same command goes on from there" if checkpoint else "nothing is kept"
    raise Interrupted(f"Stopped by {name} after step {progress.step}: {kept}.")


def unbiased_weights(model: keras.Model, steps: int) -> list[np.ndarray]:
    """Return the model's weights with batch statistics corrected for their start values.

    After t steps a moving average still contains momentum**t of its start (mean 0, variance 1), which is most of it in a
    short training. The correction is the one that Adam makes for its moments (Kingma & Ba 2015, arXiv 1412.6980); it
    fades as t grows.
    """
    weights = []
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            left = layer.momentum**steps
            gamma, beta, mean, variance = values
            values = [gamma, beta, mean / (1 - left), np.maximum((variance - left) / (1 - left), 0)]
        weights += values
    return weights


def prefetch(
    frames: list[patches.TrainingFrame],
    batch: int,
    patch: int,
    outputs: int,
    settings: dict,
    seed: int,
    first: int = 0,
) -> Iterator[tuple]:
    """Yield the batches of the steps from `first` on; the next is made while the network trains on the last one.

    The host draws and cuts, the device warps; a batch depends only on the seed and the step's number. A GPU is so fast
    that several batches are prepared at a time.
    """
    make = compiled(lambda drawn: warping.make_patches(drawn, patch, outputs))

    def batch_of(step: int) -> tuple:
        rng = np.random.default_rng([seed, step])
        drawn = patches.draw_batch(frames, batch, patch, outputs, settings["augmentation"], rng)
        return make({key: ops.convert_to_tensor(values) for key, values in drawn.items()})

    ahead = 4 if has_gpu() else 1
    with ThreadPoolExecutor(ahead) as pool:
        waiting = deque(pool.submit(batch_of, step) for step in range(first, first + ahead))
        for step in count(first + ahead):
            ready = waiting.popleft().result()
            waiting.append(pool.submit(batch_of, step))
            yield ready
