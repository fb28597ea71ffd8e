"""Settings for all tests."""

import os
import sys

import pytest
from corpus.table import pytest_terminal_summary  # noqa: F401
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


# Files that take minutes. What the workers share out begins with them, so that none is idle at the end.
LONG = ("tests/pipeline/", "tests/unit/training/", "tests/rules/")


def pytest_collection_modifyitems(items):
    """Let the tests of long files come first, and keep the order otherwise."""
    items.sort(key=lambda item: next((n for n, part in enumerate(LONG) if part in item.nodeid), len(LONG)))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Let networks begin with the same weights whatever tests ran before."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(1)
