"""The version stands in `brightcell/__init__.py`; other files repeat it for those who read only them."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from brightcell import __version__

ROOT = Path(__file__).parents[2]
PLACES = {
    "pyproject.toml": lambda text: tomllib.loads(text)["project"]["version"],
    "CITATION.cff": lambda text: yaml.safe_load(text)["version"],
    "CHANGELOG.md": lambda text: re.search(r"^## (\S+)", text, re.M)[1],  # its newest section
}


@pytest.mark.parametrize("name", PLACES)
def test_the_version_is_the_same_everywhere(name):
    assert PLACES[name]((ROOT / name).read_text()) == __version__
