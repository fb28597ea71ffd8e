"""The life of simulated cells: they crawl, push each other, round up and divide.

Lengths are in pixels of the image (1 µm), times in frames (20 min), angles in radians. Sizes and
rates are those of HeLa cells.
"""

from dataclasses import dataclass

import numpy as np

CYCLE_FRAMES = 48  # from one division to the next: 16 h
ROUNDING_FRAMES = 1.5  # from spread to round; the daughters take twice as long to spread again
MITOSIS_FRAMES = 1.5  # round, before the division
TIP = 0.15  # roundness of an arm's end
WAVES = np.arange(2, 14)  # numbers of the ripples' waves around the outline


@dataclass
class Cell:
    """One living cell; lengths in image pixels, times in frames, angles in radians."""

    number: int
    parent: int  # 0: alive from the start
    born: float
    divides: float
    position: np.ndarray  # row, column
    heading: float
    radius: float  # of the disc of the spread cell's area
    adult_radius: float
    height_um: float  # in the middle of the spread cell
    arms: np.ndarray  # (arms, 3): angle, length in radii, width
    ripples: np.ndarray  # complex amplitudes of the outline's waves, in radii
    nucleus: np.ndarray  # offset (row, column), long and short half axis, in radii
    nucleoli: np.ndarray  # (nucleoli, 3): row, column in half axes of the nucleus; strength


def draw_ripples(rng: np.random.Generator) -> np.ndarray:
    """Draw complex amplitudes of the outline's waves; short waves are weaker."""
    return 0.3 / WAVES**1.5 * (rng.standard_normal((len(WAVES), 2)) @ np.array([1, 1j]))


def draw_anatomy(heading: float, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw a cell's arms (two of a spindle, three to five of a polygon), ripples and nucleus."""
    number = int(rng.choice([2, 3, 4, 5], p=[0.4, 0.35, 0.2, 0.05]))
    angles = heading + 2 * np.pi * (np.arange(number) + rng.normal(0, 0.1, number)) / number
    lengths = rng.uniform(0.5, 1.7, number) * (1.6 if number == 2 else 1)
    nucleoli = int(rng.integers(1, 5))
    return {
        "arms": np.column_stack([angles, lengths, rng.uniform(0.35, 0.7, number)]),
        "ripples": draw_ripples(rng),
        "nucleus": np.array([*rng.normal(0, 0.1, 2), rng.uniform(0.42, 0.54), rng.uniform(0.32, 0.4)]),
        "nucleoli": np.column_stack([rng.uniform(-0.5, 0.5, (nucleoli, 2)), rng.uniform(0.5, 1, nucleoli)]),
    }


def new_cell(number: int, position: np.ndarray, rng: np.random.Generator) -> Cell:
    """Draw a cell somewhere in its cycle at time 0."""
    age = rng.uniform(0, CYCLE_FRAMES)
    adult_radius = float(np.clip(rng.normal(17, 1.6), 13.5, 20.5))
    heading = rng.uniform(0, 2 * np.pi)
    return Cell(
        number=number,
        parent=0,
        born=-age,
        divides=CYCLE_FRAMES - age,
        position=position,
        heading=heading,
        radius=adult_radius * min(1, 0.85 + 0.01 * age),
        adult_radius=adult_radius,
        height_um=rng.uniform(2, 8),
        **draw_anatomy(heading, rng),
    )


def roundness(cell: Cell, time: float) -> float:
    """Return how far a cell has rounded up for its division: 0 spread, 1 a ball."""
    before = (time - (cell.divides - MITOSIS_FRAMES - ROUNDING_FRAMES)) / ROUNDING_FRAMES
    after = 1 - (time - cell.born) / (2 * ROUNDING_FRAMES)
    progress = np.clip(max(before, after), 0, 1)
    return float(progress * progress * (3 - 2 * progress))


def round_radius(cell: Cell) -> float:
    """Return the radius of the ball that a cell becomes: a HeLa cell of 33 µm rounds up to 20 µm."""
    return 0.62 * cell.radius


def extent(cell: Cell, time: float) -> float:
    """Return the radius that a cell keeps free of others."""
    share = roundness(cell, time)
    return (1 - share) * cell.radius + share * round_radius(cell)


def outline(cell: Cell, time: float, angles: np.ndarray) -> np.ndarray:
    """Return the distance from a cell's middle to its border at these angles, in pixels."""
    spread = np.ones_like(angles)
    for angle, length, width in cell.arms:
        away = np.abs((angles - angle + np.pi) % (2 * np.pi) - np.pi)
        spread += length * np.exp((TIP - np.hypot(away, TIP)) / width)
    ripples = (np.exp(1j * np.outer(angles, WAVES)) @ cell.ripples).real
    spread *= np.maximum(1 + 0.5 * ripples, 0.4)
    spread *= cell.radius / np.sqrt(np.mean(spread**2))  # the area is half the mean of r² times 2π
    ball = round_radius(cell) * (1 + 0.1 * ripples)
    share = roundness(cell, time)
    return (1 - share) * spread + share * ball


def place_cells(number: int, side: float, clustering: float, rng: np.random.Generator) -> list[Cell]:
    """Scatter cells over a square, a share of them beside others, then push apart those that overlap."""
    cells: list[Cell] = []
    for index in range(1, number + 1):
        position = rng.uniform(0, side, 2)
        if cells and rng.uniform() < clustering:
            neighbour = cells[rng.integers(len(cells))]
            angle = rng.uniform(0, 2 * np.pi)
            position = neighbour.position + 2.1 * neighbour.radius * np.array([np.sin(angle), np.cos(angle)])
        cells.append(new_cell(index, np.clip(position, 0, side), rng))
    for _ in range(60):
        repel(cells, 0, side)
    return cells


def repel(cells: list[Cell], time: float, side: float) -> None:
    """Push cells apart that overlap, and back into the square; touching stays allowed."""
    positions = np.array([cell.position for cell in cells])
    radii = np.array([extent(cell, time) for cell in cells])
    apart = positions[:, None] - positions[None]
    distance = np.hypot(apart[..., 0], apart[..., 1]) + np.eye(len(cells)) * 1e6 + 1e-6
    overlap = np.maximum(1.16 * (radii[:, None] + radii[None]) - distance, 0)
    positions += 0.3 * np.sum(overlap[..., None] * apart / distance[..., None], axis=1)
    for cell, position in zip(cells, np.clip(positions, 0, side), strict=True):
        cell.position = position


def crawl(cell: Cell, time: float, step: float, rng: np.random.Generator) -> None:
    """Move a cell by a persistent random walk and reshape its outline; round cells stay in place.

    Arms drift within limits; ripples are an Ornstein-Uhlenbeck process, which forgets its past within a
    few frames and keeps its amplitude.
    """
    free = 1 - roundness(cell, time)
    cell.heading += rng.normal(0, 0.9 * np.sqrt(step))
    speed = 6.0 * free * step * rng.uniform(0.3, 1.5)
    cell.position = cell.position + speed * np.array([np.sin(cell.heading), np.cos(cell.heading)])
    cell.arms[:, 0] += rng.normal(0, 0.16 * np.sqrt(step), len(cell.arms))
    cell.arms[:, 1] = np.clip(cell.arms[:, 1] + rng.normal(0, 0.12 * np.sqrt(step), len(cell.arms)), 0.4, 2.5)
    kept = np.exp(-0.4 * step)
    cell.ripples = kept * cell.ripples + np.sqrt(1 - kept**2) * draw_ripples(rng)
    cell.radius += 0.04 * step * (cell.adult_radius - cell.radius)


def divide(mother: Cell, first_number: int, rng: np.random.Generator) -> list[Cell]:
    """Return the two daughters of a round cell, side by side."""
    angle = rng.uniform(0, 2 * np.pi)
    daughters = []
    for index in range(2):
        heading = angle + index * np.pi
        radius = mother.radius * rng.uniform(0.77, 0.82)  # half the volume: cube root of 1/2
        away = np.array([np.sin(heading), np.cos(heading)])
        daughter = Cell(
            number=first_number + index,
            parent=mother.number,
            born=mother.divides,
            divides=mother.divides + CYCLE_FRAMES * rng.uniform(0.85, 1.15),
            position=mother.position + 0.58 * radius * away,
            heading=heading,
            radius=radius,
            adult_radius=mother.adult_radius,
            height_um=mother.height_um,
            **draw_anatomy(heading, rng),
        )
        daughters.append(daughter)
    return daughters


def advance(
    cells: list[Cell], time: float, next_number: int, side: float, rng: np.random.Generator
) -> tuple[list[Cell], int]:
    """Let cells live from frame `time` to the next; return those then alive and the next free number."""
    steps = 4
    for index in range(1, steps + 1):
        now = time + index / steps
        for cell in cells:
            crawl(cell, now, 1 / steps, rng)
        for cell in [cell for cell in cells if cell.divides <= now]:
            cells = [other for other in cells if other is not cell] + divide(cell, next_number, rng)
            next_number += 2
        for _ in range(3):
            repel(cells, now, side)
    return cells, next_number
