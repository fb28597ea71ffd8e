"""Measure how long a step of training takes, on made-up frames."""

import time

import numpy as np
from scipy import ndimage

from . import budget, loop, train_step
from .patches import TrainingFrame
from .run import Run

WARM, TIMED = 1, 3  # steps
ENOUGH_S = 10  # after which no further step is timed


def step_seconds(
    architecture: str, shape: dict, settings: dict, channels: int, precision: str, steps: int = TIMED
) -> float:
    """Return the seconds of the fastest step after the first, which compiles; arguments as those of `run.Run`.

    The fastest, because other work on the machine only ever makes a step slower.
    """
    frame = made_up_frame(settings["patch"], channels)
    model = loop.prepare(Run(architecture, shape, settings, [frame], [frame], 1, precision).model, settings)
    step = train_step.stepper(model)
    batches = loop.prefetch(
        [frame], settings["batch_size"], settings["patch"], model.output_shape[-1], settings, 1
    )
    rate = budget.rates(settings)[0]
    seconds: list[float] = []
    for number in range(WARM + steps):
        if number > WARM and sum(seconds) > ENOUGH_S:
            break
        start = time.perf_counter()
        images, targets = next(batches)
        step(images, targets, rate)
        seconds.append(time.perf_counter() - start)
    batches.close()  # type: ignore[attr-defined]
    return min(seconds[WARM:])


def made_up_frame(side: int, channels: int) -> TrainingFrame:
    """Return a frame of noise with discs as cells, (side, side, channels)."""
    rows, columns = np.mgrid[:side, :side]
    cells = (rows % 32 - 16) ** 2 + (columns % 32 - 16) ** 2 < 100
    image = np.random.default_rng(1).random((side, side, channels), np.float32)
    return TrainingFrame.from_labels(image, ndimage.label(cells)[0].astype(np.int32))
