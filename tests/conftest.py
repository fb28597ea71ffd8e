"""Settings for all tests."""

import os

from corpus.table import pytest_terminal_summary  # noqa: F401
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
