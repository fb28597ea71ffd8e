"""Work out the tables behind the report's figures; each is written as a TSV beside the page.

A *run* is one training: scheme, network, fold, seed.
"""

import numpy as np
import pandas as pd

from brightcell.comparison.averaging import group_differences, pair_frames

TRUTH = "truth"  # stands in the column network for the annotated cells
RUN = ["scheme", "network", "fold", "seed"]
ERRORS = {"fn50": "missed", "fp50": "false", "splits": "split", "merges": "merged"}
# What a recipe says of the cost of a training; other tools do not say everything.
COSTS = (
    *("train_seconds", "device", "precision", "parameters", "trainable_parameters", "epochs_run"),
    "best_epoch",
)
CURVES = {
    "loss": "Loss, training frames",
    "val_loss": "Loss, validation frames",
    "val_cell_iou": "Cell IoU, validation frames",
}
BINS = 20


def differences_of_groups(frames: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """Return the paired differences of `differences` for each group: scheme, score, network_a, network_b, group, difference.

    `frames` are those of `averaging.average_seeds`. Paired frame by frame; a group without a frame that both have a
    score of is left out.
    """
    columns = ["scheme", "score", "network_a", "network_b", "group", "difference"]
    if differences.empty:
        return pd.DataFrame(columns=columns)
    rows = []
    for (scheme, score), pairs in differences.groupby(["scheme", "score"], sort=False):
        if score not in frames:
            continue
        paired = pair_frames(frames[frames["scheme"] == scheme], score)
        for a, b in zip(pairs["network_a"], pairs["network_b"], strict=True):
            if {a, b} <= set(paired):
                values = group_differences(paired, a, b).dropna()
                rows += [(scheme, score, a, b, group, value) for group, value in values.items()]
    return pd.DataFrame(rows, columns=columns)


def count_errors(scores: pd.DataFrame) -> pd.DataFrame:
    """Count the errors of each network per 100 true cells, all frames and runs together."""
    summed = [column for column in ("truth_cells", *ERRORS) if column in scores]
    if "truth_cells" not in summed:
        return pd.DataFrame(columns=["scheme", "network", "truth_cells"])
    keys = ["scheme", "network"]
    errors = scores.dropna(subset=summed).groupby(keys, sort=False, as_index=False)[summed].sum()
    for column in summed[1:]:
        errors[f"{ERRORS[column]}_per_100_cells"] = (
            100 * errors.pop(column) / errors["truth_cells"].where(errors["truth_cells"] > 0)
        )
    return errors


def summarise_training(recipes: list[dict], speeds: pd.DataFrame) -> pd.DataFrame:
    """Return one row per scheme and network: runs, parameters, minutes, GPU hours, frames/s, device, precision.

    `recipes` are those of the runs; what was not trained here is left out. `speeds` has the columns scheme, network, frames and seconds (of prediction).
    gpu_hours is NaN if no run used a GPU, frames_per_second if nothing was timed.
    """
    rows = []
    runs = pd.DataFrame(
        recipes, columns=list(dict.fromkeys([*COSTS, *(key for each in recipes for key in each)]))
    )
    runs = runs[runs["train_seconds"].notna()]
    for (scheme, network), part in runs.groupby(["scheme", "network"], sort=False) if len(runs) else ():
        minutes = part["train_seconds"] / 60
        on_gpu = part["device"].astype(str).str.lower().str.startswith("gpu")
        timed = (
            speeds[(speeds["scheme"] == scheme) & (speeds["network"] == network)] if len(speeds) else speeds
        )
        rows.append(
            {
                "scheme": scheme,
                "network": network,
                "runs": len(part),
                "parameters": part["parameters"].iloc[0],
                "trainable_parameters": part["trainable_parameters"].iloc[0],
                "minutes": minutes.mean(),
                "minutes_least": minutes.min(),
                "minutes_most": minutes.max(),
                "hours_in_all": minutes.sum() / 60,
                "gpu_hours": minutes[on_gpu].sum() / 60 if on_gpu.any() else np.nan,
                "frames_per_second": timed["frames"].sum() / timed["seconds"].sum() if len(timed) else np.nan,
                "epochs_run": part["epochs_run"].mean(),
                "best_epoch": part["best_epoch"].mean(),
                "device": ", ".join(dict.fromkeys(part["device"].astype(str))),
                "precision": ", ".join(dict.fromkeys(part["precision"].dropna().astype(str))),
            }
        )
    return pd.DataFrame(rows)


def over_runs(table: pd.DataFrame, by: list[str], value: str) -> pd.DataFrame:
    """Average a value over runs: scheme, network, `by`, mean, low and high (least and most), runs."""
    if table.empty or value not in table:
        return pd.DataFrame(columns=["scheme", "network", *by, "mean", "low", "high", "runs"])
    groups = table.dropna(subset=value).groupby(["scheme", "network", *by], sort=False)[value]
    found = groups.agg(mean="mean", low="min", high="max", runs="size").reset_index()
    return found.sort_values(by, kind="stable", ignore_index=True)


def best_by_threshold(calibrations: pd.DataFrame) -> pd.DataFrame:
    """Return the best watershed setting of every run at each threshold of the coarse grid, and average over runs.

    `calibrations` has the columns of a run, threshold, the other parameters, value, and round: 0 for the coarse grid.
    """
    if calibrations.empty:
        return over_runs(calibrations, ["threshold"], "value")
    calibrations = calibrations[calibrations["round"] == 0]  # finer thresholds differ from run to run
    best = calibrations.groupby([*RUN, "threshold"], as_index=False, sort=False)["value"].max()
    return over_runs(best, ["threshold"], "value")


def truth_and_predictions(cells: pd.DataFrame, pixel_sizes: pd.Series) -> pd.DataFrame:
    """Return the area of every cell: scheme, network or TRUTH, sample, area; one row per cell and run.

    `cells` has the columns scheme, network, fold, seed, sample, truth_area_px, predicted_area_px; a true cell is listed
    once a scheme. Areas are µm² where `pixel_sizes` (µm, by sample) knows all samples, px otherwise.
    """
    if cells.empty:
        return pd.DataFrame(columns=["scheme", "network", "seed", "sample", "area"])
    predicted = cells.loc[cells["predicted_area_px"] > 0, [*RUN, "sample", "predicted_area_px"]]
    once = cells.groupby(["scheme", "sample"], sort=False)[["network", "fold", "seed"]].transform("first")
    first = (cells[["network", "fold", "seed"]] == once).all(axis=1)
    true = cells.loc[first & (cells["truth_area_px"] > 0), [*RUN, "sample", "truth_area_px"]]
    both = pd.concat(
        [
            true.rename(columns={"truth_area_px": "area"}).assign(network=TRUTH),
            predicted.rename(columns={"predicted_area_px": "area"}),
        ],
        ignore_index=True,
    )
    sizes = both["sample"].map(pixel_sizes)
    if sizes.notna().all():
        both["area"] = both["area"] * sizes**2
    return both[["scheme", "network", "seed", "sample", "area"]]


def histogram(values: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return the share of each network's cells in bins of a measure: scheme, network, low, high, share (%), cells.

    The bins of a scheme reach from its 0.5th to its 99.5th percentile; cells beyond count in the outer bins.
    """
    rows = []
    for scheme, part in values.dropna(subset=column).groupby("scheme", sort=False):
        low, high = part[column].quantile([0.005, 0.995])
        edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
        for network, own in part.groupby("network", sort=False):
            counts = np.histogram(own[column].clip(edges[0], edges[-1]), edges)[0]
            shares = 100 * counts / max(1, len(own))
            rows += [
                (scheme, network, start, end, share, len(own))
                for start, end, share in zip(edges[:-1], edges[1:], shares, strict=True)
            ]
    return pd.DataFrame(rows, columns=["scheme", "network", "low", "high", "share", "cells"])


def follow_time(frames: pd.DataFrame, areas: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Follow cells over time: scheme, group, network or TRUTH, frame, sample, cells, area (mean of a cell).

    Groups whose samples have no frame numbers, or one alone, are left out. Takes the frames of `averaging.average_seeds`,
    `truth_and_predictions` and the table of samples.
    """
    columns = ["scheme", "group", "network", "frame", "sample", "cells", "area"]
    if "frame" not in samples or "predicted_cells" not in frames:
        return pd.DataFrame(columns=columns)
    times = samples.assign(frame=pd.to_numeric(samples["frame"], errors="coerce")).dropna(subset="frame")
    times = times[times.groupby("group")["frame"].transform("nunique") > 1]
    keys = ["scheme", "network", "sample", "group"]
    counted = frames.dropna(subset=["truth_cells"])
    true = counted.drop_duplicates(["scheme", "sample"]).assign(network=TRUTH)
    counts = pd.concat(
        [
            true[[*keys, "truth_cells"]].rename(columns={"truth_cells": "cells"}),
            counted[[*keys, "predicted_cells"]].rename(columns={"predicted_cells": "cells"}),
        ]
    )
    means = areas.groupby(["scheme", "network", "sample"], as_index=False, sort=False)["area"].mean()
    merged = counts.merge(times[["sample", "frame"]], on="sample").merge(
        means, on=["scheme", "network", "sample"], how="left"
    )
    return merged.sort_values("frame", kind="stable", ignore_index=True)[columns]


def in_order(table: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """Sort the rows of a table by network, in the order given; TRUTH first, others last."""
    if table.empty or "network" not in table:
        return table
    rank = table["network"].map({TRUTH: -1} | {name: index for index, name in enumerate(order)})
    return table.iloc[np.lexsort([rank.fillna(len(order)).to_numpy()])].reset_index(drop=True)
