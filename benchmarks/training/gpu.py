"""Measure training on one GPU against the rate of its bfloat16 matrix products, and what the study's trainings take.

    KERAS_BACKEND=jax python benchmarks/training/gpu.py                  # 64 filters, 512 × 512 px, batch 4
    KERAS_BACKEND=jax python benchmarks/training/gpu.py --anywhere --filters 4 --side 64 --matrix 512 --steps 2   # does it run?

Written for one NVIDIA H200 under JAX. The goals: 40 % of the matrix rate in training, and the study's three trainings
(100, 100 and 150 epochs of 100 steps of 4, validated on 80 frames) within 20 minutes in all; their time is computed
from an epoch measured here: steps, validation, and the state and best weights written to the folder of temporary files.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from steps import GIGAFLOP, build, make_frames, settings  # noqa: E402

EPOCHS = {"simple": 100, "attention": 100, "residual_attention": 150}
STEPS, BATCH, VALIDATED = 100, 4, 80


def matrix_rate(side: int, times: int = 20) -> float:
    """Rate of bfloat16 products of side × side matrices, in GFLOP/s; the median of five."""
    from keras import ops

    from brightcell.compute import backend

    rng = np.random.default_rng(0)
    matrix = ops.cast(
        ops.convert_to_tensor(rng.normal(size=(side, side)).astype(np.float32) / side**0.5), "bfloat16"
    )

    @backend.compiled
    def multiply(start):
        for _ in range(times):
            start = ops.matmul(start, matrix)
        return start

    rates = []
    for _ in range(6):
        begun = time.perf_counter()
        ops.convert_to_numpy(ops.cast(multiply(matrix)[0, 0], "float32"))
        rates.append(2 * side**3 * times / (time.perf_counter() - begun) / 1e9)
    return float(np.median(rates[1:]))


def measure(network: str, options, precision: str, images, labels) -> dict[str, float]:
    """Seconds to the end of the first step, of a step, of a frame validated, and of a whole epoch of the study's."""
    from brightcell.training import loop, patches, train_step, validation

    shape = options.filters, options.levels, options.side, 3, precision
    begun = time.perf_counter()
    wanted = settings(options.side, BATCH)
    model = loop.prepare(build(network, *shape), wanted)
    frames = [patches.TrainingFrame.from_labels(*pair) for pair in zip(images, labels, strict=True)]
    batches = loop.prefetch(frames, BATCH, options.side, 1, wanted, seed=1)
    step = train_step.stepper(model)
    rate = wanted["learning_rate"]
    losses = [step(*next(batches), rate)]
    start = time.perf_counter() - begun
    spent = []
    for _ in range(options.steps):
        begun = time.perf_counter()
        losses.append(step(*next(batches), rate))
        spent.append(time.perf_counter() - begun)
    assert np.isfinite(losses).all(), "the loss is no number"
    step.settle()
    tiles = validation.validation_tiles(frames, options.side, 1)
    validation.validate(model, tiles, model.loss, BATCH)
    begun = time.perf_counter()
    validation.validate(model, tiles, model.loss, BATCH)
    validated = (time.perf_counter() - begun) / len(tiles[0])
    return {
        "start": start,
        "step": float(np.median(spent)),
        "validate": validated,
        "epoch": seconds_of_an_epoch(build(network, *shape), frames, wanted),
    }


def seconds_of_an_epoch(model, frames, settings: dict) -> float:
    """Train two epochs as a job does and return what lies between their ends, each with its state on the disk."""
    from itertools import cycle, islice

    from brightcell.training import checkpoints, loop

    ends = []

    class Timed(checkpoints.Checkpoint):
        def save(self, model, progress, best=None):
            super().save(model, progress, best or model.get_weights())
            ends.append(time.perf_counter())

    wanted = settings | {"epochs": 2, "steps_per_epoch": STEPS, "patience": 2}
    with tempfile.TemporaryDirectory() as folder:
        loop.train(model, frames, list(islice(cycle(frames), VALIDATED)), wanted, 1, Timed(Path(folder), {}))
    return ends[1] - ends[0]


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in {
        "filters": 64,
        "levels": 5,
        "side": 512,
        "steps": 50,
        "matrix": 8192,
        "frames": 16,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--anywhere", action="store_true", help="run without a GPU too, to see that it runs")
    options = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    from brightcell.compute import backend

    if not options.anywhere:
        backend.prepare(os.cpu_count())
        backend.require("gpu")
    precision = backend.start(os.cpu_count(), "auto", "mixed_bfloat16")
    device = ", ".join(backend.gpu_names()) or "CPU: these figures say nothing of a GPU"
    rate = matrix_rate(options.matrix)
    images, labels = make_frames(options.side, options.frames, 3)
    print(f"{device}; {os.environ['KERAS_BACKEND']}, {precision}; bfloat16 products of {options.matrix} × {options.matrix}: "
          f"{rate / 1000:.1f} TFLOP/s; {options.filters} filters, {options.side} × {options.side} px, batch {BATCH}\n")  # fmt: skip
    print("| network | to the end of the first step, s | step, ms | TFLOP/s | share of the matrix rate | a validated frame, ms | "
          "an epoch with its state saved, s | the study's training, min |\n|---|---:|---:|---:|---:|---:|---:|---:|")  # fmt: skip
    total = 0.0
    for network, forward in GIGAFLOP.items():
        found = measure(network, options, precision, images, labels)
        work = 3 * BATCH * forward * (options.filters / 64) ** 2 * (options.side / 512) ** 2
        minutes = (found["start"] + EPOCHS[network] * found["epoch"]) / 60
        total += minutes
        print(f"| {network} | {found['start']:.0f} | {1000 * found['step']:.1f} | {work / found['step'] / 1000:.2f} | "
              f"{work / found['step'] / rate:.0%} | {1000 * found['validate']:.1f} | "
              f"{found['epoch']:.1f} | {minutes:.1f} |", flush=True)  # fmt: skip
    print(f"\nThe study's three trainings: {total:.1f} minutes, computed from these epochs; the goal is 20.")


if __name__ == "__main__":
    main()
