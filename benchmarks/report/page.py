"""How long the report of a large study takes to build, how large it is, and how soon a reader can use it.

    python benchmarks/report/page.py [--frames 500] [--size 512] [--folder FOLDER]

Writes the results of 3 networks × 5 folds × 3 seeds (see tests/study.py), builds the page in a process of
its own and opens it in Chromium. Exit code 1 where a limit is not kept.
"""

import argparse
import multiprocessing
import pickle
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / folder) for folder in ("workflow/scripts", "tests", "tests/browser")]

GROUPS = 25
LIMITS = {"build_s": 60, "memory_GB": 2, "page_MB": 15, "interactive_s": 3}

# Interactive: the first chart, scrolled to, has marks, and the frame picker has answered a change of frame.
READY = """async () => {
  const wait = (check) => new Promise((resolve) => {
    const look = () => (check() ? resolve(performance.now()) : requestAnimationFrame(look));
    look();
  });
  document.querySelector(".chart").scrollIntoView({ behavior: "instant" });
  const drawn = await wait(() => document.querySelector(".chart .overplot path, .chart canvas"));
  const picker = document.querySelector("#frame");
  if (!picker) return { drawn, answered: null };
  const before = document.querySelector("#viewers").innerHTML;
  picker.selectedIndex = picker.options.length - 1;
  picker.dispatchEvent(new Event("change", { bubbles: true }));
  return { drawn, answered: await wait(() => document.querySelector("#viewers").innerHTML !== before) };
}"""


def build(study, page: Path, results) -> None:
    """Build the page and put seconds and the peak of memory into a queue."""
    start = time.perf_counter()
    study.build(page)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    results.put({"build_s": time.perf_counter() - start, "memory_GB": peak})


def measure_build(study, page: Path) -> dict[str, float]:
    """Build in a fresh process, so that the memory is that of the report alone."""
    fresh = multiprocessing.get_context("spawn")
    results = fresh.Queue()
    process = fresh.Process(target=build, args=(study, page, results))
    process.start()
    measured = results.get()
    process.join()
    return measured | {"page_MB": page.stat().st_size / 1e6}


def measure_opening(page: Path, times: int = 3) -> dict[str, float]:
    """Seconds from opening the file until the page can be used; the middle one of several."""
    from playwright.sync_api import sync_playwright
    from window import find_browser

    measured = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        for _ in range(times):
            tab = browser.new_page(viewport={"width": 1400, "height": 900})
            tab.goto(page.resolve().as_uri(), wait_until="commit")
            tab.wait_for_load_state("domcontentloaded")
            measured.append(tab.evaluate(READY))
            tab.close()
        browser.close()
    drawn, answered = (
        sorted(each[name] or 0 for each in measured)[times // 2] / 1000 for name in ("drawn", "answered")
    )
    return {"first_chart_s": drawn, "interactive_s": max(drawn, answered)}


def main() -> int:
    """Measure, print a table, compare with the limits."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--frames", type=int, default=500)
    arguments.add_argument("--size", type=int, default=512)
    arguments.add_argument("--distinct", type=int, default=16, help="frames that are simulated, not turned")
    arguments.add_argument("--folder", type=Path, help="keep the study here and use it again")
    options = arguments.parse_args()
    from study import make_study

    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        kept = folder / "study.pickle"
        if kept.exists():
            study = pickle.loads(kept.read_bytes())
        else:
            start = time.perf_counter()
            study = make_study(
                folder, folds=5, seeds=3, groups=GROUPS, frames=options.frames // GROUPS, size=options.size,
                distinct=options.distinct, epochs=100,
            )  # fmt: skip
            print(
                f"study of {len(study.samples)} frames, {len(study.runs)} trainings: {time.perf_counter() - start:.0f} s"
            )
            kept.write_bytes(pickle.dumps(study))
        page = folder / "report.html"
        measured = measure_build(study, page) | measure_opening(page)
    print("| what | measured | limit |\n|---|---|---|")
    for name, value in measured.items():
        print(f"| {name} | {value:.2f} | {LIMITS.get(name, '–')} |")
    return int(any(measured[name] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
