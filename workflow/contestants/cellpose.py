"""Cellpose 3 (Stringer et al. 2021, https://github.com/mouseland/cellpose): cells as flows towards their centres.

Trained from scratch or from a file of weights with its authors' `train_seg`: images scaled to their percentiles 1 and 99
and resized until cells are 30 pixels wide, stochastic gradient descent, a learning rate that rises at first and falls at
the end. Both thresholds are chosen on the validation frames. Its loss cannot ignore pixels: those with the label -1 are
background in training.
"""

import copy
import functools
import json
import logging
import math
import shutil
import sys
import time
from pathlib import Path

import numpy as np

TITLE = "Cellpose"
NEEDS_WEIGHTS = False
PROBABILITY = True
# The defaults of the command `cellpose --train`.
OPTIONS = {
    "learning_rate": 0.2,
    "weight_decay": 0.00001,
    "batch_size": 8,
    "patch": 224,
    "frames_per_epoch": None,  # null: all
    "channels": [0, 0],  # of the stack: that of the cells (0: the mean of all), that of the nuclei (0: none)
    "diameter_px": None,  # null: that of the training's cells
    "cellprob_threshold": None,  # null: chosen on the validation frames
    "flow_threshold": None,  # the same; 0: no cell is refused
}
EPOCHS = 500
FEWEST_CELLS = 5  # frames with fewer are not trained on, as in Cellpose
# The thresholds that are tried, those of the authors first: they win where others are no better.
CELLPROB_THRESHOLDS = (0.0, -1.0, 1.0, -2.0, 2.0)
FLOW_THRESHOLDS = (0.4, 0.8, 0.0)
IOU_THRESHOLDS = [0.5, 0.75, 0.9]
SAVE_EVERY_S = 60


class _TimeIsUpError(Exception):
    """The minutes of a training are over."""


def check(settings):
    """Raise SystemExit if a training with these settings cannot work."""
    options = settings["options"]
    for name in ("batch_size", "patch", "frames_per_epoch"):
        value = options[name]
        if value is not None and not (isinstance(value, int) and value >= 1):
            raise SystemExit(f"options.{name}: {value} was found; expected a whole number from 1.")
    for name in ("learning_rate", "weight_decay", "diameter_px", "flow_threshold"):
        value, least = options[name], 0 if name in ("weight_decay", "flow_threshold") else 1e-9
        if value is not None and not (isinstance(value, int | float) and value >= least):
            raise SystemExit(
                f"options.{name}: {value} was found; expected a number {'above' if least else 'from'} 0."
            )
    if not isinstance(options["cellprob_threshold"], int | float | None):
        raise SystemExit(
            f"options.cellprob_threshold: {options['cellprob_threshold']} was found; expected null or a number."
        )
    channels = options["channels"]
    if len(channels) != 2 or not all(isinstance(number, int) and number >= 0 for number in channels):
        raise SystemExit(
            f"options.channels: {channels} was found; expected two numbers of channels, such as [0, 0]."
        )
    if settings["weights"] is not None:
        path = Path(settings["weights"])
        if not path.is_file():
            raise SystemExit(f"{path}: no such file; {_EXPECTED}")
        with path.open("rb") as file:
            if file.read(2) not in (b"PK", b"\x80\x02"):  # an archive, or a pickle of older versions
                raise SystemExit(f"{path}: this is not a file of PyTorch; {_EXPECTED}")
    elif settings["epochs"] == 0:
        raise SystemExit(
            "epochs: 0 means a trained model used as it is; name its file with `weights`, or set epochs or minutes."
        )


_EXPECTED = "expected a file of weights of Cellpose 1, 2 or 3, such as cyto3. Correct `weights`."


def train(training, validation, folder, settings):
    """Train a model into `folder`, or go on with one; then choose its thresholds on the validation frames.

    Returns what the recipe keeps: epochs, seconds of training (minutes limit these alone), diameter and thresholds.
    """
    import torch
    from cellpose import utils

    check(settings)
    _log_to_stdout()
    options, progress = settings["options"], _read_progress(folder)
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    if any((cells < 0).any() for _, cells in training):
        print("Cellpose cannot ignore pixels: those with the label -1 are background in training.")
    frames = enough_cells([(image, np.maximum(cells, 0)) for image, cells in training])
    weights = folder / "model" if (folder / "model").exists() else settings["weights"]
    model = _create(weights, settings)
    epochs = settings["epochs"]
    if epochs is None and settings["minutes"] is None:
        epochs = EPOCHS
    if not progress["finished"] and epochs != 0:
        _fit(model, frames, folder, epochs, settings, progress)
    elif weights != folder / "model":
        model.net.diam_labels.data[:] = np.mean([max(5, utils.diameters(cells)[0]) for _, cells in frames])
    if options["diameter_px"] is not None:
        model.net.diam_labels.data[:] = options["diameter_px"]
    model.net.save_model(str(folder / "model"))
    _load.cache_clear()
    thresholds = _choose_thresholds(folder, validation, settings)
    _write(folder / "thresholds.json", thresholds)
    return {
        "epochs_run": progress["epochs"],
        "training_s": progress["seconds"],
        "diameter_px": float(model.net.diam_labels.item()),
        "thresholds": thresholds,
    }


def enough_cells(frames):
    """Return the frames with enough cells to train on; where no frame has, those with any; raise SystemExit without one."""
    numbers = [len(np.unique(cells[cells > 0])) for _, cells in frames]
    least = FEWEST_CELLS if max(numbers) >= FEWEST_CELLS else 1
    kept = [frame for frame, number in zip(frames, numbers, strict=True) if number >= least]
    if not kept:
        raise SystemExit("none of the training frames has a cell; expected masks with cells to learn from.")
    if len(kept) < len(frames):
        print(f"Cellpose trains on the {len(kept)} of {len(frames)} frames that have {least} cells or more.")
    return kept


def _create(weights, settings):
    """Return a model with new weights, or with those of a file."""
    import pickle

    import torch
    from cellpose.models import CellposeModel

    # Without a path that exists Cellpose would fetch a model; `check` has looked.
    model = CellposeModel(gpu=settings["device"] == "gpu")
    if weights is None:
        return model
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        lacking = {name for name in model.net.state_dict() if not name.startswith("diam_")} - set(state)
    except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise SystemExit(f"{weights}: PyTorch cannot read it ({_short(error)}); {_EXPECTED}") from None
    if lacking:
        raise SystemExit(
            f"{weights}: weights of another network were found, without {min(lacking)}; {_EXPECTED}"
        )
    try:
        return CellposeModel(gpu=settings["device"] == "gpu", pretrained_model=str(weights))
    except RuntimeError as error:
        raise SystemExit(f"{weights}: these weights do not fit ({_short(error)}); {_EXPECTED}") from None


def _short(error):
    """Return the first sentence of PyTorch's message, which may go on with advice for programmers."""
    return " ".join(str(error).split()).split(". ")[0][:200]


def _fit(model, frames, folder, epochs, settings, progress):
    """Train until epochs or minutes are over; from time to time all that is needed to go on is put into `folder`.

    With minutes, the time of a step tells how many epochs there will be: the learning rate falls towards the last.
    """
    from cellpose import dynamics
    from cellpose.train import train_seg

    options, begun = settings["options"], time.monotonic() - progress["seconds"]
    end = math.inf if settings["minutes"] is None else begun + 60 * settings["minutes"]
    # Cellpose draws the same numbers whatever the seed: frames in another order get others of them.
    order = np.random.default_rng((settings["seed"], progress["epochs"])).permutation(len(frames))
    images = [frames[number][0] for number in order]
    flows = dynamics.labels_to_flows([frames[number][1] for number in order], device=model.device)
    steps_of_epoch = math.ceil((options["frames_per_epoch"] or len(images)) / options["batch_size"])
    before, steps, saved = progress["epochs"], 0, time.monotonic()

    def run(network, epochs, frames, frames_per_epoch):
        train_seg(
            network,
            train_data=images[:frames],
            train_labels=flows[:frames],
            channels=options["channels"],
            channel_axis=-1,
            batch_size=options["batch_size"],
            learning_rate=options["learning_rate"],
            weight_decay=options["weight_decay"],
            SGD=True,
            n_epochs=epochs,
            nimg_per_epoch=frames_per_epoch,
            bsize=options["patch"],
            min_train_masks=0,
            save_path=folder,
            save_every=10**9,
        )

    def keep():
        nonlocal saved
        saved = time.monotonic()
        model.net.save_model(str(folder / "model.part"))
        (folder / "model.part").replace(folder / "model")
        progress.update(epochs=before + steps // steps_of_epoch, seconds=saved - begun)
        _write(folder / "progress.json", progress)

    def before_a_step(network, _):
        nonlocal steps
        if time.monotonic() > end and steps:
            raise _TimeIsUpError
        if steps % steps_of_epoch == 0 and time.monotonic() - saved > SAVE_EVERY_S:
            keep()
        steps += 1

    if progress["planned"] is None:
        progress["planned"] = epochs
    if progress["planned"] is None:
        copied, times = copy.deepcopy(model.net), []
        copied.register_forward_pre_hook(lambda *_: times.append(time.monotonic()))
        run(copied, epochs=2, frames=options["batch_size"], frames_per_epoch=None)
        seconds = time.monotonic() - times[1]  # of the second step: the first is slower
        progress["planned"] = max(1, int((end - time.monotonic()) / (seconds * steps_of_epoch)))
        print(f"A step takes {seconds:.2f} s, so {progress['planned']} epochs are planned.", flush=True)
    hook = model.net.register_forward_pre_hook(before_a_step)
    try:
        run(model.net, progress["planned"] - before, len(images), options["frames_per_epoch"])
    except _TimeIsUpError:
        print("The time is up.", flush=True)
    hook.remove()
    progress["finished"] = True
    keep()
    shutil.rmtree(folder / "models")  # Cellpose's own copies


def predict(folder, image, settings):
    """Return flows (2, H, W), logits (H, W) and their probability that a pixel is cell, and iterations along the flows."""
    import torch

    torch.set_num_threads(settings["threads"])
    model = _load(folder / "model", settings["device"])
    channels = settings["options"]["channels"]
    _, (_, flows, logits), _ = model.eval(image, channels=channels, channel_axis=-1, compute_masks=False)
    return {
        "flows": flows,
        "logits": logits,
        "probability": (1 / (1 + np.exp(-np.clip(logits, -30, 30)))).astype(np.float32),
        "iterations": np.array(200 * model.diam_labels / model.diam_mean),
    }


def labels(folder, raw, settings):
    """Return the label image of the pixels that the flows lead to the same place."""
    return _labels(raw, **json.loads((folder / "thresholds.json").read_text()))


def _labels(raw, cellprob_threshold, flow_threshold):
    from cellpose import dynamics

    cells = dynamics.resize_and_compute_masks(
        raw["flows"],
        raw["logits"],
        niter=int(raw["iterations"]),
        cellprob_threshold=cellprob_threshold,
        flow_threshold=flow_threshold,
    )
    return cells.astype(np.int32)


def _choose_thresholds(folder, validation, settings):
    """Return the thresholds with the most matched cells on the validation frames; what is set stays as it is."""
    from cellpose.metrics import average_precision

    options = settings["options"]
    chosen = {
        "cellprob_threshold": options["cellprob_threshold"],
        "flow_threshold": options["flow_threshold"],
    }
    tried = {"cellprob_threshold": CELLPROB_THRESHOLDS, "flow_threshold": FLOW_THRESHOLDS}
    thresholds = {name: tried[name][0] if value is None else value for name, value in chosen.items()}
    if None not in chosen.values():
        return thresholds
    raws = [predict(folder, image, settings) for image, _ in validation]

    def score(changed):
        pairs = [
            numbered(cells, _labels(raw, **thresholds | changed))
            for raw, (_, cells) in zip(raws, validation, strict=True)
        ]
        _, *counts = average_precision(*map(list, zip(*pairs, strict=True)), threshold=IOU_THRESHOLDS)
        matched, invented, missed = (np.sum(count, axis=0) for count in counts)
        return float(np.mean(matched / np.maximum(matched + invented + missed, 1)))

    for name in (name for name, value in chosen.items() if value is None):
        scores = {value: score({name: value}) for value in tried[name]}
        thresholds[name] = max(scores, key=scores.get)  # the first of equals
        print(f"{name} {thresholds[name]} of {scores}", flush=True)
    return thresholds


def numbered(truth, found):
    """Return two label images with cells numbered from 1, without what lies where it is not known what is there.

    Cells that were found count as long as half of their pixels are known (`truth` is not -1).
    """
    known, sizes = truth >= 0, np.bincount(found.ravel())
    with np.errstate(invalid="ignore"):
        counted = np.bincount(found[known], minlength=len(sizes)) / sizes >= 0.5
    counted[0] = False
    found = np.where(known & counted[found], found, 0)
    return tuple(
        (np.cumsum(np.bincount(cells.ravel()) > 0)[cells] - (cells.min() == 0)).astype(np.int32)
        for cells in (np.where(known, truth, 0), found)
    )


@functools.lru_cache(maxsize=1)
def _load(path, device):
    """Return the trained model."""
    from cellpose.models import CellposeModel

    return CellposeModel(gpu=device == "gpu", pretrained_model=str(path))


def _log_to_stdout():
    """Let Cellpose's messages go to the job's log."""
    logger = logging.getLogger("cellpose")
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler(sys.stdout))
        logger.setLevel(logging.INFO)


def _read_progress(folder):
    """Return what an earlier attempt left: epochs done and planned, seconds, whether it finished."""
    path = folder / "progress.json"
    if path.exists():
        return json.loads(path.read_text())
    return {"epochs": 0, "planned": None, "seconds": 0.0, "finished": False}


def _write(path, content):
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(content))
    part.replace(path)
