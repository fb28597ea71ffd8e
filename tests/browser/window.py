"""A real browser for the tests of the pages that the workflow writes.

Playwright talks to the system's Chromium over the browser's own protocol: no second driver whose version
must match, no browser downloaded, requests and consoles visible from the outside, and one wheel to pin.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import axe_playwright_python
import pytest
from playwright.sync_api import Browser, Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
NAMES = ("chromium", "chromium-browser", "google-chrome")
WIDTHS = {"screen": 1400, "tablet": 800, "phone": 390}


def find_browser() -> str | None:
    """Path of a Chromium: the one of BRIGHTCELL_BROWSER, else what the system has."""
    named = os.environ.get("BRIGHTCELL_BROWSER")
    if named and not shutil.which(named):
        pytest.fail(f"BRIGHTCELL_BROWSER={named}: no such program. Expected the path of a Chromium.")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass
class Opened:
    """A page in a tab of its own, with all that went wrong in it and all that it asked for."""

    page: Page
    problems: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def scroll_through(self) -> None:
        """Open what is folded and scroll to the end, so that all that is drawn late is drawn."""
        self.page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
        self.page.evaluate(
            """async () => {
              const frame = () => new Promise(requestAnimationFrame);
              const drawn = (chart) => !chart.checkVisibility() || chart.querySelector("svg.main-svg, canvas");
              for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight * 0.8) {
                scrollTo({ top: y, behavior: "instant" });
                for (let number = 0; number < 3; number += 1) await frame();
              }
              const end = performance.now() + 10000;
              while (performance.now() < end && ![...document.querySelectorAll(".chart")].every(drawn)) await frame();
              scrollTo({ top: 0, behavior: "instant" });
              for (let number = 0; number < 3; number += 1) await frame();
            }"""
        )

    def show(self, width: str = "screen", scheme: str = "light") -> None:
        """Give the window the width of a kind of screen, and the system a light or a dark theme."""
        self.page.set_viewport_size({"width": WIDTHS[width], "height": 900})
        self.page.emulate_media(color_scheme=scheme)
        self.page.wait_for_timeout(250)

    def violations(self) -> list[str]:
        """What axe holds to be a serious or critical fault of accessibility, with the elements.

        The insides of charts are left out: they are hidden from assistive technology, and `styles.pale`
        measures their texts.
        """
        if not self.page.evaluate("Boolean(window.axe)"):
            self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run({ exclude: ['svg.main-svg'] }, { resultTypes: ['violations'] })")[
            "violations"
        ]
        return [
            f"{fault['impact']}: {fault['id']}: {fault['help']}: {node['html'][:160]} … {node['any'][:1]}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
            for node in fault["nodes"]
        ]


def open_file(browser: Browser, path: Path, javascript: bool = True) -> Opened:
    """Open a file in a tab of its own that reaches nothing else."""
    context = browser.new_context(
        viewport={"width": WIDTHS["screen"], "height": 900}, java_script_enabled=javascript, offline=True
    )
    opened = Opened(context.new_page())
    own = path.resolve().as_uri()

    def note(request) -> None:
        if not request.url.startswith(("data:", "blob:")) and request.url.split("#")[0] != own:
            opened.asked.append(request.url)

    context.on("request", note)
    opened.page.on("pageerror", lambda error: opened.problems.append(f"uncaught: {error}"))
    opened.page.on(
        "console",
        lambda message: message.type in ("error", "warning") and opened.problems.append(message.text),
    )
    opened.page.on(
        "dialog", lambda dialog: (opened.problems.append(f"dialog: {dialog.message}"), dialog.dismiss())
    )
    opened.page.goto(own)
    if javascript and opened.page.locator("#viewers").count():
        opened.page.wait_for_selector(":root[data-ready]")
    return opened
