"""Run the short benchmarks one after the other, each in a process of its own, and say how long each took.

With --full those of docs/performance.md, too: hours on two cores.
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
# What is run without being asked for: a few minutes each at most.
SHORT = (
    "metrics/scores.py",
    "nets/model_files.py",
    "io/readers.py",
    "inference/engines.py --rounds 3",
    "inference/engines.py growth --largest 2048",
    "training/steps.py steps --network simple --filters 16 --side 256",
)
FULL = (
    "inference/engines.py --filters 32 --side 512 --rounds 3",
    "inference/engines.py --filters 64 --side 512 --channels 3 --rounds 2",
    "inference/engines.py growth --largest 8192",
    "inference/engines.py huge --side 20000",
    "inference/engines.py huge --filters 64 --side 2048",
    "training/steps.py steps --network residual_attention --filters 64 --side 512 --batch 2 --rounds 2 --steps 1",
    "training/steps.py curves --side 128 --levels 4 --filters 8 --seeds 4",
    "training/steps.py gates --filters 32 --side 256 --batch 2 --rounds 3 --steps 1",
    "training/steps.py growth --filters 16 --rounds 2 --steps 2",
    "training/steps.py augmentation --threads 1",
    "training/steps.py start",
)


def main() -> int:
    """Run what is asked for; returns how many failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="all that docs/performance.md shows")
    failed = 0
    for command in SHORT + FULL if parser.parse_args().full else SHORT:
        print(f"\n## {command}\n", flush=True)
        start, (name, *options) = time.perf_counter(), shlex.split(command)
        code = subprocess.run([sys.executable, FOLDER / name, *options]).returncode
        failed += code != 0
        print(f"\n{'failed after' if code else 'took'} {time.perf_counter() - start:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
