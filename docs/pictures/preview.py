"""Draw docs/pictures/preview.jpg, the preview page of a simulated recording (needs the tests' packages and a Chromium).

python docs/pictures/preview.py
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "workflow/scripts"), str(ROOT / "tests"), str(ROOT / "tests/browser")]

from segmented import make_recording  # noqa: E402
from window import find_browser  # noqa: E402

PICTURE = Path(__file__).with_suffix(".jpg")

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        made = make_recording(Path(folder), frames=24, size=256, name="dish9", sample="dish9_{number:02d}")
        made.follow()
        made.judge()
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 800, "height": 700})
        page.goto(made.preview().resolve().as_uri())
        page.locator("#slider").fill("5")
        page.locator(".view .cell").nth(9).dispatch_event("click")
        page.evaluate("document.activeElement.blur()")
        shot = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": 800, "height": 1265})
        browser.close()
    Image.open(io.BytesIO(shot)).convert("RGB").save(PICTURE, quality=88)
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")
