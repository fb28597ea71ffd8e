"""nnU-Net 2 (Isensee et al. 2021, https://github.com/MIC-DKFZ/nnUNet): a U-Net that configures itself, here in 2D.

nnU-Net tells classes apart, not cells. As its authors do for cells, each cell becomes a core with a border around it; in
a prediction every connected core is a cell, which then grows into the border. All else is nnU-Net's own: fingerprint,
plans, preprocessing, augmentation, losses, the network after the last epoch, mirrored and averaged predictions. Pixels
with the label -1 are its ignore label.
"""

import functools
import json
import math
import os
import shutil
import time
from pathlib import Path

import numpy as np

TITLE = "nnU-Net"
NEEDS_WEIGHTS = False
PROBABILITY = True
# nnU-Net's defaults.
OPTIONS = {
    "border_px": 2,
    "gpu_memory_gb": 8.0,  # less: smaller patches and batches, also on a CPU
    "steps_per_epoch": 250,
    "validation_steps": 50,
    "learning_rate": 0.01,
    "mirroring": True,  # in prediction
}
EPOCHS = 1000
BACKGROUND, BORDER, CORE, IGNORED = range(4)
DATASET = "Dataset001_cells"
FILES = ("dataset.json", "plans.json", "fold_0/checkpoint_final.pth")
SPACING = (999, 1, 1)  # nnU-Net's for pictures: one plane
FEWEST_EPOCHS = (
    20  # where minutes are short, epochs become shorter: the learning rate changes from one to the next
)
SAVE_EVERY_S = 60


def check(settings):
    """Raise SystemExit if a training with these settings cannot work."""
    for name in ("border_px", "steps_per_epoch", "validation_steps"):
        value = settings["options"][name]
        if not isinstance(value, int) or value < 1:
            raise SystemExit(f"options.{name}: {value} was found; expected a whole number from 1.")
    for name in ("gpu_memory_gb", "learning_rate"):
        if not settings["options"][name] > 0:
            raise SystemExit(f"options.{name}: {settings['options'][name]} was found; expected more than 0.")
    if settings["weights"] is not None:
        folder = Path(settings["weights"])
        wanted = f"expected the folder of a model of nnU-Net 2, with {', '.join(FILES)}. Correct `weights`."
        for name in FILES:
            if not (folder / name).is_file():
                raise SystemExit(f"{folder}: no {name} was found there; {wanted}")
        with (folder / FILES[-1]).open("rb") as file:
            if file.read(2) != b"PK":
                raise SystemExit(f"{folder / FILES[-1]}: this is not a file of PyTorch; {wanted}")
        try:
            found = json.loads((folder / "dataset.json").read_text()).get("labels")
        except ValueError:
            raise SystemExit(f"{folder / 'dataset.json'}: this is not JSON; {wanted}") from None
        classes = {name: number for name, number in (found or {}).items() if name != "ignore"}
        if classes != {"background": BACKGROUND, "border": BORDER, "core": CORE}:
            raise SystemExit(
                f"{folder / 'dataset.json'}: the labels {found} were found; expected background: {BACKGROUND}, border: "
                f"{BORDER}, core: {CORE}, which cells are made from."
            )
    elif settings["epochs"] == 0:
        raise SystemExit(
            "epochs: 0 means a trained model used as it is; name its folder with `weights`, or set epochs or minutes."
        )


def train(training, validation, folder, settings):
    """Train a model into `folder`/model, or go on with one.

    Returns what the recipe keeps: epochs, their steps and seconds of training (minutes limit these alone).
    """
    import torch

    check(settings)
    _set_environment(folder, settings)
    progress = _read_progress(folder)
    if settings["epochs"] == 0:
        _keep_model(Path(settings["weights"]), folder)
    elif not progress["finished"]:
        torch.set_num_threads(settings["threads"])
        torch.manual_seed(settings["seed"])
        np.random.seed(settings["seed"] + progress["epochs"])  # noqa: NPY002 - nnU-Net draws from it
        if not (folder / "planned").exists():
            _prepare(training, validation, folder, settings)
            (folder / "planned").touch()
        _fit(folder, settings, progress)
        for name in ("raw", "preprocessed", "results"):
            shutil.rmtree(folder / name)
    _load.cache_clear()
    return {
        "epochs_run": progress["epochs"],
        "steps_per_epoch": progress["steps"],
        "training_s": progress["seconds"],
    }


def _set_environment(folder, settings):
    """Set what nnU-Net reads from the environment: its folders, and how many processes there may be."""
    os.environ |= {f"nnUNet_{name}": str(folder / name) for name in ("raw", "preprocessed", "results")}
    os.environ |= {
        "nnUNet_def_n_proc": str(settings["threads"]),
        "nnUNet_n_proc_DA": str(settings["threads"]),
        "nnUNet_compile": "f",  # it needs a compiler
        "HF_HUB_OFFLINE": "1",
    }


def _prepare(training, validation, folder, settings):
    """Write nnU-Net's data set, let it plan and preprocess, and tell it which frames are for validation."""
    import tifffile
    from nnunetv2.experiment_planning.plan_and_preprocess_api import (
        extract_fingerprint_dataset,
        plan_experiment_dataset,
    )
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    for name in ("raw", "preprocessed", "results"):
        shutil.rmtree(folder / name, ignore_errors=True)
    raw = folder / "raw" / DATASET
    for name in ("imagesTr", "labelsTr"):
        (raw / name).mkdir(parents=True)
    frames = [*training, *validation]
    for number, (image, cells) in enumerate(frames):
        for channel in range(image.shape[-1]):
            tifffile.imwrite(raw / "imagesTr" / f"frame{number:05}_{channel:04}.tif", image[..., channel])
        classes = cores_and_borders(cells, settings["options"]["border_px"])
        tifffile.imwrite(raw / "labelsTr" / f"frame{number:05}.tif", classes)
    labels = {"background": BACKGROUND, "border": BORDER, "core": CORE}
    if any((cells < 0).any() for _, cells in training):
        labels["ignore"] = IGNORED
    told = {
        "channel_names": {str(channel): f"channel {channel}" for channel in range(frames[0][0].shape[-1])},
        "labels": labels,
        "numTraining": len(frames),
        "file_ending": ".tif",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    (raw / "dataset.json").write_text(json.dumps(told))
    processes = settings["threads"]
    extract_fingerprint_dataset(1, num_processes=processes, verbose=False, show_progress_bar=False)
    plan_experiment_dataset(1, gpu_memory_target_in_gb=settings["options"]["gpu_memory_gb"])
    preprocessed = folder / "preprocessed" / DATASET
    preprocessor = PlansManager(str(preprocessed / "nnUNetPlans.json")).get_configuration("2d")
    preprocessor.preprocessor_class(verbose=False).run(1, "2d", "nnUNetPlans", num_processes=processes)
    names = [f"frame{number:05}" for number in range(len(frames))]
    split = [{"train": names[: len(training)], "val": names[len(training) :]}]
    (preprocessed / "splits_final.json").write_text(json.dumps(split))


def _fit(folder, settings, progress):
    """Train until epochs or minutes are over; from time to time all that is needed to go on is put into `folder`."""
    import torch
    from nnunetv2.run.run_training import get_trainer_from_args, maybe_load_checkpoint

    options, begun = settings["options"], time.monotonic() - progress["seconds"]
    end = math.inf if settings["minutes"] is None else begun + 60 * settings["minutes"]
    device = torch.device("cuda" if settings["device"] == "gpu" else "cpu")
    if device.type == "cpu":
        os.environ["nnUNet_n_proc_DA"] = "0"  # noqa: SIM112 - no processes beside the training
    resumed = progress["epochs"] > 0
    trainer = get_trainer_from_args(DATASET, "2d", 0, continue_training=resumed, device=device)
    trainer.initial_lr = options["learning_rate"]
    trainer.num_epochs = progress["planned"] or settings["epochs"] or EPOCHS
    trainer.num_iterations_per_epoch = progress["steps"] or options["steps_per_epoch"]
    trainer.num_val_iterations_per_epoch = options["validation_steps"]
    # Nothing but the last network and what is needed to go on is written: `best` would be, after each better epoch.
    trainer.save_every, trainer._best_ema = 10**9, math.inf
    trainer.logger.plot_progress_png = lambda _: None
    if resumed:
        trainer.load_checkpoint(str(folder / "state.pth"))
    elif settings["weights"] is not None:
        try:
            maybe_load_checkpoint(trainer, False, False, str(Path(settings["weights"]) / FILES[-1]))
        except (AssertionError, RuntimeError) as error:
            raise SystemExit(
                f"{settings['weights']}: this network is not the one that nnU-Net plans for these frames ({error}). Use it "
                "as it is with epochs: 0, or train without `weights`."
            ) from None
    trainer.on_train_start()
    if progress["planned"] is None and settings["minutes"] is not None:
        _plan_epochs(trainer, end)
    share = options["validation_steps"] / options["steps_per_epoch"]
    trainer.num_val_iterations_per_epoch = max(1, round(share * trainer.num_iterations_per_epoch))
    progress.update(planned=trainer.num_epochs, steps=trainer.num_iterations_per_epoch)
    saved = time.monotonic()
    while trainer.current_epoch < trainer.num_epochs and time.monotonic() < end:
        _train_epoch(trainer, end)
        trainer.on_epoch_end()
        progress.update(epochs=trainer.current_epoch, seconds=time.monotonic() - begun)
        if time.monotonic() - saved > SAVE_EVERY_S:
            saved = time.monotonic()
            trainer.current_epoch -= 1  # nnU-Net counts it again
            trainer.save_checkpoint(str(folder / "state.part"))
            trainer.current_epoch += 1
            (folder / "state.part").replace(folder / "state.pth")
            _write_progress(folder, progress)
    trainer.on_train_end()
    _keep_model(Path(trainer.output_folder_base), folder)
    (folder / "state.pth").unlink(missing_ok=True)
    progress["finished"] = True
    _write_progress(folder, progress)


def _plan_epochs(trainer, end):
    """Set how many epochs of how many steps fit until `end`: the learning rate falls to zero over them."""
    for _ in range(2):  # the first step is slower
        begun = time.monotonic()
        trainer.train_step(next(trainer.dataloader_train))
    seconds = time.monotonic() - begun
    # A step of validation takes a third of one of training; there is one in five.
    steps = max(1, int((end - time.monotonic()) / seconds / (1 + 1 / 15)))
    trainer.num_iterations_per_epoch = min(trainer.num_iterations_per_epoch, max(1, steps // FEWEST_EPOCHS))
    trainer.num_epochs = max(1, steps // trainer.num_iterations_per_epoch)
    trainer.lr_scheduler.max_steps = trainer.num_epochs
    print(
        f"A step takes {seconds:.2f} s, so {trainer.num_epochs} epochs of {trainer.num_iterations_per_epoch} steps are planned."
    )


def _train_epoch(trainer, end):
    """Do what nnU-Net does in an epoch, apart from its end; stop early when the time is up."""
    import torch

    trainer.on_epoch_start()
    trainer.on_train_epoch_start()
    outputs = []
    while len(outputs) < trainer.num_iterations_per_epoch and (not outputs or time.monotonic() < end):
        outputs.append(trainer.train_step(next(trainer.dataloader_train)))
    trainer.on_train_epoch_end(outputs)
    with torch.no_grad():
        trainer.on_validation_epoch_start()
        steps = range(trainer.num_val_iterations_per_epoch)
        trainer.on_validation_epoch_end(
            [trainer.validation_step(next(trainer.dataloader_val)) for _ in steps]
        )


def _keep_model(source, folder):
    """Put what prediction needs into `folder`/model; the state of the optimizer, twice as large, is not kept."""
    import pickle

    import torch

    needed = ("network_weights", "trainer_name", "init_args", "inference_allowed_mirroring_axes")
    try:
        checkpoint = torch.load(source / FILES[-1], map_location="cpu", weights_only=False)
        kept = {name: checkpoint[name] for name in needed}
    except (RuntimeError, EOFError, TypeError, KeyError, pickle.UnpicklingError) as error:
        raise SystemExit(
            f"{source / FILES[-1]}: this is not a checkpoint of nnU-Net 2 ({error}). Correct `weights`."
        ) from None
    (folder / "model" / "fold_0").mkdir(parents=True, exist_ok=True)
    for name in FILES[:-1]:
        shutil.copy(source / name, folder / "model" / name)
    torch.save(kept, folder / "model" / FILES[-1])


def predict(folder, image, settings):
    """Return the probabilities of background, border and core (3, H, W), and of a cell: border or core (H, W)."""
    import torch

    _set_environment(folder, settings)
    torch.set_num_threads(settings["threads"])
    predictor = _load(folder / "model", settings["device"], settings["options"]["mirroring"])
    planes = np.ascontiguousarray(np.moveaxis(image, -1, 0)[:, None])
    _, found = predictor.predict_single_npy_array(planes, {"spacing": SPACING}, None, None, True)
    found = np.asarray(found, np.float32)[:, 0]
    return {"classes": found, "probability": np.clip(found[BORDER] + found[CORE], 0, 1)}


def labels(folder, raw, settings):
    """Return the label image: connected cores, grown into the border."""
    return cells_of(raw["classes"].argmax(axis=0))


@functools.lru_cache(maxsize=1)
def _load(path, device, mirroring):
    """Return nnU-Net's predictor with the trained network."""
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(
        use_mirroring=mirroring,
        device=torch.device("cuda" if device == "gpu" else "cpu"),
        perform_everything_on_device=device == "gpu",
        allow_tqdm=False,
    )
    predictor.initialize_from_trained_model_folder(str(path), (0,))
    return predictor


def cores_and_borders(cells, border_px):
    """Return the class of each pixel (uint8): background, border, core or ignored.

    A cell's outer `border_px` pixels are its border, what is within is its core. A cell too small for that has its
    innermost pixels for a core; of a core in pieces the largest is kept, since each piece would become a cell.
    """
    from scipy import ndimage
    from skimage.segmentation import find_boundaries

    classes = np.where(cells > 0, BORDER, BACKGROUND).astype(np.uint8)
    outer = find_boundaries(cells, mode="inner") & (cells > 0)
    # Without a boundary (one cell fills the frame) the distance is to nowhere: all of it is core.
    depth = ndimage.distance_transform_edt(~outer) if outer.any() else np.full(cells.shape, border_px)
    deepest = np.zeros(max(cells.max(), 0) + 1)
    ids = np.unique(cells[cells > 0])
    deepest[ids] = ndimage.maximum(depth, cells, ids)
    needed = np.minimum(deepest, border_px)[np.maximum(cells, 0)]
    pieces, _ = ndimage.label((cells > 0) & (depth >= needed), np.ones((3, 3)))
    sizes, owners = np.bincount(pieces.ravel()), np.zeros(pieces.max() + 1, int)
    owners[pieces.ravel()] = cells.ravel()
    largest = {owners[piece]: piece for piece in np.argsort(sizes[1:], kind="stable") + 1}
    classes[np.isin(pieces, list(largest.values()))] = CORE
    classes[cells < 0] = IGNORED
    return classes


def cells_of(classes):
    """Return the label image (int32) of a map of classes: every connected core, grown into the border around it."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    cores, _ = ndimage.label(classes == CORE, np.ones((3, 3)))
    return watershed(
        ndimage.distance_transform_edt(cores == 0), cores, mask=(classes == CORE) | (classes == BORDER)
    ).astype(np.int32)


def _read_progress(folder):
    """Return what an earlier attempt left: epochs done and planned, steps of one, seconds, whether it finished."""
    path = folder / "progress.json"
    if path.exists():
        return json.loads(path.read_text())
    return {"epochs": 0, "planned": None, "steps": None, "seconds": 0.0, "finished": False}


def _write_progress(folder, progress):
    part = folder / "progress.json.part"
    part.write_text(json.dumps(progress))
    part.replace(folder / "progress.json")
