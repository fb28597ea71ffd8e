"""StarDist (Schmidt et al. 2018, https://github.com/stardist/stardist): cells as star-shaped polygons.

As in its authors' example notebook: images scaled to their percentiles 1 and 99.8, holes in cells filled, patches
flipped, turned, brightened and made noisy, the learning rate halved on a plateau, the best weights of the validation
frames kept, both thresholds chosen on the validation frames. Pixels with the label -1 add nothing to the loss.
"""

import functools
import json
import shutil
import time
from pathlib import Path

import numpy as np

TITLE = "StarDist"
NEEDS_WEIGHTS = False
# The authors' defaults, except that the network works on every second pixel, as in their notebook.
OPTIONS = {
    "grid": 2,  # pixels per point of the network's output
    "rays": 32,
    "patch": 256,
    "batch_size": 4,
    "steps_per_epoch": 100,
    "learning_rate": 0.0003,
    "prob_threshold": None,  # null: chosen on the validation frames
    "nms_threshold": None,  # the same
}
EPOCHS = 400
# A patch must be divisible by the grid times 2 for each of the network's three poolings.
POOLING = 8


def check(settings):
    """Raise SystemExit if a training with these settings cannot work."""
    options = settings["options"]
    for name in ("rays", "patch", "batch_size", "steps_per_epoch"):
        if not isinstance(options[name], int) or options[name] < 1:
            raise SystemExit(f"options.{name}: {options[name]} was found; expected a whole number from 1.")
    if not options["learning_rate"] > 0:
        raise SystemExit(
            f"options.learning_rate: {options['learning_rate']} was found; expected more than 0."
        )
    if options["rays"] < 3:
        raise SystemExit(f"options.rays: {options['rays']} was found; expected 3 or more.")
    if options["grid"] not in (1, 2, 4, 8):
        raise SystemExit(f"options.grid: {options['grid']} was found; expected 1, 2, 4 or 8.")
    for name in ("prob_threshold", "nms_threshold"):
        value = options[name]
        if value is not None and not (isinstance(value, float) and 0 < value < 1):
            raise SystemExit(f"options.{name}: {value} was found; expected null or a number between 0 and 1.")
    if settings["weights"] is not None:
        _check_weights(Path(settings["weights"]))
    elif settings["epochs"] == 0:
        raise SystemExit(
            "epochs: 0 means a trained model used as it is; name its folder with `weights`, or set epochs or minutes."
        )


def _check_weights(folder):
    """Raise SystemExit unless a folder holds a model as StarDist saves it."""
    wanted = "expected the folder of a StarDist model, with config.json and weights_best.h5"
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError):
        raise SystemExit(
            f"{folder}: no readable config.json was found there; {wanted}. Correct `weights`."
        ) from None
    if not isinstance(config, dict) or "n_rays" not in config or config.get("n_dim") != 2:
        raise SystemExit(
            f"{folder / 'config.json'}: this is not the config of a StarDist model in 2D; {wanted}."
        )
    weights = sorted(folder.glob("*.h5"))
    if not weights:
        raise SystemExit(f"{folder}: no file of weights (.h5) was found there; {wanted}.")
    for path in weights:
        with path.open("rb") as file:
            if file.read(4) != b"\x89HDF":
                raise SystemExit(f"{path}: this is not a file of weights: it is not in HDF5; {wanted}.")


def train(training, validation, folder, settings):
    """Train a model into `folder`/model, or go on with one; then choose its thresholds on the validation frames.

    Returns what the recipe keeps: epochs, seconds of training (minutes limit these alone) and thresholds.
    """
    import keras
    import tensorflow as tf
    from stardist import fill_label_holes

    check(settings)
    options, path = settings["options"], folder / "model"
    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    tf.config.threading.set_inter_op_parallelism_threads(settings["threads"])
    progress = _read_progress(folder)
    seed = settings["seed"] + 1_000_000 * progress["epochs"]  # other patches than before an interruption
    keras.utils.set_random_seed(seed % 2**32)
    images = [[_normalize(image) for image, _ in frames] for frames in (training, validation)]
    labels = [[fill_label_holes(cells) for _, cells in frames] for frames in (training, validation)]
    side = patch_side([image.shape for part in images for image in part], options["patch"], options["grid"])
    model = _load(path) if progress["finished"] else _create(path, settings, images[0][0].shape[-1], side)
    epochs = settings["epochs"]
    if epochs is None:
        epochs = EPOCHS if settings["minutes"] is None else 1_000_000
    if not progress["finished"] and epochs > 0:
        _fit(model, images, labels, folder, epochs, settings["minutes"], progress, seed)
    known = [np.maximum(cells, 0) for cells in labels[1]]
    if options["prob_threshold"] is None or options["nms_threshold"] is None:
        overlaps = {} if options["nms_threshold"] is None else {"nms_threshs": [options["nms_threshold"]]}
        chosen = model.optimize_thresholds(images[1], known, optimize_kwargs={"verbose": 0}, **overlaps)
    else:
        chosen = {"nms": options["nms_threshold"]}
    if options["prob_threshold"] is not None:
        chosen["prob"] = options["prob_threshold"]
    (path / "thresholds.json").write_text(json.dumps(chosen))
    _load.cache_clear()
    return {"epochs_run": progress["epochs"], "training_s": progress["seconds"], "thresholds": chosen}


def _create(path, settings, channels, side):
    """Return the model in a folder; a new one if there is none, which starts from `weights` where these are given."""
    from stardist.models import Config2D, StarDist2D

    options = settings["options"]
    recipe = {
        "train_patch_size": (side, side),
        "train_batch_size": options["batch_size"],
        "train_steps_per_epoch": options["steps_per_epoch"],
        "train_learning_rate": options["learning_rate"],
        "train_tensorboard": False,
    }
    if settings["weights"] is None:
        grid = (options["grid"], options["grid"])
        config = Config2D("YXC", options["rays"], channels, grid, **recipe)
        return StarDist2D(config, name=path.name, basedir=str(path.parent))
    if not (path / "config.json").exists():
        path.mkdir(exist_ok=True)
        for file in (Path(settings["weights"]) / "config.json", *Path(settings["weights"]).glob("*.h5")):
            shutil.copy(file, path)
    try:
        model = StarDist2D(None, name=path.name, basedir=str(path.parent))
    except ValueError as error:
        raise SystemExit(f"{settings['weights']}: its weights do not fit its config.json: {error}") from None
    if model.config.n_channel_in != channels:
        raise SystemExit(
            f"{settings['weights']}: this model reads {model.config.n_channel_in} channels; the frames have {channels}."
        )
    model.config.update_parameters(False, **recipe)
    return model


def _fit(model, images, labels, folder, epochs, minutes, progress, seed):
    """Train until epochs or minutes are over; after each epoch all that is needed to go on is in `folder`."""
    import keras

    begun = time.monotonic() - progress["seconds"]

    def stop_in_time(batch, logs=None):
        if minutes is not None and time.monotonic() - begun > 60 * minutes:
            model.keras_model.stop_training = True

    def keep(epoch, logs=None):
        progress.update(epochs=epoch + 1, seconds=time.monotonic() - begun, best=float(best.best))
        _write_progress(folder, progress)
        losses = ", ".join(f"{name} {logs[name]:.4f}" for name in ("loss", "val_loss"))
        print(f"epoch {epoch + 1}: {losses}, {progress['seconds'] / 60:.1f} minutes", flush=True)

    keras.utils.disable_interactive_logging()  # a line an epoch in the job's log instead of a bar that moves
    model.prepare_for_training()
    best = next(one for one in model.callbacks if getattr(one, "save_best_only", False))
    kept = progress["best"] is not None and _is_whole(folder / "model" / "weights_best.h5")
    best.best = progress["best"] if kept else np.inf
    # Keras puts weights, optimizer and the number of epochs back when a training begins that was interrupted.
    model.callbacks.append(
        keras.callbacks.BackupAndRestore(
            str(folder / "backup"), double_checkpoint=True, delete_checkpoint=False
        )
    )
    model.callbacks.append(keras.callbacks.LambdaCallback(on_train_batch_end=stop_in_time, on_epoch_end=keep))
    augment = functools.partial(augmented, rng=np.random.default_rng(seed))
    model.train(
        *(part[0] for part in (images, labels)),
        (images[1], labels[1]),
        augmenter=augment,
        seed=seed % 2**32,
        epochs=epochs,
    )
    progress["finished"] = True
    _write_progress(folder, progress)
    shutil.rmtree(folder / "backup", ignore_errors=True)


def _is_whole(path):
    """Return whether a file of weights can be read to its end: a training may have been stopped while it wrote it."""
    import h5py

    try:
        with h5py.File(path):
            return True
    except OSError:
        return False


def predict(folder, image, settings):
    """Return the object probability (h, w) and the distances (h, w, rays) on the network's grid, and the frame's shape."""
    model = _load(folder / "model")
    frame = _normalize(image)
    probability, distances = model.predict(
        frame, n_tiles=model._guess_n_tiles(frame), show_tile_progress=False
    )[:2]
    return {"object_probability": probability, "distances": distances, "shape": np.array(image.shape[:2])}


def labels(folder, raw, settings):
    """Return the label image: polygons that overlap give way to the more probable one."""
    from stardist.geometry import polygons_to_label
    from stardist.nms import non_maximum_suppression

    model = _load(folder / "model")
    points, scores, distances = non_maximum_suppression(
        raw["distances"],
        raw["object_probability"],
        grid=model.config.grid,
        prob_thresh=model.thresholds.prob,
        nms_thresh=model.thresholds.nms,
    )
    return polygons_to_label(distances, points, shape=tuple(raw["shape"]), prob=scores).astype(np.int32)


@functools.lru_cache(maxsize=1)
def _load(path):
    """Return the model in a folder, with its thresholds."""
    from stardist.models import StarDist2D

    return StarDist2D(None, name=path.name, basedir=str(path.parent))


def _normalize(image):
    """Scale each channel so that its percentiles 1 and 99.8 become 0 and 1."""
    from csbdeep.utils import normalize

    return normalize(image, 1, 99.8, axis=(0, 1))


def patch_side(shapes, wanted, grid):
    """Return the side of a training patch: at most `wanted` and within every frame, divisible by what the network needs.

    >>> patch_side([(300, 250, 1), (400, 400, 1)], 256, 2)
    240
    """
    unit, smallest = POOLING * grid, min(min(shape[:2]) for shape in shapes)
    side = min(wanted, smallest) // unit * unit
    if side < unit:
        raise SystemExit(
            f"a patch of {min(wanted, smallest)} pixels was found (the smallest frame has {smallest}); expected "
            f"{unit} or more with grid: {grid}. Set a larger patch or a smaller grid."
        )
    return side


def augmented(image, cells, rng):
    """Return a patch and its labels, flipped and turned at random; the image also brightened and made noisy."""
    turns, flip = rng.integers(4), rng.integers(2)
    image, cells = (np.rot90(part[::-1] if flip else part, turns) for part in (image, cells))
    image = image * rng.uniform(0.6, 2) + rng.uniform(-0.2, 0.2)
    return image + 0.02 * rng.uniform() * rng.normal(size=image.shape), cells


def _read_progress(folder):
    """Return what an earlier attempt left: epochs, seconds, the best loss, whether it finished."""
    path = folder / "progress.json"
    if path.exists():
        return json.loads(path.read_text())
    return {"epochs": 0, "seconds": 0.0, "best": None, "finished": False}


def _write_progress(folder, progress):
    part = folder / "progress.json.part"
    part.write_text(json.dumps(progress))
    part.replace(folder / "progress.json")
