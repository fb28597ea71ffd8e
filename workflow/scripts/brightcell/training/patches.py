"""Draw training patches at random: the piece of a frame, its warp and its light.

This module draws numbers and crops on the host; `warping.make_patches` turns them into images and targets on the
device. The geometry is the study's (rotation, shift, shear, zoom, flips, reflected edges) without two of its faults:
labels are warped by nearest neighbour, so that cells do not grow, and validation and test frames are never augmented.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class TrainingFrame:
    """A frame to train on.

    image : float32 (height, width, channels), normalised; labels : int32 (height, width), below 0 where pixels do not count;
    distance : float32 (height, width), see `normalised_distance`; cells : int (pixels,), the positions of the cells'
    pixels, counted row by row.
    """

    image: np.ndarray
    labels: np.ndarray
    distance: np.ndarray
    cells: np.ndarray

    @classmethod
    def from_labels(cls, image: np.ndarray, labels: np.ndarray) -> "TrainingFrame":
        """Compute distance and cells from the labels."""
        kind = np.int32 if labels.size < 2**31 else np.int64
        return cls(image, labels, normalised_distance(labels), np.flatnonzero(labels > 0).astype(kind))


def normalised_distance(labels: np.ndarray) -> np.ndarray:
    """Return the distance of each pixel to the edge of its own cell, divided by the cell's largest; 0 outside cells.

    This target lets a network separate touching cells, as in Scherr et al. 2020
    (doi 10.1371/journal.pone.0243219). Takes int (height, width), returns float32 in 0..1.

    >>> normalised_distance(np.array([[0, 1, 1, 1, 2, 2, 2, 0]])).round(2).tolist()
    [[0.0, 0.5, 1.0, 0.5, 0.5, 1.0, 0.5, 0.0]]
    """
    neighbours = ndimage.generate_binary_structure(2, 1)
    padded = np.pad(labels, 1, mode="edge")  # the frame's border is no edge of a cell
    edge = (ndimage.maximum_filter(padded, footprint=neighbours) != padded) | (
        ndimage.minimum_filter(padded, footprint=neighbours) != padded
    )
    if not edge.any():
        return (labels > 0).astype(np.float32)
    distance = (ndimage.distance_transform_edt(~edge) + 1)[1:-1, 1:-1]
    ids, dense = np.unique(labels, return_inverse=True)  # label numbers may be large
    largest = np.zeros(len(ids))
    np.maximum.at(largest, dense.ravel(), distance.ravel())
    return np.where(labels > 0, distance / largest[dense.reshape(labels.shape)], 0).astype(np.float32)


def random_matrix(rng: np.random.Generator, settings: dict) -> np.ndarray:
    """Draw the 2 × 2 matrix that maps offsets in the patch to offsets in the frame.

    settings: rotation (± degrees), shear (± degrees), zoom (± share, for each axis), scale (share, for both axes
    together: from 1 / (1 + scale) to 1 + scale), flip (along both axes).
    """
    angle = np.deg2rad(rng.uniform(-1, 1) * settings["rotation"])
    shear = np.deg2rad(rng.uniform(-1, 1) * settings["shear"])
    zoom = 1 + rng.uniform(-1, 1, 2) * settings["zoom"]
    flip = rng.choice([-1.0, 1.0], 2) if settings["flip"] else np.ones(2)
    scale = (1 + settings["scale"]) ** rng.uniform(-1, 1) if settings["scale"] else 1
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.array([[1, -np.sin(shear)], [0, np.cos(shear)]]) @ np.diag(zoom * flip * scale)


def random_centre(
    frame: TrainingFrame, patch: int, shift: float, on_cell: bool, rng: np.random.Generator
) -> np.ndarray:
    """Draw the patch's centre: anywhere, or near a cell's pixel, with the patch inside the frame if that is possible."""
    size = np.array(frame.labels.shape)
    if on_cell and len(frame.cells):
        pixel = frame.cells[rng.integers(len(frame.cells))]
        centre = np.array(np.unravel_index(pixel, frame.labels.shape)) + rng.uniform(-0.25, 0.25, 2) * patch
    else:
        centre = rng.uniform(0, 1, 2) * (size - 1)
    half = np.minimum(patch, size) / 2
    return np.clip(centre, half - 0.5, size - half - 0.5) + rng.uniform(-1, 1, 2) * shift * patch


def random_light(
    shape: tuple[int, int, int], settings: dict, rng: np.random.Generator
) -> dict[str, np.ndarray | np.float32]:
    """Draw changes of light for a patch (height, width, channels); those of strength 0 are left out.

    gamma : float32, an exponent; contrast : float32 (2,), gain and lift; blur : float32 (height, height), a matrix that
    smooths along an axis like a Gaussian; noise : float32 of `shape`, to be added.
    """
    drawn: dict[str, np.ndarray | np.float32] = {}
    if settings["gamma"]:
        drawn["gamma"] = np.float32(np.exp(rng.uniform(-1, 1) * settings["gamma"]))
    if settings["contrast"]:
        gain, lift = np.exp(rng.uniform(-1, 1) * settings["contrast"]), rng.uniform(-0.5, 0.5)
        drawn["contrast"] = np.array([gain, lift * settings["contrast"]], np.float32)
    if settings["blur"]:
        sigma, sharp = rng.uniform(0, settings["blur"]), rng.uniform() < 0.5
        still = np.eye(shape[0], dtype=np.float32)
        drawn["blur"] = still if sharp else ndimage.gaussian_filter1d(still, sigma, axis=0)
    if settings["noise"]:
        strength = np.float32(rng.uniform(0, settings["noise"]))
        drawn["noise"] = rng.standard_normal(shape, dtype=np.float32) * strength
    return drawn


def crop_shape(frames: list[TrainingFrame], patch: int, settings: dict) -> tuple[int, int]:
    """Return height and width of the largest piece of a frame that a patch can need."""
    angle = np.deg2rad(min(settings["rotation"], 45))
    stretch = (1 + settings["zoom"]) * (1 + settings["scale"]) * (1 + np.sin(np.deg2rad(settings["shear"])))
    side = (patch + 2 * settings["elastic_px"]) * stretch * (np.cos(angle) + np.sin(angle)) + 4
    largest = np.max([frame.labels.shape for frame in frames], axis=0)
    height, width = (int(min(np.ceil(side), whole)) for whole in largest)
    return height, width


def draw_batch(
    frames: list[TrainingFrame],
    batch_size: int,
    patch: int,
    outputs: int,
    settings: dict,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Draw a batch for `warping.make_patches`: frames at random, half of the patches near cells.

    Returns arrays with one row per patch: planes float32 (batch, height, width, channels + outputs), the crops: the
    image's channels, the distance (for two outputs) and the labels; corner and size int32 (batch, 2), the place of the
    crop in its frame, and the frame's size; centre float32 (batch, 2), the patch's centre in the crop; matrix
    float32 (batch, 2, 2); with elastic_px, bend float32 (batch, knots, knots, 2), in pixels; and the values of
    `random_light`. The same generator draws the same batch.
    """
    height, width = crop_shape(frames, patch, settings)
    channels = frames[0].image.shape[-1]
    planes = np.zeros((batch_size, height, width, channels + outputs), np.float32)
    drawn = []
    for plane in planes:
        frame = frames[rng.integers(len(frames))]
        size = np.array(frame.labels.shape)
        matrix = random_matrix(rng, settings)
        centre = random_centre(frame, patch, settings["shift"], rng.uniform() < 0.5, rng)
        corner = np.clip(np.rint(centre - [height / 2, width / 2]), 0, np.maximum(size - [height, width], 0))
        top, left = corner.astype(int)
        inside = plane[: size[0] - top, : size[1] - left]
        window = (slice(top, top + height), slice(left, left + width))
        inside[..., :channels] = frame.image[window]
        if outputs == 2:
            inside[..., channels] = frame.distance[window]
        inside[..., -1] = frame.labels[window]
        values = {
            "corner": corner.astype(np.int32),
            "size": size.astype(np.int32),
            "centre": (centre - corner).astype(np.float32),
            "matrix": matrix.astype(np.float32),
        }
        if settings["elastic_px"]:
            knots = 3 + max(1, int(patch / settings["elastic_scale_px"]))
            values["bend"] = rng.uniform(-1, 1, (knots, knots, 2)).astype(np.float32) * settings["elastic_px"]
        drawn.append(values | random_light((patch, patch, channels), settings, rng))
    return {"planes": planes} | {key: np.stack([values[key] for values in drawn]) for key in drawn[0]}
