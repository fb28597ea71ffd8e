"""What these tests cannot do without."""

import os
import subprocess

import pytest


def missing(what: str) -> None:
    """Fail in CI, skip elsewhere."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(what)


def run_as_user(*command: str, home: str = "/nonexistent") -> subprocess.CompletedProcess:
    """Run a command as an ordinary user, with a home of its own; stdout and stderr together are in `stdout`."""
    if os.getuid() == 0:
        command = ("runuser", "-u", "nobody", "--", *command)
    places = {
        name: home for name in ("HOME", "APPTAINER_TMPDIR", "APPTAINER_CACHEDIR") if home != "/nonexistent"
    }
    environment = {name: value for name, value in os.environ.items() if name != "HOME"} | places
    return subprocess.run(
        command,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd="/",
        check=False,
    )
