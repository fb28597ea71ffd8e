"""Bright-field time-lapses of living cells, simulated: the demo's data, with exact labels.

`cells` simulates their life, this module draws them, `optics` photographs them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import fft, ndimage

from brightcell.errors import InputError

from .cells import Cell, advance, outline, place_cells, round_radius, roundness
from .optics import (
    WAVELENGTHS_UM,
    Conditions,
    blurred_noise,
    colour_camera,
    expose,
    floating_particles,
    illumination,
)

PIXEL_SIZE_UM = 1.0
SAMPLING = 2  # sensor pixels per image pixel along each axis: a Bayer quadruplet
MARGIN_PX = 40  # simulated beyond each side of the image, so that cells enter and leave
SMALLEST_AREA_PX = 30  # smaller slivers of cells at the border of the image are background
RADIANS_PER_UM = 2 * np.pi * 0.03 / WAVELENGTHS_UM[1]  # the index of cytoplasm is 0.03 above that of medium


@dataclass(frozen=True)
class Sequence:
    """A time-lapse: RGB images, instance labels and lineage."""

    images: np.ndarray  # (frames, size, size, 3) uint8
    labels: np.ndarray  # (frames, size, size) uint16, 0: background
    lineage: pd.DataFrame  # cell, parent (0: none seen), first_frame, last_frame


def simulate_sequence(seed: int, sequence: int, frames: int, size: int) -> Sequence:
    """Simulate one time-lapse of `frames` square images of `size` pixels, 20 minutes apart.

    A sequence depends only on `seed` and its own number, not on the number of other sequences, and its first
    frames do not depend on how many follow. Sequences differ in density, focus, lamp and dirt.
    """
    if frames < 1 or size < 64:
        raise InputError(
            f"simulate: frames {frames} and size {size} were asked for. Expected at least 1 frame and "
            "64 pixels: correct the key `simulate` of the config."
        )
    streams = np.random.SeedSequence(seed, spawn_key=(sequence,)).spawn(4)
    scene, life, texture, camera = (np.random.default_rng(stream) for stream in streams)
    density, clustering, conditions = draw_conditions(sequence, scene)
    side, sensor_pixel_um = size + 2 * MARGIN_PX, PIXEL_SIZE_UM / SAMPLING
    pixels = fft.next_fast_len(side * SAMPLING)
    seen = slice(MARGIN_PX * SAMPLING, (MARGIN_PX + size) * SAMPLING)
    light = np.ones((pixels, pixels))
    light[seen, seen] = illumination((size * SAMPLING, size * SAMPLING), conditions, scene)
    debris_phase, absorption = draw_debris(conditions.debris, side, pixels, scene)
    cells = place_cells(round(density * side**2), side, clustering, life)
    next_number = len(cells) + 1
    images, labels, parents = [], [], {}
    for frame in range(frames):
        if frame:
            cells, next_number = advance(cells, frame - 1, next_number, side, life)
        parents.update({cell.number: cell.parent for cell in cells})
        drawn = draw_labels(cells, frame, pixels)
        phase = cell_phase(cells, frame, *drawn, texture) + debris_phase
        defocus_um = conditions.defocus_um * texture.uniform(0.85, 1.15)
        exposure = expose(phase, absorption, defocus_um, light, sensor_pixel_um)[seen, seen]
        particles = floating_particles(exposure.shape[:2], conditions.floating, sensor_pixel_um, texture)
        flicker = texture.normal(1, 0.01)
        images.append(colour_camera(exposure * particles[..., None] * flicker, conditions, camera))
        labels.append(drawn[0][seen, seen][1::SAMPLING, 1::SAMPLING])
    return Sequence(np.stack(images), *number_as_seen(np.stack(labels), parents))


def draw_conditions(sequence: int, rng: np.random.Generator) -> tuple[float, float, Conditions]:
    """Draw a recording's number of cells per square pixel, its share of clustered cells, and its optics.

    Density and defocus are spread evenly over the sequences (steps of the golden ratio), so that even
    a few sequences differ.
    """
    rank = (0.618034 * sequence) % 1
    density = (13 + 12 * rank) / 256**2
    focus = (0.381966 * sequence + 0.3) % 1
    conditions = Conditions(
        defocus_um=7 + 17 * focus,
        vignetting=rng.uniform(0.08, 0.3),
        unevenness=rng.uniform(0.015, 0.05),
        brightness=rng.uniform(0.42, 0.62),
        tint=tuple(1 + rng.uniform(-0.08, 0.08, 3)),
        full_well=rng.uniform(600, 1800),
        read_noise=rng.uniform(4, 10),
        debris=rng.uniform(3, 12),
        floating=int(rng.integers(1, 5)),
    )
    return density, rng.uniform(0.1, 0.4), conditions


def draw_labels(cells: list[Cell], time: float, pixels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw cells on the sensor's grid: the cell of each pixel, and how deep inside it the pixel lies.

    Each cell has a relative distance d from its middle, 1 on its outline. A pixel belongs to the
    cell with the smallest d, if this is below 1: cells that press on each other share a smooth border
    and never overlap.

    Returns
    -------
    labels: int32 (pixels, pixels), numbers of the cells, 0: background
    depth: float (pixels, pixels), distance from the border in roughly image pixels
    relative: float (pixels, pixels), d of the pixel's cell, 1 in the background
    """
    labels = np.zeros((pixels, pixels), np.int32)
    nearest, second, radius = np.ones((3, pixels, pixels))
    angles = np.linspace(-np.pi, np.pi, 181)
    for cell in cells:
        border = outline(cell, time, angles)
        box, rows, columns = window(cell.position, border.max() + 1, pixels)
        border = np.interp(np.arctan2(rows, columns), angles, border)
        relative = np.hypot(rows, columns) / border
        wins = relative < nearest[box]
        second[box] = np.where(wins, nearest[box], np.minimum(second[box], relative))
        nearest[box] = np.where(wins, relative, nearest[box])
        radius[box] = np.where(wins, border, radius[box])
        labels[box] = np.where(wins, cell.number, labels[box])
    return labels, (second - nearest) * radius, nearest


def window(
    position: np.ndarray, reach: float, pixels: int
) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """Return a square of the sensor's grid, and the offsets of its rows and columns from a position, in px."""
    centre = position * SAMPLING
    low = np.clip(np.floor(centre - reach * SAMPLING).astype(int), 0, pixels)
    high = np.clip(np.ceil(centre + reach * SAMPLING).astype(int) + 1, 0, pixels)
    rows, columns = np.ogrid[low[0] : high[0], low[1] : high[1]]
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    return box, (rows - centre[0]) / SAMPLING, (columns - centre[1]) / SAMPLING


def dots(pixels: int, points: np.ndarray, heights: np.ndarray, sigma_px: float) -> np.ndarray:
    """Draw Gaussian dots of given heights at points (number, 2) in image pixels on the sensor's grid."""
    image = np.zeros((pixels, pixels), np.float32)
    indices = np.round(points * SAMPLING).astype(int)
    inside = ((indices >= 0) & (indices < pixels)).all(axis=1)
    np.add.at(image, tuple(indices[inside].T), heights[inside])
    sigma = sigma_px * SAMPLING
    return 2 * np.pi * sigma**2 * ndimage.gaussian_filter(image, sigma)


def cell_height_um(
    cell: Cell, time: float, rows: np.ndarray, columns: np.ndarray, relative: np.ndarray
) -> np.ndarray:
    """Return the height of a cell over a window: a flat skirt, a dome, a nucleus with an envelope; or a ball.

    `rows` and `columns` are offsets from the cell's middle in px; `relative` is d of `draw_labels`.
    """
    dome = np.maximum(1 - relative**2, 0)
    long_axis = cell.arms[np.argmax(cell.arms[:, 1]), 0]
    rows, columns = rows - cell.nucleus[0] * cell.radius, columns - cell.nucleus[1] * cell.radius
    along = columns * np.cos(long_axis) + rows * np.sin(long_axis)
    across = rows * np.cos(long_axis) - columns * np.sin(long_axis)
    axes = cell.nucleus[2:] * cell.radius
    ellipse = np.hypot(along / axes[0], across / axes[1])
    outside_px = (ellipse - 1) * axes[1]
    nucleus = 0.6 / (1 + np.exp(np.clip(outside_px / 0.6, -50, 50))) + 0.4 * np.exp(-(outside_px**2))
    spread = 0.3 * cell.height_um + cell.height_um * dome * np.exp(-0.2 * ellipse**2) + nucleus
    ball = 1.6 * round_radius(cell) * PIXEL_SIZE_UM * np.sqrt(dome)
    share = roundness(cell, time)
    return (1 - share) * spread + share * ball


def organelle_phase(cells: list[Cell], time: float, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Return the phase (radians) of nucleoli, granules, vacuoles and a fine network; only nucleoli persist."""
    nucleoli: list[np.ndarray] = []
    granules: list[np.ndarray] = []
    vacuoles: list[np.ndarray] = []
    for cell in cells:
        flat = 1 - roundness(cell, time)
        centre = cell.position + cell.nucleus[:2] * cell.radius
        places = centre + cell.nucleoli[:, :2] * cell.nucleus[3] * cell.radius
        nucleoli.append(np.column_stack([places, 0.65 * flat * cell.nucleoli[:, 2]]))
        for number, height, kept in ((28, 0.4, granules), (5, -0.5, vacuoles)):
            number = rng.poisson(number)
            angle = rng.uniform(0, 2 * np.pi, number)
            away = cell.radius * rng.uniform(0.35, 0.95, number)
            places = centre + away[:, None] * np.column_stack([np.sin(angle), np.cos(angle)])
            kept.append(np.column_stack([places, height * rng.uniform(0.2, 1, number)]))
    phase = 0.07 * blurred_noise((pixels, pixels), 1.2 * SAMPLING, rng)
    for tables, sigma_px in ((nucleoli, 1.3), (granules, 0.6), (vacuoles, 0.9)):
        points = np.concatenate(tables)
        phase += dots(pixels, points[:, :2], points[:, 2], sigma_px)
    return phase


def cell_phase(
    cells: list[Cell],
    time: float,
    labels: np.ndarray,
    depth: np.ndarray,
    relative: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the phase delay of green light by all cells (radians), from the three maps of `draw_labels`."""
    height_um = np.zeros(labels.shape)
    for cell in cells:
        reach = outline(cell, time, np.linspace(0, 2 * np.pi, 90)).max() + 1
        box, rows, columns = window(cell.position, reach, len(labels))
        height = cell_height_um(cell, time, rows, columns, relative[box])
        height_um[box] += np.where(labels[box] == cell.number, height, 0)
    organelles = organelle_phase(cells, time, len(labels), rng)
    edge = 1 - np.exp(-np.maximum(depth, 0) / 0.8)
    return ndimage.gaussian_filter(edge * RADIANS_PER_UM * height_um + edge**3 * organelles, 0.3 * SAMPLING)


def draw_debris(
    per_area: float, side: int, pixels: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return phase (radians) and absorption of crumbs on the glass, as clumps of dots, and of a protein film."""
    phase = 0.03 * blurred_noise((pixels, pixels), 2 * SAMPLING, rng)
    absorption = np.zeros((pixels, pixels))
    for sigma_px, share, height in ((0.6, 0.65, 0.6), (1.1, 0.25, 0.9), (2.4, 0.1, 1.8)):
        clumps = rng.uniform(0, side, (rng.poisson(share * per_area * side**2 / 1e4), 2))
        points = np.repeat(clumps, 4, axis=0) + 2 * sigma_px * rng.standard_normal((4 * len(clumps), 2))
        heights = rng.uniform(0.1, 1, len(points))
        drawn = dots(pixels, points, heights, sigma_px)
        phase += height * drawn
        absorption += 0.15 * drawn
    return phase, absorption


def number_as_seen(labels: np.ndarray, parents: dict[int, int]) -> tuple[np.ndarray, pd.DataFrame]:
    """Number cells as an observer of the images would: 1, 2, 3, ... in the order of appearance.

    A cell keeps its largest connected part in a frame, and none below SMALLEST_AREA_PX. A cell that
    leaves the image and comes back is a new cell. A daughter has a parent if the mother was seen in
    the frame before.

    Parameters
    ----------
    labels: (frames, height, width), numbers of the cells; changed in place
    parents: number of the mother of each cell born during the sequence

    Returns
    -------
    labels: (frames, height, width) uint16
    lineage: columns cell, parent, first_frame, last_frame; parent 0: none seen
    """
    seen = np.zeros(labels.shape, np.uint16)
    rows: list[dict] = []
    before: dict[int, dict] = {}
    for frame, drawn in enumerate(labels):
        now = {}
        for number, box in enumerate(ndimage.find_objects(drawn), start=1):
            if box is None:
                continue
            parts, count = ndimage.label(drawn[box] == number)
            areas = np.bincount(parts.ravel())[1:]
            if not count or areas.max() < SMALLEST_AREA_PX:
                continue
            row = before.get(number)
            if row is None:
                mother = before.get(parents.get(number, 0), {"cell": 0})
                row = {"cell": len(rows) + 1, "parent": mother["cell"], "first_frame": frame}
                rows.append(row)
            row["last_frame"] = frame
            seen[frame][box][parts == areas.argmax() + 1] = row["cell"]
            now[number] = row
        before = now
    return seen, pd.DataFrame(rows, columns=["cell", "parent", "first_frame", "last_frame"])
