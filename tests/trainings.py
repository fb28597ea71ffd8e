"""What a training would have left behind: learning curve, watershed settings tried, recipe."""

import numpy as np
import pandas as pd
from scenes import ERRORS

from brightcell import provenance
from brightcell.instances.variants import FRAME_COLUMNS, SCORES

IMAGE = "containers/train.sif"
PARAMETERS = {"simple": 31_402_501, "attention": 37_334_665, "residual_attention": 39_090_377}


def history(run: dict, epochs: int) -> pd.DataFrame:
    """Losses that fall to a floor, which lies lower for the better network."""
    rng = np.random.default_rng([run["fold"], run["seed"], len(run["network"])])
    epoch = np.arange(1, epochs + 1)
    floor = 0.04 + 0.02 * ERRORS[run["network"]][0]
    loss = floor + 0.3 * np.exp(-4 * epoch / epochs) * rng.uniform(0.8, 1.2, epochs)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": loss,
            "val_loss": 1.2 * loss,
            "val_cell_iou": 0.95 - 1.5 * loss,
            "learning_rate": 1e-3,
            "seconds": 60.0,
        }
    )


def calibration(network: str) -> pd.DataFrame:
    """A grid of watershed settings, best at threshold 0.5 and depth 0.1."""
    grid = [(t, s, d, 30.0) for t in (0.3, 0.4, 0.5, 0.6, 0.7) for s in (1.0, 2.0) for d in (0.05, 0.1, 0.2)]
    table = pd.DataFrame(grid, columns=["threshold", "smoothing_px", "depth", "minimum_area_px"])
    best = 0.8 - 0.05 * ERRORS[network][0]
    away = (
        (table["threshold"] - 0.5).abs() + (table["depth"] - 0.1).abs() + 0.02 * (table["smoothing_px"] - 1)
    )
    return table.assign(value=best - away, round=0)


def watersheds(run: dict, frames: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Scores by watershed: the network's with learned markers, less by a tenth and a third with the others."""
    numbered = samples.loc[samples["mask_type"] == "instances", "sample"]
    frames = frames[frames["sample"].isin(numbered)]
    parts = [
        frames[["sample", "group"]]
        .assign(variant=variant, **{name: frames[name] * share for name in SCORES})
        .join(frames[["truth_cells", "predicted_cells"]])
        for variant, share in (("published", 0.7), ("foreground", 0.9), ("learned", 1.0))
    ]
    return pd.concat(parts, ignore_index=True).assign(**run)[[*run, *FRAME_COLUMNS]]


def recipe(run: dict, epochs: int) -> dict:
    """What a training tells of itself."""
    parameters = PARAMETERS[run["network"]]
    return run | {
        "filters": 64, "levels": 5, "dropout": 0.05, "outputs": 2, "channels": 3,
        "target": "foreground+distance", "parameters": parameters, "trainable_parameters": parameters - 12_000,
        "epochs_run": epochs, "best_epoch": epochs - 1, "train_seconds": 60.0 * epochs + parameters / 1e6,
        "precision": "mixed_bfloat16", "backend": "tensorflow", "device": "gpu", "threads": 8,
        "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5, "train_frames": 12, "validate_frames": 4,
        "versions": {"python": "3.11.7", "keras": "3.15.1", "tensorflow": "2.21.0"},
        "machine": provenance.machine() | {"host": "bench", "processor": "a processor", "image": IMAGE},
    }  # fmt: skip
