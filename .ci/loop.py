"""Stand in for the microscope and for the person: simulate a new recording, and draw the true cells of suggested crops.

.venv/bin/python .ci/loop.py record
.venv/bin/python .ci/loop.py draw
"""

import sys
from pathlib import Path

import numpy as np
import tifffile

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow/scripts"))

from brightcell.annotation import drawing, folder  # noqa: E402
from brightcell.simulation import timelapse  # noqa: E402

RESULTS = ROOT / "results/demo"
NEW = (2, 9, 6, 256)  # seed, sequence, frames, side in px: none of the demo's


def record() -> None:
    """Write the frames of a recording."""
    place = ROOT / "resources/loop"
    place.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(timelapse.simulate_sequence(*NEW).images):
        tifffile.imwrite(
            place / f"new_{number}.tif", image, resolution=(1e4, 1e4), resolutionunit="CENTIMETER"
        )


def draw() -> None:
    """Save the true cells of every suggested crop as a label image."""
    truth = timelapse.simulate_sequence(*NEW).labels
    place = RESULTS / "corrected"
    place.mkdir(parents=True, exist_ok=True)
    for name, about in folder.known(RESULTS / "suggest").items():
        rows, columns = (
            slice(about[start], about[start] + about[length])
            for start, length in (("top_px", "height"), ("left_px", "width"))
        )
        cells = drawing.pieces(truth[about["frame"]][rows, columns])
        if cells.any():
            tifffile.imwrite(place / f"{name}.tif", cells.astype(np.uint16))


if __name__ == "__main__":
    {"record": record, "draw": draw}[sys.argv[1]]()
