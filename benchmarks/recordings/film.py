"""A dense field of dividing cells as a table, for tracks.py: some 75 to 275 cells in 200 frames, with small and a few large moves.

Cells are ellipses of 16 px that crawl, push each other, round up and divide; daughters differ in size. What is measured has
noise. With the linking of laptrack such a film scores as a real phase-contrast film does: LNK 0.99, F1 of divisions 0.8.
"""

import numpy as np
import pandas as pd
from scipy.spatial import KDTree

SIDE, MARGIN, DIAMETER, CYCLE = 420, 40, 16.0, 105


def film(seed: int, frames: int = 200, start: int = 74) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cells (time, cell, true, row_px …, as `tracking.link_cells` wants them) and the true tracks."""
    rng = np.random.default_rng(seed)
    whole = SIDE + 2 * MARGIN
    full = np.pi * DIAMETER**2 / 4
    last = 0

    def born(place, parent, time, area, angle):
        nonlocal last
        last += 1
        return {
            "number": last, "parent": parent, "born": time, "place": np.array(place, float), "area": area, "angle": angle,
            "divides": time + CYCLE * np.clip(rng.normal(1, 0.15), 0.6, 1.5), "full": full * np.exp(rng.normal(0, 0.2)),
            "speed": np.zeros(2), "ratio": rng.uniform(1.3, 2.6),
        }  # fmt: skip

    number = int(start * (whole / SIDE) ** 2)
    centres = rng.uniform(0, whole, (number // 3, 2))
    cells = []
    for index in range(number):
        age = -CYCLE * np.log2(1 - rng.uniform(0, 1) / 2)
        place = centres[index % len(centres)] + rng.normal(0, DIAMETER, 2)
        cells.append(born(place, 0, -age, full * (0.55 + 0.45 * age / CYCLE), rng.uniform(0, np.pi)))
    for _ in range(30):
        _repel(cells, whole)
    rows = []
    for time in range(frames):
        if time:
            cells = _advance(cells, time, born, rng)
            for _ in range(2):
                _repel(cells, whole)
        for cell in cells:
            row, column = cell["place"] - MARGIN
            if 0 <= row < SIDE and 0 <= column < SIDE:
                round_ = _roundness(cell, time)
                area = cell["area"] * (1 - 0.3 * round_) * np.exp(rng.normal(0, 0.07))
                ratio = (1 - round_) * cell["ratio"] + round_ * 1.12
                across = 2 * np.sqrt(area / np.pi)
                at_border = min(row, column, SIDE - row, SIDE - column) < across / 2
                row, column = np.add((row, column), rng.normal(0, 0.4, 2))
                axes = across * np.sqrt(ratio), across / np.sqrt(ratio)
                rows.append((time, row, column, area, *axes, at_border, cell["number"], cell["parent"]))
    names = ["time", "row_px", "column_px", "area_px", "major_axis_px", "minor_axis_px", "touches_border"]
    return as_seen(pd.DataFrame(rows, columns=[*names, "true", "parent"]))


def _advance(cells: list[dict], time: int, born, rng: np.random.Generator) -> list[dict]:
    """Move the cells by a frame, and divide those that are due."""
    found = []
    for cell in cells:
        kick = rng.standard_t(3, 2) * 0.09 * DIAMETER * (1 - 0.8 * _roundness(cell, time))
        cell["speed"] = 0.5 * cell["speed"] + 0.7 * kick
        cell["place"] = cell["place"] + 0.6 * cell["speed"] + 0.4 * kick
        cell["angle"] += rng.normal(0, 0.25)
        cell["ratio"] = np.clip(cell["ratio"] + rng.normal(0, 0.15), 1.1, 3.2)
        cell["area"] += 0.02 * (cell["full"] - cell["area"])
        if cell["divides"] > time:
            found.append(cell)
            continue
        angle = cell["angle"] + rng.normal(0, 0.4)
        way = (
            DIAMETER
            * np.clip(rng.lognormal(np.log(0.75), 0.3), 0.4, 1.6)
            * np.array([np.sin(angle), np.cos(angle)])
        )
        share = np.clip(rng.normal(0.5, 0.06), 0.3, 0.7)
        for sign, own in ((1, share), (-1, 1 - share)):
            place = cell["place"] + sign * (1 - own) * way + rng.normal(0, 0.08 * DIAMETER, 2)
            area = cell["area"] * own * rng.uniform(0.9, 1.15)
            found.append(born(place, cell["number"], time, area, angle + np.pi / 2))
    return found


def _roundness(cell: dict, time: float) -> float:
    after = np.clip(1 - (time - cell["born"]) / 4, 0, 1) if cell["parent"] else 0
    return float(max(np.clip((time - cell["divides"] + 3) / 2, 0, 1), after))


def _repel(cells: list[dict], whole: float) -> None:
    places = np.array([cell["place"] for cell in cells])
    radii = np.sqrt(np.array([cell["area"] for cell in cells]) / np.pi)
    one, other = KDTree(places).query_pairs(1.6 * DIAMETER, output_type="ndarray").T
    apart = places[one] - places[other]
    distance = np.hypot(*apart.T) + 1e-6
    overlap = 0.4 * np.maximum(0.95 * (radii[one] + radii[other]) - distance, 0)
    move = apart * (overlap / distance)[:, None]
    np.add.at(places, one, move)
    np.add.at(places, other, -move)
    for cell, place in zip(cells, np.clip(places, 0, whole), strict=True):
        cell["place"] = place


def jumped(
    cells: pd.DataFrame, tracks: pd.DataFrame, time: int, way: tuple
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a film whose stage jumps before a frame: cells leave and are not seen again."""
    after = cells["time"] >= time
    cells = cells.assign(parent=cells["true"].map(tracks.set_index("label")["parent"]))
    for name, far in zip(("row_px", "column_px"), way, strict=True):
        cells.loc[after, name] += far
    return as_seen(
        cells[
            cells[["row_px", "column_px"]].ge(0).all(axis=1)
            & cells[["row_px", "column_px"]].lt(SIDE).all(axis=1)
        ]
    )


def as_seen(cells: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number the cells as an observer would: a cell that leaves and comes back is another."""
    last: dict[int, int] = {}
    numbers: dict[int, int] = {}
    parents: list[int] = []
    true = []
    for time, cell, parent in zip(cells["time"], cells["true"], cells["parent"], strict=True):
        if last.get(cell, -9) != time - 1:
            seen = last.get(parent) == time - 1 and cell not in last
            parents.append(numbers[parent] if seen else 0)
            numbers[cell] = len(parents)
        last[cell] = time
        true.append(numbers[cell])
    cells = cells.drop(columns="parent").assign(true=true).reset_index(drop=True)
    cells["cell"] = cells.groupby("time").cumcount() + 1
    tracks = cells.groupby("true")["time"].agg(begin="min", end="max").rename_axis("label").reset_index()
    return cells, tracks.assign(parent=parents)
