"""The browser of these tests; see `window`."""

import os

import pytest
from playwright.sync_api import sync_playwright
from window import NAMES, find_browser


# Not of the session: while the driver lives its event loop runs, and tests elsewhere may want their own.
@pytest.fixture(scope="package")
def browser():
    path = find_browser()
    if path is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed, and BRIGHTCELL_BROWSER names none"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()
