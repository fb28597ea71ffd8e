"""Spoil model files at random, and count what becomes of them.

    python benchmarks/nets/model_files.py                 # 3,000 files, a minute
    python benchmarks/nets/model_files.py --files 60000 --seed 2

A small sound model file and its recipe.json and calibration.json are spoilt in one of five ways: bytes of the archive,
bytes of the weights, values of config.json (numbers, texts, nested objects, deleted and moved keys), and values of the two
JSON files. Every file is read in a process that is allowed 2 GB more than it starts with, and 20 s. A file may be read, because the change does not
matter, or refused by a message; a crash, a hang or any other exception is a fault, and the exit status says so.
"""

import argparse
import copy
import io
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from brightcell import trained  # noqa: E402
from brightcell.errors import InputError  # noqa: E402

MEMORY = 2 * 2**30
WAYS = ("archive", "weights", "config", "recipe", "calibration")
ODD = (
    *(
        None,
        True,
        -1,
        0,
        1,
        2**31,
        10**18,
        0.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "x",
        "../../etc/passwd",
        "a" * 10**5,
    ),
    *(
        [],
        [[]],
        {},
        {"class_name": "Lambda"},
        [None] * 1000,
        "keras.utils",
        {"module": "os", "class_name": "system"},
    ),
)
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


def spoil_bytes(content: bytes, chance: random.Random) -> bytes:
    """Change up to 20 bytes, or cut, double or fill a stretch."""
    spoilt = bytearray(content)
    place = chance.randrange(len(spoilt))
    match chance.randrange(4):
        case 0:
            del spoilt[place:]
        case 1:
            spoilt[place:place] = spoilt[place : place + chance.randrange(1, 5000)]
        case 2:
            size = min(chance.randrange(1, 64), len(spoilt) - place)
            spoilt[place : place + size] = bytes([chance.choice((0, 255))]) * size
        case 3:
            for _ in range(chance.randrange(1, 21)):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
    return bytes(spoilt)


def spoil_tree(tree: object, chance: random.Random) -> None:
    """Replace, delete or move up to three values somewhere in nested lists and mappings."""
    places: list[tuple[list | dict, object]] = []

    def walk(node: object) -> None:
        if isinstance(node, dict | list):
            for key in list(node) if isinstance(node, dict) else range(len(node)):
                places.append((node, key))
                walk(node[key])

    walk(tree)
    for holder, key in chance.sample(places, min(len(places), chance.randrange(1, 4))):
        try:
            match chance.randrange(4):
                case 0:
                    del holder[key]
                case 1:
                    holder[key] = copy.deepcopy(chance.choice(places)[0])
                case _:
                    holder[key] = chance.choice(ODD)
        except (KeyError, IndexError):  # went with an earlier change
            continue


def make(way: str, sound: dict[str, bytes], chance: random.Random, path: Path) -> None:
    """Write a spoilt file."""
    if way in ("recipe", "calibration"):
        content = copy.deepcopy(RECIPE if way == "recipe" else CALIBRATION)
        spoil_tree(content, chance)
        path.write_text(json.dumps(content))
        return
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


def attempt(way: str, path: Path, tell) -> None:
    """Read a file, in a process of its own, and tell what became of it."""
    resource.setrlimit(
        resource.RLIMIT_AS, (resource.getrlimit(resource.RLIMIT_AS)[1], resource.RLIM_INFINITY)
    )
    from brightcell.nets.model_file import read_model_file

    read = {"recipe": trained.read_recipe, "calibration": trained.read_calibration}.get(way, read_model_file)
    try:
        read(path)
        tell.send("read")
    except InputError:
        tell.send("refused")
    except BaseException as error:
        tell.send(f"{type(error).__name__}: {str(error)[:200]}")


def main() -> int:
    """Print how many files of each kind were read or refused, and every fault; returns how many faults there were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the files that show a fault")
    options = parser.parse_args()
    fork = multiprocessing.get_context("fork")
    counts: dict[str, Counter] = {way: Counter() for way in WAYS}
    slowest = dict.fromkeys(WAYS, 0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sound = sound_model(folder)
        for number in range(options.files):
            way, path = WAYS[number % len(WAYS)], folder / "spoilt"
            make(way, sound, random.Random(f"{options.seed} {number}"), path)
            start = time.perf_counter()
            listen, tell = fork.Pipe(duplex=False)
            process = fork.Process(target=attempt, args=(way, path, tell))
            process.start()
            tell.close()
            process.join(20)
            outcome = (
                "hang"
                if process.is_alive()
                else listen.recv()
                if listen.poll()
                else f"crash ({process.exitcode})"
            )
            process.kill()
            slowest[way] = max(slowest[way], time.perf_counter() - start)
            counts[way][outcome if outcome in ("read", "refused") else "fault"] += 1
            if outcome not in ("read", "refused"):
                print(f"seed {options.seed}, file {number}, {way}: {outcome}", flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    path.rename(options.keep / f"{options.seed}-{number}-{way}")
    print("| spoilt | files | read | refused | faults | slowest |\n|---|---:|---:|---:|---:|---:|")
    for way, count in counts.items():
        print(
            f"| {way} | {count.total()} | {count['read']} | {count['refused']} | {count['fault']} | {slowest[way] * 1000:.0f} ms |"
        )
    return sum(count["fault"] for count in counts.values())


if __name__ == "__main__":
    sys.exit(min(main(), 100))
