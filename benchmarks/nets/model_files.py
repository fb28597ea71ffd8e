"""Spoil model files at random, and count what becomes of them.

    python benchmarks/nets/model_files.py                 # 3,000 files, a minute
    python benchmarks/nets/model_files.py --files 60000 --seed 2

A small sound model file and its recipe.json and calibration.json are spoilt in one of five ways: bytes of the archive,
bytes of the weights, values of config.json (numbers, texts, nested objects, deleted and moved keys), and values of the two
JSON files. Every file is read in a process that is allowed 2 GB more than it starts with, and 20 s. A file may be read, because the change does not
matter, or refused by a message; a crash, a hang or any other exception is a fault, and the exit status says so.
"""

import copy
import io
import json
import os
import random
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

from spoiling import run, spoil_bytes, spoil_tree

from brightcell import trained

WAYS = ("archive", "weights", "config", "recipe", "calibration")
RECIPE = {
    "network": "simple", "channels": 1, "outputs": 2, "levels": 2, "percentiles": [0.5, 99.5], "working_pixel_size_um": 0.5,
    "dataset": "demo", "scheme": "grouped", "preprocess": {"flat": None}, "training_data": {"contrast": [0.1, 0.2, 0.3]},
}  # fmt: skip
CALIBRATION = {
    "parameters": {"threshold": 0.5, "smoothing_px": 1.5, "depth": 0.1, "minimum_area_px": 20},
    "score": "mean_ap", "value": 0.8, "symmetries": True,
}  # fmt: skip


def sound_model(folder: Path) -> dict[str, bytes]:
    """Return the members of a sound file."""
    from brightcell.nets import build_unet

    build_unet("residual_attention", (None, None, 1), filters=2, levels=2, outputs=2).save(
        folder / "sound.keras"
    )
    with zipfile.ZipFile(folder / "sound.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def make(way: str, sound: dict[str, bytes], chance: random.Random, path: Path) -> Path:
    """Write a spoilt file."""
    if way in ("recipe", "calibration"):
        content = copy.deepcopy(RECIPE if way == "recipe" else CALIBRATION)
        spoil_tree(content, chance)
        path.write_text(json.dumps(content))
        return path
    members = dict(sound)
    if way == "config":
        config = json.loads(members["config.json"])
        spoil_tree(config, chance)
        members["config.json"] = json.dumps(config).encode()
    elif way == "weights":
        members["model.weights.h5"] = spoil_bytes(members["model.weights.h5"], chance)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    path.write_bytes(spoil_bytes(content.getvalue(), chance) if way == "archive" else content.getvalue())
    return path


def prepare(folder: Path) -> Callable[[str, random.Random, Path], Path]:
    """Make a sound file; return the function that spoils it."""
    sound = sound_model(folder)
    return lambda way, chance, path: make(way, sound, chance, path)


def read(way: str, path: Path) -> None:
    """Read a file as the workflow does."""
    from brightcell.nets.model_file import read_model_file

    {"recipe": trained.read_recipe, "calibration": trained.read_calibration}.get(way, read_model_file)(path)


if __name__ == "__main__":
    sys.exit(min(run(__doc__.splitlines()[0], WAYS, prepare, read), 100))
