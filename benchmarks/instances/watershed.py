"""Time the separation of cells in one frame against scikit-image called plainly, all on one core.

    python benchmarks/instances/watershed.py                          # 1024 × 1024 px, 300 cells
    python benchmarks/instances/watershed.py --size 2048 --cells 1200 --rounds 15

Every round times every implementation once, so that a busy machine slows all of them. The table gives medians over
the rounds of the time on the clock, of the processor's time (what an idle core would take), and of the ratio to
brightcell's processor time in the same round. Both give the same markers (tests/unit/instances/test_watershed.py).
"""

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import sys
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")]

from plain_watershed import draw_maps, label_plainly  # noqa: E402
from spoilt import draw_cells  # noqa: E402

from brightcell.instances.labelling import label_cells  # noqa: E402
from brightcell.instances.published import label_cells_published  # noqa: E402

GOAL_MS = 60
RADIUS_PX = 15.0
LEARNED, ALONE = "learned distance", "foreground alone"


def main(size: int, cells: int, rounds: int, seed: int) -> None:
    """Print a table in Markdown."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    foreground, distance = draw_maps(draw_cells(seed, size, cells), seed)
    timed = {
        (LEARNED, "brightcell"): lambda: label_cells(foreground, distance),
        (LEARNED, "scikit-image"): lambda: label_plainly(foreground, distance),
        (ALONE, "brightcell"): lambda: label_cells(foreground, radius_px=RADIUS_PX),
        (ALONE, "scikit-image"): lambda: label_plainly(foreground, None, radius_px=RADIUS_PX),
        (ALONE, "the study's, with scikit-image"): lambda: label_cells_published(foreground),
    }
    rows, found = [], {}
    for round_ in range(rounds + 1):
        for name, function in timed.items():
            start = time.perf_counter(), time.process_time()
            found[name] = function().max()
            rows.append((round_, name, time.perf_counter() - start[0], time.process_time() - start[1]))
    table = pd.DataFrame(rows, columns=["round", "name", "clock", "processor"]).query("round > 0")
    wide = table.pivot(index="round", columns="name", values=["clock", "processor"]) * 1e3
    share = (foreground >= 0.5).mean()
    print(
        f"{size} × {size} px, {cells} cells on {share:.0%} of the frame; one core; medians of {rounds} rounds\n"
    )
    print("| markers from | implementation | cells found | clock | processor | times brightcell's |")
    print("|---|---|---:|---:|---:|---:|")
    for name in timed:
        clock, processor = (wide[seconds, name] for seconds in ("clock", "processor"))
        ratio = (processor / wide["processor", (name[0], "brightcell")]).median()
        print(
            f"| {name[0]} | {name[1]} | {found[name]} | {clock.median():.0f} ms | {processor.median():.0f} ms "
            f"| {'' if name[1] == 'brightcell' else f'{ratio:.1f}'} |"
        )
    print(f"\nThe goal for 1024 × 1024 px and 300 cells is {GOAL_MS} ms.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="side of the frame in pixels")
    parser.add_argument("--cells", type=int, default=300, help="cells in the truth")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count, at least 5")
    parser.add_argument("--seed", type=int, default=1, help="of the cells and of the maps")
    options = parser.parse_args()
    if options.rounds < 5 or options.size < 64 or options.cells < 1:
        parser.error("expected at least 5 rounds, 64 pixels and 1 cell")
    main(options.size, options.cells, options.rounds, options.seed)
