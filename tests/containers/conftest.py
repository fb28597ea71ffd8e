"""Real images, run by a real Apptainer. On a user's machine without them these tests are skipped; in CI they fail."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from needs import missing, run_as_user
from project import ROOT, Project

from brightcell.compute import containers

sys.path.insert(0, str(ROOT / "containers"))

CPU = {"image": "image", "report": "report", "train": "train-cpu"}


@pytest.fixture(scope="session")
def own_images() -> dict[str, Path]:
    """The project's images for a CPU, by kind of job."""
    if not shutil.which("apptainer"):
        missing("Apptainer is not installed")
    recipes = {recipe.name: recipe for recipe in containers.RECIPES}
    paths = {kind: recipes[name].path(ROOT) for kind, name in CPU.items()}
    for path in paths.values():
        if not path.exists():
            missing(f"{path} is not built: make containers")
    return paths


@pytest.fixture(scope="session")
def make_project(tmp_path_factory, own_images):
    """A function that makes a small project in a folder of its own, with the images linked into it."""

    def make(name: str, images: bool = True) -> Project:
        project = Project(tmp_path_factory.mktemp(name) / "project", groups=4)
        for path in own_images.values() if images else ():
            (project.folder / "containers" / path.name).symlink_to(path)
        project.write_config(networks=["simple"])
        return project

    return make


@pytest.fixture(scope="session")
def readable_image(own_images):
    """The image of the jobs on images and tables where an ordinary user may read it, wherever the project lies."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(shutil.copy(own_images["image"], folder))


@pytest.fixture(scope="session")
def unpacked(readable_image):
    """The image of the jobs on images and tables as a folder; unpacked by an ordinary user, as root may not do it."""
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        Path(home).chmod(0o777)
        folder = Path(home, "image")
        done = run_as_user("apptainer", "build", "--sandbox", str(folder), str(readable_image), home=home)
        assert done.returncode == 0, done.stdout
        if os.getuid() == 0:
            subprocess.run(["chown", "--recursive", "root:root", folder], check=True)
        yield folder
