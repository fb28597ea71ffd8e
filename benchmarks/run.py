"""Run the short benchmarks one after the other, each in a process of its own, and say how long each took."""

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
# What is run without being asked for: a few minutes each at most.
SHORT = (
    ("scores.py",),
    ("prediction.py",),
    ("prediction.py", "growth", "--largest", "2048"),
    ("training.py", "steps", "--network", "simple", "--filters", "16", "--side", "256"),
)


def main() -> int:
    """Run them all; returns how many failed."""
    failed = 0
    for name, *options in SHORT:
        print(f"\n## {' '.join([name, *options])}\n", flush=True)
        start = time.perf_counter()
        code = subprocess.run([sys.executable, FOLDER / name, *options]).returncode
        failed += code != 0
        print(f"\n{'failed after' if code else 'took'} {time.perf_counter() - start:.0f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
