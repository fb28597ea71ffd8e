"""A random forest on pixel features, as ilastik's pixel classification does, and a watershed on what it finds.

Every pixel is background, border or inside, by its brightness, edges and texture at several scales. An epoch is a tree.
"""

import functools
import math
import time

import numpy as np

TITLE = "random forest"
PROBABILITY = True
OPTIONS = {
    "pixels": 4000,  # of each class, of each frame, to learn from
    "largest_scale_px": 8.0,
    "border_px": 2,  # width of the border of a cell, within it
    "most_trees": 300,  # of a training that ends by the clock
}
BACKGROUND, INSIDE, BORDER = range(3)
THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
FILES = ("forest.joblib", "thresholds.json")


def check(settings):
    """Refuse what a forest cannot do."""
    if settings["weights"]:
        raise SystemExit(
            f"{settings['weights']}: weights for a forest. Expected none, because it is always trained: delete the key."
        )


def train(training, validation, folder, settings):
    """Grow trees until the number of epochs or the minutes are reached; choose the thresholds on validation frames."""
    import json

    import joblib
    from sklearn.ensemble import RandomForestClassifier

    end = time.monotonic() + 60 * (settings["minutes"] or math.inf)
    options, rng = settings["options"], np.random.default_rng(settings["seed"])
    chosen = [_chosen_pixels(image, labels, options, rng) for image, labels in training]
    values, classes = (np.concatenate(part) for part in zip(*chosen, strict=True))
    forest = RandomForestClassifier(
        n_estimators=0,
        warm_start=True,
        min_samples_leaf=5,
        n_jobs=settings["threads"],
        random_state=settings["seed"],
    )
    trees = settings["epochs"] or options["most_trees"]
    step = trees if settings["epochs"] else 10
    while forest.n_estimators < trees and (not forest.n_estimators or time.monotonic() < end):
        forest.n_estimators += step
        forest.fit(values, classes)
    print(f"{forest.n_estimators} trees on {len(values):,} pixels")
    joblib.dump(forest, folder / FILES[0], compress=3)

    maps = [(predict(folder, image, settings), labels) for image, labels in validation]
    scores = {
        (cell, seed): np.mean([_f1(labels, _separate(raw, cell, seed)) for raw, labels in maps])
        for cell in THRESHOLDS
        for seed in THRESHOLDS
    }
    cell, seed = max(scores, key=lambda each: scores[each])
    print(
        f"thresholds: cell {cell}, seed {seed} (F1 at IoU 0.5 {scores[cell, seed]:.3f} on validation frames)"
    )
    (folder / FILES[1]).write_text(json.dumps({"cell": cell, "seed": seed}))
    return {"epochs_run": forest.n_estimators, "thresholds": {"cell": cell, "seed": seed}}


def predict(folder, image, settings):
    """Return the probability that a pixel is cell, and that it is inside one, not at its border."""
    path = folder / FILES[0]
    forest = _read(path, path.stat().st_mtime_ns)
    features = _features(image, settings["options"])
    found = forest.predict_proba(features.reshape(-1, features.shape[-1]))
    found = dict(zip(forest.classes_, found.T.reshape(-1, *image.shape[:2]), strict=True))
    inside = found.get(INSIDE, np.zeros(image.shape[:2]))
    cell = inside + found.get(BORDER, 0)
    return {"probability": cell.astype(np.float32), "inside": inside.astype(np.float32)}


@functools.lru_cache(maxsize=1)
def _read(path, changed):
    """Read a forest once for all frames."""
    import joblib

    return joblib.load(path)


def labels(folder, raw, settings):
    """Grow cells from the insides over what is cell."""
    import json

    return _separate(raw, **json.loads((folder / FILES[1]).read_text()))


def _separate(raw, cell, seed):
    from scipy import ndimage
    from skimage.segmentation import watershed

    seeds, _ = ndimage.label(raw["inside"] >= seed)
    return watershed(-raw["inside"], seeds, mask=raw["probability"] >= cell).astype(np.int32)


def _features(image, options):
    """Brightness, edges and texture of every pixel at scales that double; (height, width, features)."""
    from skimage.feature import multiscale_basic_features

    middle, width = np.median(image), np.percentile(image, 99) - np.percentile(image, 1)
    return multiscale_basic_features(
        (image - middle) / (width or 1), channel_axis=-1, sigma_min=1, sigma_max=options["largest_scale_px"]
    )


def _classes(labels, options):
    """Tell background, inside and border of cells apart, -1 where pixels do not count."""
    from scipy import ndimage

    size = 2 * options["border_px"] + 1
    lowest, highest = ndimage.minimum_filter(labels, size), ndimage.maximum_filter(labels, size)
    classes = np.where(labels == 0, BACKGROUND, np.where(lowest == highest, INSIDE, BORDER))
    return np.where(labels < 0, -1, classes)


def _chosen_pixels(image, labels, options, rng):
    """Draw as many pixels of each class, their features and their classes."""
    features, classes = _features(image, options), _classes(labels, options)
    places = []
    for number in (BACKGROUND, INSIDE, BORDER):
        own = np.flatnonzero(classes == number)
        places.append(rng.choice(own, min(len(own), options["pixels"]), replace=False))
    places = np.concatenate(places)
    return features.reshape(-1, features.shape[-1])[places], classes.ravel()[places]


def _f1(truth, found):
    """Return the F1 of cells that overlap by half or more."""
    pairs, areas = np.unique(
        np.stack([truth, found])[:, (truth > 0) & (found > 0)], axis=1, return_counts=True
    )
    of_truth, of_found = (
        dict(zip(*np.unique(each[each > 0], return_counts=True), strict=True)) for each in (truth, found)
    )
    hits = sum(
        2 * area >= of_truth[a] + of_found[b] - area
        for (a, b), area in zip(pairs.T.tolist(), areas.tolist(), strict=True)
    )
    return 2 * hits / max(1, len(of_truth) + len(of_found))
