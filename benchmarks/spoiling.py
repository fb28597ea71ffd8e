"""What the benchmarks that spoil files at random share: how a file is spoilt, and how what becomes of it is counted."""

import argparse
import copy
import multiprocessing
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "scripts"))

from brightcell.errors import InputError

MEMORY = 2 * 2**30  # bytes that reading a file may take
SECONDS = 20
ODD = (
    *(None, True, -1, 0, 1, 2**31, 10**18, 0.5, 1e308, float("nan"), float("inf"), "", "x", "a" * 10**5),
    *("../../etc/passwd", [], [[]], {}, [None] * 1000, "keras.utils"),
    *({"class_name": "Lambda"}, {"module": "os", "class_name": "system"}),
)


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


def _attempt(read: Callable[[str, Path], object], way: str, path: Path, tell: Connection) -> None:
    """Read a file, in a process of its own, and tell what became of it."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    try:
        read(way, path)
        tell.send("read")
    except InputError:
        tell.send("refused")
    except BaseException as error:
        tell.send(f"{type(error).__name__}: {str(error)[:200]}")


def run(
    description: str,
    ways: Sequence[str],
    prepare: Callable[[Path], Callable[[str, random.Random, Path], Path]],
    read: Callable[[str, Path], object],
) -> int:
    """Spoil files in turn in each of some ways, read each in a process with limits, and print a table; return the faults.

    prepare : gets a folder; returns a function that writes a file spoilt in a way to a path and returns the file
    read : reads a file that was spoilt in a way, or raises InputError; any other outcome is a fault
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="a folder for the files that show a fault")
    options = parser.parse_args()
    fork = multiprocessing.get_context("fork")
    counts: dict[str, Counter] = {way: Counter() for way in ways}
    slowest = dict.fromkeys(ways, 0.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make = prepare(folder)
        for number in range(options.files):
            way = ways[number % len(ways)]
            path = make(way, random.Random(f"{options.seed} {number}"), folder / "spoilt")
            start = time.perf_counter()
            listen, tell = fork.Pipe(duplex=False)
            process = fork.Process(target=_attempt, args=(read, way, path, tell))
            process.start()
            tell.close()
            process.join(SECONDS)
            if process.is_alive():
                outcome = "hang"
            else:
                try:
                    outcome = listen.recv()
                except EOFError:
                    outcome = f"crash ({process.exitcode})"
            process.kill()
            slowest[way] = max(slowest[way], time.perf_counter() - start)
            counts[way][outcome if outcome in ("read", "refused") else "fault"] += 1
            if outcome not in ("read", "refused"):
                print(f"seed {options.seed}, file {number}, {way}: {outcome}", flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    path.rename(options.keep / f"{options.seed}-{number}-{way}-{path.name}")
    print("| spoilt | files | read | refused | faults | slowest |\n|---|---:|---:|---:|---:|---:|")
    for way, count in counts.items():
        print(
            f"| {way} | {count.total()} | {count['read']} | {count['refused']} | {count['fault']} | {slowest[way] * 1000:.0f} ms |"
        )
    return sum(count["fault"] for count in counts.values())
