import re
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_make_bench_runs_every_command_of_the_page_on_performance():
    text = (ROOT / "docs/performance.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"benchmarks/(\w+\.py[^`]*)`", text))
    lists = runpy.run_path(str(ROOT / "benchmarks/run.py"))
    elsewhere = {"gpu.py", "precision.py"}  # need a GPU, a finished demo
    assert len(shown) > 10
    assert {command for command in shown if command.split()[0] not in elsewhere} <= {
        *lists["SHORT"],
        *lists["FULL"],
    }
