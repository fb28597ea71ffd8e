"""Measure time, peak memory and opened files of the stages on large data: one huge frame, and a group of many frames.

    .venv/bin/python benchmarks/workflow/large_data.py [--side 10000] [--frames 5000] [--folder FOLDER]

Every stage runs in a process of its own, on data made here; the table goes to the terminal. A file of images is
opened once by a stage; a stack is opened once more where frames are drawn again for the page of the check.
"""

import argparse
import json
import logging
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests")]
GROUPS = ("large", "second", "third")
STAGES = ("parse", "prepare", "check", "folds", "label", "score")


def make_huge(folder: Path, side: int) -> None:
    """Make a frame of side × side px with about 20 cells in 200 × 200 px, and two small ones in other groups."""
    import numpy as np
    import tifffile
    from textured import scene

    lines = ["sample\timage\tmask\tgroup"]
    for seed, group in enumerate(GROUPS):
        image, labels = scene(seed, 200, cells=20)
        if group == "large":
            times = -(-side // 200)
            tile = (
                np.arange(times * times, dtype=np.int32).reshape(times, times).repeat(200, 0).repeat(200, 1)
            )
            labels = np.tile(labels, (times, times))
            labels = np.where(labels > 0, labels + 20 * tile, 0).astype(np.uint32)[:side, :side]
            image = np.tile(image, (times, times))[:side, :side]
            image = image + (np.arange(side) % 50).astype(np.uint16)
        for name, array in ((f"{group}.tif", image), (f"{group}_mask.tif", labels)):
            tifffile.imwrite(folder / name, array, compression="zlib", tile=(512, 512))
        lines.append(f"{group}\t{group}.tif\t{group}_mask.tif\t{group}")
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")


def make_many(folder: Path, frames: int, side: int = 256) -> None:
    """Make a group of many frames of side × side px, each a file, and two groups of ten frames."""
    import numpy as np
    import tifffile
    from textured import scene

    scenes = [scene(seed, side, cells=30) for seed in range(12)]
    lines = ["sample\timage\tmask\tgroup"]
    for group in GROUPS:
        for number in range(frames if group == "large" else 10):
            name = f"{group}{number:05d}"
            image, labels = scenes[number % 10 if group == "large" else 9 + GROUPS.index(group)]
            turned = np.roll(image, number, 0) + np.uint16(number % 97), np.roll(labels, number, 0)
            for suffix, array in zip(("", "_mask"), turned, strict=True):
                tifffile.imwrite(folder / f"{name}{suffix}.tif", array)
            lines.append(f"{name}\t{name}.tif\t{name}_mask.tif\t{group}")
    (folder / "samples.tsv").write_text("\n".join(lines) + "\n")


def run_stage(stage: str, folder: Path) -> None:
    """Run a stage on the data in a folder."""
    out = folder / "results"
    if stage == "parse":
        from brightcell.sheets.samples import read_samples

        read_samples(folder / "samples.tsv", check_files=True)
    elif stage == "prepare":
        import gather
        import prepare
        from brightcell.config import validation
        from brightcell.sheets import samples

        options = validation.complete({"dataset": "d", "samples": "s"}, validation.load_schema())
        rows = samples.read_samples(folder / "samples.tsv")
        for group in GROUPS:
            files = [out / group / name for name in ("frames.tif", "truth.tif", "samples.tsv")]
            chosen = rows[rows["group"] == group].to_dict("records")
            prepare.main(chosen, options["images"], *files, options["preprocess"])
        gather.main([out / group / "samples.tsv" for group in GROUPS], out / "samples.tsv")
    elif stage == "check":
        import check

        stacks = [[out / group / f"{kind}.tif" for group in GROUPS] for kind in ("frames", "truth")]
        made = SimpleNamespace(
            **{name: out / f"check_{name}.tsv" for name in ("findings", "frames", "groups")},
            page=out / "check.html",
        )
        template = ROOT / "workflow/report/check.html.j2"
        check.main(out / "samples.tsv", *stacks, template, made, "large", [], None, [5, 200])
    elif stage == "folds":
        import folds
        from brightcell.config import validation

        options = validation.complete({"dataset": "d", "samples": "s"}, validation.load_schema())["folds"]
        folds.main(out / "samples.tsv", out / "folds.tsv", options)
    elif stage == "label":
        import label

        label.main(
            out / "probabilities.tif",
            out / "calibration.json",
            out / "predicted.tif",
            {name: out / f"{name}.tif" for name in ("published", "foreground")},
            logging.getLogger("bench"),
        )
    elif stage == "score":
        import score

        outputs = {
            name: out / f"score_{name}.tsv"
            for name in ("frames", "cells", "curves", "reliability", "watersheds")
        }
        truth, log = [out / "large" / "truth.tif"], logging.getLogger("bench")
        names = {"scheme": "grouped", "network": "simple", "fold": 1, "seed": 1}
        others = {name: out / f"{name}.tif" for name in ("published", "foreground")}
        made = (out / "probabilities.tif", out / "calibration.json", others)
        score.main(out / "predicted.tif", truth, out / "samples.tsv", outputs, log, *made, **names)


def make_probabilities(folder: Path) -> None:
    """Write what a network might predict for the large group: the blurred masks, as probabilities."""
    import numpy as np
    from scipy import ndimage

    from brightcell import files
    from brightcell.io import stacks

    def pages():
        for name, labels in stacks.iterate_stack(folder / "results/large/labels.tif"):
            yield name, stacks.to_uint16(0.9 * ndimage.uniform_filter((labels > 0).astype(np.float32), 3))

    stacks.write_stack(folder / "results/probabilities.tif", pages())
    parameters = {"threshold": 0.5, "smoothing_px": 1, "depth": 0.1, "minimum_area_px": 30}
    calibration = {"parameters": parameters, "markers": "foreground"}
    files.write_json(calibration, folder / "results/calibration.json")


def peak_mb() -> float:
    """Return the largest memory of this process so far; `getrusage` would count that of its parent too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def measure(stage: str, folder: Path) -> dict:
    """Run a stage in this process and say what it took."""
    opened: Counter[str] = Counter()

    def hear(event: str, arguments: tuple) -> None:
        if event == "open" and str(arguments[0]).endswith(".tif") and str(folder) in str(arguments[0]):
            mode = arguments[1]
            if mode is None or "r" in str(mode):
                opened[str(arguments[0])] += 1

    sys.addaudithook(hear)
    start = time.perf_counter()
    run_stage(stage, folder)
    return {
        "seconds": time.perf_counter() - start,
        "cpu": sum(resource.getrusage(resource.RUSAGE_SELF)[:2]),
        "peak_mb": peak_mb(),
        "files": len(opened),
        "most_opens": max(opened.values(), default=0),
    }


def main() -> None:
    """Make the data, run the stages, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--side", type=int, default=10_000, help="side of the huge frame, px; 0: leave it out"
    )
    parser.add_argument(
        "--frames", type=int, default=5_000, help="frames of the large group; 0: leave it out"
    )
    parser.add_argument("--folder", type=Path, help="where the data are made and kept")
    parser.add_argument("--stages", nargs="+", default=STAGES, choices=STAGES)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(arguments.measure, arguments.folder)))
        return
    base = arguments.folder or Path(tempfile.mkdtemp(prefix="large-data-"))
    print(
        "| data | stage | wall, s | CPU, s | peak memory, MB | image files opened | opens of one file, at most |"
    )
    print("|---|---|---|---|---|---|---|")
    for title, make, size in (
        (f"one frame of {arguments.side:,} × {arguments.side:,} px", make_huge, arguments.side),
        (f"a group of {arguments.frames:,} frames of 256 × 256 px", make_many, arguments.frames),
    ):
        if not size:
            continue
        folder = base / make.__name__
        if not folder.exists():
            folder.mkdir(parents=True)
            make(folder, size)
        for stage in arguments.stages:
            if stage == "label" and not (folder / "results/probabilities.tif").exists():
                make_probabilities(folder)
            command = [sys.executable, __file__, "--measure", stage, "--folder", str(folder)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                print(f"| {title} | {stage} | failed ({done.returncode}) | | | | |", flush=True)
                continue
            took = json.loads(done.stdout.splitlines()[-1])
            print(
                f"| {title} | {stage} | {took['seconds']:.1f} | {took['cpu']:.1f} | {took['peak_mb']:,.0f} | "
                f"{took['files']:,} | {took['most_opens']} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
