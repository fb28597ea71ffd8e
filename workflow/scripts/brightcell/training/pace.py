"""Measure how long a step of training takes, on made-up frames."""

import time

import numpy as np
from scipy import ndimage

from . import budget, loop, train_step
from .patches import TrainingFrame
from .run import Run

WARM, TIMED = 1, 2  # steps


def step_seconds(
    architecture: str, shape: dict, settings: dict, channels: int, precision: str, steps: int = TIMED
) -> float:
    """Return the seconds of a step; arguments as those of `run.Run`. The first step, which compiles, is not counted."""
    frame = made_up_frame(settings["patch"], channels)
    model = loop.prepare(Run(architecture, shape, settings, [frame], [frame], 1, precision).model, settings)
    step = train_step.stepper(model)
    batches = loop.prefetch(
        [frame], settings["batch_size"], settings["patch"], model.output_shape[-1], settings, 1
    )
    rate, start = budget.rates(settings)[0], 0.0
    for number in range(WARM + steps):
        if number == WARM:
            start = time.perf_counter()
        images, targets = next(batches)
        step(images, targets, rate)
    seconds = (time.perf_counter() - start) / steps
    batches.close()  # type: ignore[attr-defined]
    return seconds


def made_up_frame(side: int, channels: int) -> TrainingFrame:
    """Return a frame of noise with discs as cells, (side, side, channels)."""
    rows, columns = np.mgrid[:side, :side]
    cells = (rows % 32 - 16) ** 2 + (columns % 32 - 16) ** 2 < 100
    image = np.random.default_rng(1).random((side, side, channels), np.float32)
    return TrainingFrame.from_labels(image, ndimage.label(cells)[0].astype(np.int32))
