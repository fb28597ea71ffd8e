"""Draw training patches: one random affine warp for the image and its labels, then changes of light.

The geometry is the study's (rotation, shift, shear, zoom, flips, reflected edges), with two of its faults
mended: labels are warped by nearest neighbour, so that cells do not grow, and nothing is drawn at
random from validation or test frames.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Frame:
    """A frame to train on.

    image : float32 (height, width, channels), normalised; labels : int32 (height, width);
    distance : float32 (height, width), see `normalised_distance`; cells : int (pixels, 2), where cells are.
    """

    image: np.ndarray
    labels: np.ndarray
    distance: np.ndarray
    cells: np.ndarray

    @classmethod
    def from_labels(cls, image: np.ndarray, labels: np.ndarray) -> "Frame":
        """Compute what the labels imply."""
        return cls(image, labels, normalised_distance(labels), np.argwhere(labels > 0))


def normalised_distance(labels: np.ndarray) -> np.ndarray:
    """Distance of each pixel to the edge of its own cell, divided by the cell's largest; 0 outside.

    The target that lets a network mark touching cells apart, as in Scherr et al. 2020
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
    ids, dense = np.unique(labels, return_inverse=True)  # ids may be large
    largest = np.zeros(len(ids))
    np.maximum.at(largest, dense.ravel(), distance.ravel())
    return np.where(labels > 0, distance / largest[dense.reshape(labels.shape)], 0).astype(np.float32)


def random_matrix(rng: np.random.Generator, settings: dict) -> np.ndarray:
    """Draw the 2 × 2 matrix that takes offsets in the patch to offsets in the frame.

    settings: rotation (± degrees), shear (± degrees), zoom (± share, each axis), flip (both ways).
    """
    angle = np.deg2rad(rng.uniform(-1, 1) * settings["rotation"])
    shear = np.deg2rad(rng.uniform(-1, 1) * settings["shear"])
    zoom = 1 + rng.uniform(-1, 1, 2) * settings["zoom"]
    flip = rng.choice([-1.0, 1.0], 2) if settings["flip"] else np.ones(2)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.array([[1, -np.sin(shear)], [0, np.cos(shear)]]) @ np.diag(zoom * flip)


def warp(plane: np.ndarray, matrix: np.ndarray, centre: np.ndarray, patch: int, order: int) -> np.ndarray:
    """Cut a (patch, patch) window around `centre` from (height, width) through an affine matrix.

    order 0 is nearest neighbour (labels), 1 bilinear (images); beyond the frame the image is reflected.
    """
    offset = centre - matrix @ np.full(2, (patch - 1) / 2)
    return ndimage.affine_transform(plane, matrix, offset, (patch, patch), order=order, mode="reflect")


def random_centre(
    frame: Frame, patch: int, shift: float, on_cell: bool, rng: np.random.Generator
) -> np.ndarray:
    """Draw the patch's centre: anywhere, or on a cell's pixel, inside the frame as far as it is large enough."""
    size = np.array(frame.labels.shape)
    if on_cell and len(frame.cells):
        centre = frame.cells[rng.integers(len(frame.cells))] + rng.uniform(-0.25, 0.25, 2) * patch
    else:
        centre = rng.uniform(0, 1, 2) * (size - 1)
    half = np.minimum(patch, size) / 2
    return np.clip(centre, half - 0.5, size - half - 0.5) + rng.uniform(-1, 1, 2) * shift * patch


def change_light(image: np.ndarray, rng: np.random.Generator, settings: dict) -> np.ndarray:
    """Change gamma, contrast, sharpness and noise of a normalised patch (float32), each by its own strength."""
    if settings["gamma"]:
        image = np.sign(image) * np.abs(image) ** np.exp(rng.uniform(-1, 1) * settings["gamma"])
    if settings["contrast"]:
        gain, lift = np.exp(rng.uniform(-1, 1) * settings["contrast"]), rng.uniform(-0.5, 0.5)
        image = (image - 0.5) * gain + 0.5 + lift * settings["contrast"]
    if settings["blur"] and rng.uniform() < 0.5:
        sigma = rng.uniform(0, settings["blur"])
        image = ndimage.gaussian_filter(image, (sigma, sigma, 0))
    if settings["noise"]:
        image = image + rng.normal(0, rng.uniform(0, settings["noise"]), image.shape)
    return image.astype(np.float32)


def draw_patch(
    frame: Frame, patch: int, outputs: int, settings: dict, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one patch: image float32 (patch, patch, channels), target float32 (patch, patch, outputs)."""
    matrix = random_matrix(rng, settings)
    centre = random_centre(frame, patch, settings["shift"], rng.uniform() < 0.5, rng)
    channels = [warp(channel, matrix, centre, patch, order=1) for channel in np.moveaxis(frame.image, -1, 0)]
    target = [warp(frame.labels, matrix, centre, patch, order=0) > 0]
    if outputs == 2:
        target.append(warp(frame.distance, matrix, centre, patch, order=1))
    return change_light(np.stack(channels, -1), rng, settings), np.stack(target, -1).astype(np.float32)


def draw_batch(
    frames: list[Frame], batch_size: int, patch: int, outputs: int, settings: dict, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a batch: frames at random, half of the patches on cells; see `draw_patch`."""
    patches = [
        draw_patch(frames[rng.integers(len(frames))], patch, outputs, settings, rng)
        for _ in range(batch_size)
    ]
    images, targets = zip(*patches, strict=True)
    return np.stack(images), np.stack(targets)
