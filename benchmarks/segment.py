"""Measure how many frames a second `segment` does from file to file, and where the time goes.

    .venv/bin/python benchmarks/segment.py [--side 1024] [--frames 8] [--filters 16] [--levels 4] [--members 1]

A recording of irregular cells, a file a frame, goes through the scripts of a chunk, of joining and of outlining. The
network is untrained, so that what it computes is thrown away after it was computed, and the watershed is given maps of
the true cells instead. A stage's time is that in which it was busy; reading, predicting and the rest overlap.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests")]
PARAMETERS = {"threshold": 0.5, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 20}


def make_recording(folder: Path, frames: int, side: int, cells: int) -> tuple[list[dict], list]:
    """Write the frames; returns their rows and true labels."""
    import numpy as np
    import tifffile
    from spoilt import draw_cells

    labels = draw_cells(1, side, cells)
    noise = np.random.default_rng(1).normal(900, 40, labels.shape)
    image = (noise + 200 * (labels > 0)).astype(np.uint16)
    rows, truth = [], []
    for number in range(frames):
        path = folder / f"dish_{number:03d}.tif"
        tifffile.imwrite(path, np.roll(image, 7 * number, axis=1))
        truth.append(np.roll(labels, 7 * number, axis=1))
        rows.append({"sample": path.stem, "image": str(path), "frame": str(number), "pixel_size_um": "0.5"})
    return rows, truth


def make_models(folder: Path, members: int, filters: int, levels: int, network: str) -> dict[str, list[str]]:
    """Save untrained networks with what the workflow keeps beside trained ones."""
    from brightcell import files, nets

    shape = {"filters": filters, "levels": levels, "outputs": 2}
    recipe = {"network": network, "channels": 1, "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5}
    found = defaultdict(list)
    for member in range(members):
        place = folder / f"fold{member}"
        place.mkdir(parents=True)
        nets.build_unet(network, (None, None, 1), dropout=0.0, **shape).save(place / "model.keras")
        files.write_json(recipe | shape, place / "recipe.json")
        calibration = {"parameters": PARAMETERS, "score": "mean_ap", "value": 0.5}
        files.write_json(calibration, place / "calibration.json")
        for name in ("model.keras", "recipe.json", "calibration.json"):
            found[name].append(str(place / name))
    return found


class Clock:
    """Adds up the wall time in which functions were busy."""

    def __init__(self) -> None:
        self.busy: dict[str, float] = defaultdict(float)

    def timed(self, name: str, function):
        """Wrap a function so that its time is added."""

        def wrapped(*arguments, **options):
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.busy[name] += time.perf_counter() - start

        return wrapped


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    """Run the stages and print the tables."""
    import numpy as np
    from plain_watershed import draw_maps

    import join_chunks
    import outline_cells
    import segment_chunk
    from brightcell import backend, ensemble, images, instances, measure, segmentation, stream
    from brightcell import intake as reading

    backend.prepare(arguments.threads, arguments.device)
    rows, truth = make_recording(folder, arguments.frames, arguments.side, arguments.cells)
    models = make_models(folder, arguments.members, arguments.filters, arguments.levels, arguments.network)
    drawn = [np.stack(draw_maps(labels, seed=1), axis=-1).astype(np.float32) for labels in truth]
    clock, begun, answers = Clock(), [], iter(drawn)

    predict_frame = stream.inference.predict_frame

    def predicted(*given):
        if not begun:  # the first frame compiles the network
            predict_frame(*given)
            begun.append(time.perf_counter())
            clock.busy.clear()
        maps = clock.timed("network and blending", predict_frame)(*given)
        answer = next(answers)
        return np.concatenate([answer, np.zeros_like(maps[..., -1:])], axis=-1)

    stream.inference.predict_frame = predicted
    ensemble.Averaged.__call__ = clock.timed("of it the network", ensemble.Averaged.__call__)
    reading.Intake.frame = clock.timed("reading", reading.Intake.frame)
    segmentation.separate = clock.timed("separating and measuring", segmentation.separate)
    instances.label_cells = clock.timed("of it the watershed", instances.label_cells)
    measure.measure_cells = clock.timed("of it the cells' measures", measure.measure_cells)
    opened = images.stack_writer

    def stack_writer(path):
        from contextlib import contextmanager

        @contextmanager
        def timed():
            with opened(path) as write:
                yield clock.timed("writing", write)

        return timed()

    images.stack_writer = stack_writer
    settings = {
        "images": {"pixel_size_um": None, "channels": None},
        "preprocess": {},
        "prediction": {"tile": 512, "overlap": None, "batch_size": 1, "engine": arguments.engine},
        "precision": arguments.precision,
        "device": arguments.device,
    }
    out = folder / "chunks/000000-000000"
    outputs = {name: out / name for name in ("labels.tif", "cells.tsv", "frames.tsv", "made_of.json")}
    named = {Path(name).stem: path for name, path in outputs.items()}
    segment_chunk.main(
        rows,
        [],
        *(models[name] for name in ("model.keras", "recipe.json", "calibration.json")),
        None,
        settings,
        named,
        arguments.threads,
    )
    seconds = time.perf_counter() - begun[0]
    frames = len(rows)
    after = {}
    start = time.perf_counter()
    joined = {name: folder / path.name for name, path in named.items()} | {"labels": folder / "l.ome.tif"}
    join_chunks.main([out], "dish", joined)
    after["joining"] = time.perf_counter() - start
    start = time.perf_counter()
    tables = [joined[name] for name in ("labels", "cells", "frames")]
    outline_cells.main(*tables, "dish", folder / "rois.zip", folder / "cells.geojson")
    after["outlining"] = time.perf_counter() - start

    print(
        f"\n{frames} frames of {arguments.side} × {arguments.side} px, {arguments.cells} cells; {arguments.members} × "
        f"{arguments.network}, {arguments.filters} filters, {arguments.levels} levels; {arguments.threads} threads\n"
    )
    print("| stage of a chunk | busy, ms a frame | share of the time |\n|---|---:|---:|")
    for name, busy in clock.busy.items():
        print(f"| {name} | {1000 * busy / frames:.0f} | {busy / seconds:.0%} |")
    print(f"| all, overlapped | {1000 * seconds / frames:.0f} | |")
    for name, took in after.items():
        print(f"| {name} (a job of its own) | {1000 * took / frames:.0f} | |")
    whole = seconds + sum(after.values())
    print(
        f"\n{frames / whole:.2f} frames a second from file to file ({frames / seconds:.2f} in the chunk's job)"
    )


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1024, help="px")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--cells", type=int, default=300, help="in a frame")
    parser.add_argument("--members", type=int, default=1, help="networks that are averaged")
    parser.add_argument("--network", default="simple")
    parser.add_argument("--filters", type=int, default=16)
    parser.add_argument("--levels", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--engine", default="auto", choices=["auto", "keras", "openvino"])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    logging.getLogger("brightcell").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(folder))


if __name__ == "__main__":
    main()
