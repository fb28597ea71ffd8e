"""Measure how many frames a second `segment` does from file to file, and where the time goes.

    .venv/bin/python benchmarks/recordings/segment.py [--side 1024] [--frames 8] [--filters 16] [--levels 4] [--members 1]

A recording of irregular cells, a file a frame, goes through the scripts of all jobs, one chunk. The network is untrained,
so that what it computes is thrown away after it was computed, and the watershed is given maps of the true cells instead.
Processor time is about what an idle core would take; on the clock the stages of a chunk overlap. A job's start is Python with
what the script imports; what Snakemake takes to plan and start jobs comes on top (benchmarks/workflow/scale.py).
"""

import argparse
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests")]
STARTS = {  # what a job imports before it works
    "segment_chunk": "import segment_chunk, tensorflow; from brightcell.inference import engines, streaming; from brightcell.recordings import segmentation",
    **{
        name: f"import {name}"
        for name in ("join_chunks", "outline_cells", "track_cells", "judge_frames", "preview_recording")
    },
}
NETWORK, SEPARATION = "network, blending and what is left", "separating and measuring"
PARTS = ("of it the watershed", "of it the cells' measures")
STAGES = ("reading", NETWORK, SEPARATION, *PARTS, "writing")
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
    from brightcell import files
    from brightcell.nets import unet

    shape = {"filters": filters, "levels": levels, "outputs": 2}
    recipe = {"network": network, "channels": 1, "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5}
    found = defaultdict(list)
    for member in range(members):
        place = folder / f"fold{member}"
        place.mkdir(parents=True)
        unet.build_unet(network, (None, None, 1), dropout=0.0, **shape).save(place / "model.keras")
        files.write_json(recipe | shape, place / "recipe.json")
        calibration = {"parameters": PARAMETERS, "score": "mean_ap", "value": 0.5}
        files.write_json(calibration, place / "calibration.json")
        for name in ("model.keras", "recipe.json", "calibration.json"):
            found[name].append(str(place / name))
    return found


class Clock:
    """Adds up the seconds in which functions were busy: on the clock, and of the processor in their own thread."""

    def __init__(self) -> None:
        self.busy, self.processor = defaultdict(float), defaultdict(float)

    def timed(self, name: str, function):
        """Wrap a function so that its time is added."""

        def wrapped(*arguments, **options):
            start = time.perf_counter(), time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                self.busy[name] += time.perf_counter() - start[0]
                self.processor[name] += time.thread_time() - start[1]

        return wrapped


def time_starts() -> dict[str, float]:
    """Processor time in which every job starts, s."""
    took = {}
    for name, code in STARTS.items():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT / "workflow/scripts", check=True, capture_output=True
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took[name] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return took


def measure(arguments: argparse.Namespace, folder: Path) -> None:
    """Run the jobs and print the tables."""
    import numpy as np
    from defaults import defaults
    from plain_watershed import draw_maps

    import join_chunks
    import judge_frames
    import outline_cells
    import preview_recording
    import segment_chunk
    import track_cells
    from brightcell import files
    from brightcell.compute import backend
    from brightcell.inference import tiling
    from brightcell.instances import labelling, regionprops
    from brightcell.io import stacks
    from brightcell.preprocessing import loader as reading
    from brightcell.recordings import segmentation

    backend.prepare(arguments.threads, arguments.device)
    rows, truth = make_recording(folder, arguments.frames, arguments.side, arguments.cells)
    models = make_models(folder, arguments.members, arguments.filters, arguments.levels, arguments.network)
    drawn = [np.stack(draw_maps(labels, seed=1), axis=-1).astype(np.float32) for labels in truth]
    clock, begun, answers = Clock(), [], iter(drawn)

    predict_frame = tiling.predict_frame

    def predicted(*given):
        if not begun:  # the first frame compiles the network
            predict_frame(*given)
            begun[:] = time.perf_counter(), time.process_time()
            clock.busy.clear()
            clock.processor.clear()
        maps = clock.timed(NETWORK, predict_frame)(*given)
        answer = next(answers)
        return np.concatenate([answer, np.zeros_like(maps[..., -1:])], axis=-1)

    tiling.predict_frame = predicted
    reading.FrameLoader.frame = clock.timed("reading", reading.FrameLoader.frame)
    segmentation.separate = clock.timed(SEPARATION, segmentation.separate)
    labelling.label_cells = clock.timed(PARTS[0], labelling.label_cells)
    regionprops.cell_table = clock.timed(PARTS[1], regionprops.cell_table)
    opened = stacks.stack_writer

    def stack_writer(path):
        from contextlib import contextmanager

        @contextmanager
        def timed():
            with opened(path) as write:
                yield clock.timed("writing", write)

        return timed()

    stacks.stack_writer = stack_writer
    settings = {
        "images": defaults("images"),
        "preprocess": defaults("preprocess"),
        "prediction": defaults("prediction", engine=arguments.engine),
        "border": "keep",
        "precision": arguments.precision,
        "device": arguments.device,
    }
    out = folder / f"chunks/000000-{len(rows) - 1:06d}"
    outputs = {name: out / name for name in ("labels.tif", "cells.tsv", "frames.tsv", "made_of.json")}
    named = {Path(name).stem: path for name, path in outputs.items()}
    before = time.process_time()
    segment_chunk.main(
        rows,
        [],
        *(models[name] for name in ("model.keras", "recipe.json", "calibration.json")),
        None,
        settings,
        named,
        arguments.threads,
    )
    seconds, processor = time.perf_counter() - begun[0], time.process_time() - begun[1]
    loading, frames = begun[1] - before, len(rows)
    busy, own = dict(clock.busy), dict(clock.processor)  # networks compute in threads of their own
    own[NETWORK] = processor - sum(own[name] for name in STAGES if name not in (NETWORK, *PARTS))

    tables = {name: folder / path.name for name, path in named.items()} | {"labels": folder / "l.ome.tif"}
    quality, tracks = (
        folder / "quality.tsv",
        SimpleNamespace(tracks=folder / "tracks.tsv", ctc=folder / "ctc"),
    )
    shown = SimpleNamespace(
        **tables,
        quality=quality,
        tracks=tracks.tracks,
        template=[ROOT / "workflow/report" / name for name in ("preview/preview.css", "page/page.css")],
    )
    three = [tables[name] for name in ("labels", "cells", "frames")]
    judged = [tables[name] for name in ("labels", "frames", "cells", "made_of")]
    linking = {"distance": 1.5, "gap": 1, "divisions": True}
    jobs = {
        "join_chunks": lambda: join_chunks.main(
            [out], "dish", rows, files.read_json(named["made_of"]), tables
        ),
        "outline_cells": lambda: outline_cells.main(
            *three, "dish", folder / "rois.zip", folder / "cells.geojson"
        ),
        "judge_frames": lambda: judge_frames.main(*judged, True, quality),
        "track_cells": lambda: track_cells.main(*three[:2], quality, linking, tracks),
        "preview_recording": lambda: preview_recording.main(
            shown, rows, settings["images"], settings["preprocess"], "dish", folder / "preview.html"
        ),
    }
    work = {"segment_chunk": processor}
    for name, run in jobs.items():
        before = time.process_time()
        run()
        work[name] = time.process_time() - before
    starts = time_starts()

    print(
        f"\n{frames} frames of {arguments.side} × {arguments.side} px, {arguments.cells} cells; {arguments.members} × "
        f"{arguments.network}, {arguments.filters} filters, {arguments.levels} levels; {arguments.threads} threads\n"
    )
    print("| stage of a chunk | processor, ms a frame | on the clock, busy, ms a frame |\n|---|---:|---:|")
    for name in STAGES:
        print(f"| {name} | {1000 * own[name] / frames:.0f} | {1000 * busy[name] / frames:.0f} |")
    print(f"| all, overlapped | {1000 * processor / frames:.0f} | {1000 * seconds / frames:.0f} |\n")
    print("| job | start, s of processor | work, ms of processor a frame |\n|---|---:|---:|")
    for name, took in work.items():
        print(f"| {name} | {starts[name]:.1f} | {1000 * took / frames:.0f} |")
    once, each = sum(starts.values()) + loading, sum(work.values()) / frames
    print(f"| all | {sum(starts.values()):.1f} | {1000 * each:.0f} |\n")
    print(
        f"Loading networks and compiling them takes {loading:.1f} s more. From file to file: {once:.0f} s of processor time, "
        f"and {each:.2f} s a frame, of which the network takes {own[NETWORK] / frames / each:.0%}."
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
    logging.getLogger("brightcell").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        measure(arguments, Path(folder))


if __name__ == "__main__":
    main()
