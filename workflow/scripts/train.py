"""Train one network on one fold with one seed."""

import math
from pathlib import Path

import pandas as pd

from brightcell import files, provenance
from brightcell.compute import backend
from brightcell.errors import InputError
from brightcell.io import stacks
from brightcell.jobs import job
from brightcell.preprocessing import normalisation, statistics
from brightcell.sheets.roles import rows_in_role


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
    from brightcell.training import patches

    pictures = stacks.read_named(frames, rows)
    truths = stacks.read_named(labels, rows)
    return [
        patches.TrainingFrame.from_labels(
            normalisation.normalise(pictures[name], percentiles), truths[name][..., 0]
        )
        for name in rows["sample"]
    ]


def describe_training(frames, labels, rows: pd.DataFrame) -> dict:
    """Tell how the training frames look and how large their cells are, for the recipe."""
    instances = rows[rows["mask_type"] == "instances"]
    return statistics.reference(
        (frame for _, frame in stacks.iterate_named(frames, rows)),
        (page[..., 0] for _, page in stacks.iterate_named(labels, instances)),
    )


def warm_start(model, path: Path) -> None:
    """Give a network the weights of a trained one of the same shape."""
    from brightcell.nets.loading import load_model

    source = load_model(path)
    wanted, found = ([tuple(weight.shape) for weight in network.weights] for network in (model, source))
    if wanted != found:
        first = next(
            (pair for pair in zip(wanted, found, strict=False) if pair[0] != pair[1]),
            (len(wanted), len(found)),
        )
        raise InputError(
            f"training.init_weights {path}: a network of another shape ({source.count_params():,} parameters, "
            f"{source.input_shape[-1]} channels, {source.output_shape[-1]} outputs; first difference: {first[1]} where "
            f"{first[0]} is needed). Expected {model.count_params():,} parameters, {model.input_shape[-1]} channels, "
            f"{model.output_shape[-1]} outputs: take the network, filters, levels and target that it was trained with."
        )
    model.set_weights(source.get_weights())


def tell_other_images(path: Path, percentiles: list[float], pixel_um: float, log) -> None:
    """Warn where a network was trained on images mapped otherwise, or of other pixels, by the recipe beside it."""
    recipe = path.with_name("recipe.json")
    known = files.read_json(recipe) if recipe.exists() else {}
    mapped, size = known.get("percentiles"), known.get("working_pixel_size_um")
    if mapped and list(mapped) != list(percentiles):
        log.warning(
            "%s was trained with images.percentiles %s, not %s", path, list(mapped), list(percentiles)
        )
    if size and math.isfinite(pixel_um) and abs(pixel_um / size - 1) > 0.1:
        log.warning(
            "%s was trained on pixels of %.3g µm, these are of %.3g µm: set images.working_pixel_size_um, so that cells "
            "look as large as it knows them", path, size, pixel_um,
        )  # fmt: skip


def main(
    frames,
    labels,
    samples,
    folds,
    init,
    model_file,
    history_file,
    recipe_file,
    wildcards,
    params,
    threads,
    log,
):
    """Train, then write the model, its history and its recipe; all of them or none.

    What a kill leaves behind in the folder `training_state` beside the model is taken up by the next run. The best
    weights stay there: where the model is lost, because a later job of its SLURM job failed, it is not trained again.
    """
    samples = files.read_table(samples)
    assigned = files.read_table(folds)
    rows = {
        role: rows_in_role(samples, assigned, wildcards.scheme, int(wildcards.fold), role)
        for role in ("train", "validate")
    }
    target = choose_target(params.network["target"], samples, log)
    seed = int(wildcards.seed)
    pixel_um = float(rows["train"]["pixel_size_um"].median())

    precision = backend.start(threads, **params.compute, deterministic=params.training["deterministic"])
    import keras

    from brightcell.nets import unet
    from brightcell.training import checkpoints, loop

    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)

    training_frames = load_frames(frames, labels, rows["train"], params.percentiles)
    validation_frames = load_frames(frames, labels, rows["validate"], params.percentiles)
    log.info("%d frames to train on, %d to validate on", len(training_frames), len(validation_frames))
    patch, channels = params.training["patch"], training_frames[0].image.shape[-1]
    shape = {key: params.network[key] for key in ("filters", "levels", "dropout")}
    shape["outputs"] = 2 if target == "foreground+distance" else 1
    model = unet.build_unet(wildcards.network, (patch, patch, channels), **shape)
    parameters, trainable = unet.count_parameters(model)
    log.info("%s: %d parameters", unet.ARCHITECTURES[wildcards.network].title, parameters)

    if init:
        warm_start(model, Path(init))
        log.info("starts from the weights of %s", init)
        tell_other_images(Path(init), params.percentiles, pixel_um, log)

    def save(path: Path) -> None:
        """Write the model for frames of any size and in float32: the machine that predicts chooses its own precision."""
        keras.config.set_dtype_policy("float32")
        portable = unet.build_unet(wildcards.network, (None, None, channels), **shape)
        portable.set_weights(model.get_weights())
        with files.whole(path) as temporary:
            portable.save(temporary)

    made_of = checkpoints.settings_digest(
        {
            "network": {"architecture": wildcards.network, **shape},
            "training": params.training,
            "precision": precision,
            "seed": seed,
            "init_weights": files.digest(init) if init else None,
            "code": params.get("code"),
            "keras": f"{keras.__version__} on {keras.backend.backend()}",
        },
        [array for frame in (*training_frames, *validation_frames) for array in (frame.image, frame.labels)],
    )
    checkpoint = checkpoints.Checkpoint(Path(model_file).with_name("training_state"), made_of)
    try:
        history = loop.train(
            model, training_frames, validation_frames, params.training, seed, checkpoint, warm=bool(init)
        )
    except loop.Diverged as error:
        if not error.best_epoch:
            raise
        kept = Path(model_file).with_name("diverged.keras")
        save(kept)
        raise InputError(
            f"{error} The weights of epoch {error.best_epoch}, the best so far, are in {kept}."
        ) from None

    checkpoint.check_owner()
    save(Path(model_file))
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
        "train_seconds": round(float(history["seconds"].sum()), 1),
        "precision": precision,
        "backend": keras.backend.backend(),
        "device": "gpu" if backend.has_gpu() else "cpu",
        "threads": backend.allotted(threads),
        "percentiles": list(params.percentiles),
        "chosen_channels": params.chosen_channels,
        "preprocess": params.preprocess,
        "working_pixel_size_um": pixel_um if math.isfinite(pixel_um) else None,
        "training_data": describe_training(frames, labels, rows["train"]),
        "train_frames": len(training_frames),
        "validate_frames": len(validation_frames),
        "versions": provenance.versions("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy"),
        "machine": provenance.machine(),
    }
    files.write_table(history, history_file)
    files.write_json(recipe, recipe_file)
    checkpoint.finish()


if __name__ == "__main__":
    settings = snakemake.params
    with (
        job(snakemake.log[0]) as log,
        backend.memory_advice("training", settings.training, settings.network["levels"]),
    ):
        main(
            [Path(path) for path in snakemake.input.frames],
            [Path(path) for path in snakemake.input.labels],
            snakemake.input.samples,
            snakemake.input.folds,
            snakemake.input.get("init"),
            snakemake.output.model,
            snakemake.output.history,
            snakemake.output.recipe,
            snakemake.wildcards,
            snakemake.params,
            snakemake.threads,
            log,
        )
