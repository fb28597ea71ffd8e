"""Settings for all tests."""

import os
import sys

import pytest
from corpus.table import pytest_terminal_summary  # noqa: F401
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Let networks begin with the same weights whatever tests ran before."""
    if keras := sys.modules.get("keras"):
        keras.utils.set_random_seed(1)
