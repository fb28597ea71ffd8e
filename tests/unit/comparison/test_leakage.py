"""Leakage on the demo's time-lapses, shown without a network: the nearest neighbours of a pixel do for one."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage
from scipy.spatial import cKDTree

from brightcell.comparison.differences import inflation, summarise
from brightcell.comparison.sentences import verdict
from brightcell.folds import assign_folds, leaky_schemes
from brightcell.metrics.registry import pixel_scores
from brightcell.preprocessing.normalisation import normalise
from brightcell.simulation.timelapse import simulate_sequence

SEQUENCES, FRAMES, SIZE, SEEDS = 6, 3, 112, (1, 2, 3)


def features(image):
    """Grey values around every pixel at several scales: (pixels, 10)."""
    grey = normalise(image, (0.5, 99.5)).mean(axis=-1)
    maps = [5 * ndimage.gaussian_laplace(grey, 2), 3 * ndimage.gaussian_filter(grey, 16)]
    for sigma in (1, 2, 4, 8):
        mean = ndimage.gaussian_filter(grey, sigma)
        variance = ndimage.gaussian_filter(grey**2, sigma) - mean**2
        maps += [mean, 3 * np.sqrt(np.maximum(variance, 0))]
    return np.stack(maps, -1).reshape(-1, len(maps))


@pytest.fixture(scope="module")
def lapses():
    """Features and mask of every frame, and the table of the frames."""
    frames, rows = {}, []
    for sequence in range(1, SEQUENCES + 1):
        made = simulate_sequence(1, sequence, FRAMES, SIZE)
        for number, (image, labels) in enumerate(zip(made.images, made.labels, strict=True)):
            name = f"sequence{sequence}_{number}"
            frames[name] = (features(image), labels.ravel() > 0)
            rows.append({"sample": name, "group": f"sequence{sequence}"})
    return frames, pd.DataFrame(rows)


def score(frames, samples, folds):
    """Train and test in every fold; rows as of the rule `score`."""
    groups, rows = samples.set_index("sample")["group"], []
    for (scheme, fold), part in folds.groupby(["scheme", "fold"], sort=False):
        names = {role: list(part.loc[part["role"] == role, "sample"]) for role in ("train", "test")}
        known, truth = (np.concatenate([frames[name][i] for name in names["train"]]) for i in (0, 1))
        for seed in SEEDS:
            # as many pixels whatever the number of frames, so that no scheme learns from more
            chosen = np.random.default_rng(seed).choice(len(known), 3_000, replace=False)
            tree = cKDTree(known[chosen])
            for name in names["test"]:
                _, near = tree.query(frames[name][0], k=7)
                found = truth[chosen][near].mean(axis=1) > 0.5
                scores = pixel_scores(frames[name][1].reshape(SIZE, SIZE), found.reshape(SIZE, SIZE))
                keys = {"scheme": scheme, "network": "neighbours", "fold": fold, "seed": seed}
                rows.append(keys | {"sample": name, "group": groups[name]} | scores)
    return pd.DataFrame(rows)


def test_frames_drawn_at_random_overrate(lapses):
    frames, samples = lapses
    folds = pd.concat([assign_folds(samples, scheme, 2, seed=1) for scheme in ("grouped", "random")])
    scores = score(frames, samples, folds)
    leakage = inflation(scores, leaky_schemes(folds), ["cell_iou"])
    row = leakage.iloc[0]
    assert (row["scheme"], row["groups"]) == ("random", SEQUENCES)
    assert row["inflation"] > 0.03
    assert row["low"] > 0
    means = summarise(scores, ["cell_iou"])
    said = verdict(pd.DataFrame(columns=["scheme", "score"]), means, ["cell_iou"], leakage=leakage)
    assert any(text.startswith("On cell IoU the scheme random overrates by 0.") for text in said)
