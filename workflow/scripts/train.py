"""Train one network on one fold with one seed."""

import math
import time
from pathlib import Path

import pandas as pd

from brightcell import backend, files, images, provenance
from brightcell.errors import InputError
from brightcell.jobs import job
from brightcell.roles import rows_in_role


def choose_target(wanted: str, samples: pd.DataFrame, log) -> str:
    """Settle `auto`: the distance is learned where every mask tells single cells apart."""
    semantic = samples.loc[samples["mask_type"] != "instances", "sample"]
    if wanted == "foreground+distance" and len(semantic):
        raise InputError(
            f"network.target is foreground+distance, but the masks of {len(semantic)} samples ({semantic.iloc[0]}, …) "
            "do not tell touching cells apart. Number the cells in these masks, or take foreground or auto."
        )
    if wanted != "auto":
        return wanted
    if len(semantic):
        log.info(
            "target: foreground alone, because the masks of %d samples (%s, …) do not tell touching cells apart",
            *(len(semantic), semantic.iloc[0]),
        )
        return "foreground"
    log.info("target: foreground and distance, because every mask tells single cells apart")
    return "foreground+distance"


def load_frames(frames, labels, rows: pd.DataFrame, percentiles) -> list:
    """Load and normalise the frames of some samples with their labels."""
    from brightcell import augment

    pictures = images.read_named(frames, rows)
    truths = images.read_named(labels, rows)
    return [
        augment.Frame.from_labels(images.normalise(pictures[name], percentiles), truths[name][..., 0])
        for name in rows["sample"]
    ]


def main(
    frames, labels, samples, folds, model_file, history_file, recipe_file, wildcards, params, threads, log
):
    """Train, then write the model, its history and its recipe; all of them or none."""
    samples = files.read_table(samples)
    assigned = files.read_table(folds)
    rows = {
        role: rows_in_role(samples, assigned, wildcards.scheme, int(wildcards.fold), role)
        for role in ("train", "validate")
    }
    target = choose_target(params.network["target"], samples, log)
    seed = int(wildcards.seed)

    precision = backend.start(threads, params.training["device"], params.training["precision"])
    import keras

    from brightcell import nets, training

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)

    training_frames = load_frames(frames, labels, rows["train"], params.percentiles)
    validation_frames = load_frames(frames, labels, rows["validate"], params.percentiles)
    log.info("%d frames to train on, %d to validate on", len(training_frames), len(validation_frames))
    patch, channels = params.training["patch"], training_frames[0].image.shape[-1]
    shape = {key: params.network[key] for key in ("filters", "levels", "dropout")}
    shape["outputs"] = 2 if target == "foreground+distance" else 1
    model = nets.build_unet(wildcards.network, (patch, patch, channels), **shape)
    parameters, trainable = nets.count_parameters(model)
    log.info("%s: %d parameters", nets.ARCHITECTURES[wildcards.network].title, parameters)

    start = time.perf_counter()
    history = training.train(model, training_frames, validation_frames, params.training, seed)
    seconds = time.perf_counter() - start

    # Saved for frames of any size and in float32: the machine that predicts chooses its own precision.
    keras.config.set_dtype_policy("float32")
    portable = nets.build_unet(wildcards.network, (None, None, channels), **shape)
    portable.set_weights(model.get_weights())
    pixel_um = float(rows["train"]["pixel_size_um"].median())
    recipe = {
        **dict(wildcards.items()),
        "fold": int(wildcards.fold),
        "seed": seed,
        **shape,
        "channels": channels,
        "target": target,
        "parameters": parameters,
        "trainable_parameters": trainable,
        "epochs_run": len(history),
        "best_epoch": int(history.loc[history["val_loss"].idxmin(), "epoch"]),
        "train_seconds": round(seconds, 1),
        "precision": precision,
        "backend": keras.backend.backend(),
        "device": "gpu" if backend.has_gpu() else "cpu",
        "threads": threads,
        "percentiles": list(params.percentiles),
        "working_pixel_size_um": pixel_um if math.isfinite(pixel_um) else None,
        "train_frames": len(training_frames),
        "validate_frames": len(validation_frames),
        "versions": provenance.versions("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy"),
        "machine": provenance.machine(),
    }
    with files.whole(model_file) as temporary:
        portable.save(temporary)
    files.write_table(history, history_file)
    files.write_json(recipe, recipe_file)


if __name__ == "__main__":
    with job(snakemake.log[0]) as log:
        main(
            [Path(path) for path in snakemake.input.frames],
            [Path(path) for path in snakemake.input.labels],
            snakemake.input.samples,
            snakemake.input.folds,
            snakemake.output.model,
            snakemake.output.history,
            snakemake.output.recipe,
            snakemake.wildcards,
            snakemake.params,
            snakemake.threads,
            log,
        )
