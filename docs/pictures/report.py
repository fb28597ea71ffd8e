"""Draw docs/report.png, the top of the demo's report (after `make demo`; needs the tests' packages and a Chromium).

python docs/pictures/report.py [results/demo/report.html]
"""

import io
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests/browser"))

from window import find_browser  # noqa: E402

PICTURE = ROOT / "docs/report.png"
WIDTH = 1140

if __name__ == "__main__":
    report = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "results/demo/report.html").resolve()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.goto(report.as_uri())
        page.add_style_tag(content="nav, #differences { display: none }")
        page.evaluate("document.activeElement.blur()")
        viewers = page.locator("#viewers")
        viewers.wait_for()
        box = viewers.bounding_box()
        height = box["y"] + box["height"] + 20
        shot = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
        browser.close()
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(128).save(PICTURE, optimize=True)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")
