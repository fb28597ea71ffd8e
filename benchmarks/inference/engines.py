"""Time prediction by all engines against `model.predict`, and against the machine's own matrix products, in one run.

    .venv/bin/python benchmarks/inference/engines.py                              # residual attention, 16 filters, 256 × 256
    .venv/bin/python benchmarks/inference/engines.py --filters 64 --side 512      # the study's; some minutes
    .venv/bin/python benchmarks/inference/engines.py growth --largest 2048        # frames and sides, at few filters
    .venv/bin/python benchmarks/inference/engines.py huge --side 20000            # one frame from file to file; peak memory
    .venv/bin/python benchmarks/inference/engines.py huge --filters 64 --side 2048    # the part of it that does not grow

Every round runs every engine once, so that a busy machine slows all of them; medians over the rounds. The rate counts
the operations of the network as published, whatever an engine saves of them.
"""

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts")]

import numpy as np  # noqa: E402

from brightcell.compute import backend  # noqa: E402

THREADS = len(os.sched_getaffinity(0))


def seconds(function, *arguments) -> float:
    """Time one call."""
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def matrix_rate(dtype: str, size: int = 2048) -> float:
    """Operations a second of a product of square matrices in TensorFlow, the best of five."""
    import tensorflow as tf

    one, two = (tf.cast(tf.random.normal((size, size)), dtype) for _ in range(2))
    product = tf.function(lambda: tf.reduce_sum(tf.cast(tf.matmul(one, two), "float32")))
    product().numpy()
    return 2 * size**3 / min(seconds(lambda: product().numpy()) for _ in range(5))


def saved_network(folder: str, arguments) -> str:
    """Build a network and save it."""
    from brightcell.nets import unet

    path = f"{folder}/model.keras"
    shape = {"filters": arguments.filters, "levels": arguments.levels, "outputs": 1}
    unet.build_unet(arguments.network, (None, None, arguments.channels), **shape).save(path)
    return path


def engines(arguments) -> None:
    """Print time, ratio to `model.predict` in float32 and share of the bfloat16 matrix rate of each engine."""
    from brightcell.inference.engines import has_openvino, load_predictor
    from brightcell.nets import receptive_field
    from brightcell.nets.loading import load_model

    frame = np.random.default_rng(0).random(
        (1, arguments.side, arguments.side, arguments.channels), np.float32
    )
    with tempfile.TemporaryDirectory() as folder:
        path = saved_network(folder, arguments)
        reference = load_model(path)
        work = receptive_field.operations(reference, arguments.side, arguments.side)
        named = {"model.predict, float32": lambda x: reference.predict(x, verbose=0)}
        start = {"model.predict, float32": seconds(named["model.predict, float32"], frame)}
        for engine in ("keras", "openvino") if has_openvino() else ("keras",):
            for precision in ("float32", "mixed_bfloat16"):
                begin, name = time.perf_counter(), f"{engine}, {precision}"
                named[name] = load_predictor(path, precision, engine, threads=THREADS)
                named[name](frame)
                start[name] = time.perf_counter() - begin
    rates, times = [], {name: [] for name in named}
    for _ in range(arguments.rounds):
        rates.append(matrix_rate("bfloat16"))
        for name, predict in named.items():
            times[name].append(seconds(predict, frame))
    expected, base, rate = (
        reference.predict(frame, verbose=0),
        times["model.predict, float32"],
        np.median(rates),
    )
    print(
        f"{arguments.network}, {arguments.filters} filters, {arguments.side}²: {work / 1e9:.1f} GFLOP a frame; "
        f"bfloat16 matrix products {rate / 1e9:.0f} GFLOP/s; {THREADS} threads; medians of {arguments.rounds} rounds\n"
    )
    print(
        "| engine | load and first frame, s | one frame, s | times as fast | share of the matrix rate | largest difference |"
    )
    print("|---|---:|---:|---:|---:|---:|")
    for name, values in times.items():
        took = np.median(values)
        ratio = np.median(np.array(base) / values)
        share = np.median(work / np.array(values) / rates)
        difference = np.abs(named[name](frame) - expected).max()
        print(f"| {name} | {start[name]:.1f} | {took:.3f} | {ratio:.1f} | {share:.2f} | {difference:.1e} |")


def peak_mb() -> float:
    """Largest memory of this process so far."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def pages(predict, frames, arguments, folder: str) -> float:
    """Predict frames from an iterator into a stack file, as the workflow does; returns the seconds."""
    from brightcell.inference import streaming
    from brightcell.io import stacks

    recipe = {"percentiles": [0.5, 99.5], "levels": arguments.levels, "network": arguments.network}
    options = {"tile": 512, "overlap": None, "batch_size": 1, "symmetries": False}
    out = Path(folder) / "out.tif"
    return seconds(stacks.write_stack, out, streaming.predict_pages(predict, frames, recipe, options))


def growth(arguments) -> None:
    """Print time and memory against the number of frames and their side."""
    from brightcell.inference.engines import load_predictor

    rng = np.random.default_rng(0)
    print("| frames | side, px | seconds | µs per pixel | peak memory, MB |")
    print("|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        predict = load_predictor(saved_network(folder, arguments))
        sides = [side for side in (512, 1024, 2048, 4096, 8192) if side <= arguments.largest]
        pages(
            predict,
            [("warm", rng.integers(0, 255, (512, 512, arguments.channels), np.uint8))],
            arguments,
            folder,
        )
        for number, side in [(1, 512), (10, 512), (100, 512), *((1, side) for side in sides)]:
            frame = rng.integers(0, 255, (side, side, arguments.channels), np.uint8)
            took = pages(predict, ((f"frame{n}", frame) for n in range(number)), arguments, folder)
            print(
                f"| {number} | {side} | {took:.1f} | {took * 1e6 / number / side**2:.2f} | {peak_mb():,.0f} |",
                flush=True,
            )


def huge(arguments) -> None:
    """Print time and peak memory of one huge frame of 16 bits, read from a stack file, predicted, written."""
    from brightcell.inference.engines import load_predictor
    from brightcell.io import stacks

    with tempfile.TemporaryDirectory() as folder:
        predict, stack = load_predictor(saved_network(folder, arguments)), Path(folder) / "frames.tif"
        side, part = arguments.side, np.random.default_rng(0).integers(0, 4096, (512, 512), np.uint16)

        def rows():
            wide = np.tile(part, (1, -(-side // 512)))[:, :side]
            yield from (wide[: min(512, side - top)] for top in range(0, side, 512))

        stacks.write_stack(stack, [("frame", stacks.Bands((side, side), np.dtype(np.uint16), rows()))])
        begin = peak_mb()
        read = ((name, np.atleast_3d(frame)) for name, frame in stacks.iterate_stack(stack))
        took = pages(predict, read, arguments, folder)
        raw = side * side * 2 / 2**20
        print(
            f"{side} × {side} px, {raw:,.0f} MB of pixels: {took:.0f} s, peak {peak_mb():,.0f} MB, of which "
            f"{begin:,.0f} MB before the frame: {peak_mb() - raw:,.0f} MB beyond the frame itself"
        )


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", default="engines", choices=["engines", "growth", "huge"])
    parser.add_argument("--network", default="residual_attention")
    parser.add_argument("--filters", type=int, help="16; for growth and huge frames 2")
    parser.add_argument("--levels", type=int, default=5)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--largest", type=int, default=8192, help="largest side of growth")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    arguments.filters = arguments.filters or (16 if arguments.what == "engines" else 2)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    backend.start(THREADS, "auto", "float32")
    {"engines": engines, "growth": growth, "huge": huge}[arguments.what](arguments)


if __name__ == "__main__":
    main()
