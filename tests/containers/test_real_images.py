"""Each image by itself: its size, its labels, whom it serves, and what is built again."""

import re
import subprocess

import build
import pytest
from needs import run_as_user

from brightcell.compute import containers

LARGEST = {"image": 250e6, "report": 250e6, "train": 600e6}  # bytes


@pytest.mark.parametrize("kind", LARGEST)
def test_an_image_is_small_and_says_what_it_was_made_from(own_images, kind):
    path = own_images[kind]
    assert path.stat().st_size <= LARGEST[kind]
    labels = containers.read_labels(path)
    recipe = next(recipe for recipe in containers.RECIPES if recipe.path(build.ROOT) == path)
    assert labels["image"] == kind
    assert recipe.digests(build.ROOT).items() <= labels.items()
    assert {"version", "commit", "base", "contents"} <= labels.keys()
    assert len(containers.fingerprint(path)) == 16


def test_an_ordinary_user_without_fuse_home_or_network_runs_an_image(readable_image):
    program = "import os, numpy; print('ran as', os.getuid(), 'with', numpy.__file__)"
    done = run_as_user(
        *("apptainer", "exec", "--unsquash", "--no-home", str(readable_image), "python", "-c", program)
    )
    assert done.returncode == 0, done.stdout
    user, file = re.search("ran as (.*) with (.*)", done.stdout).groups()
    assert user != "0"
    assert file.startswith("/opt/brightcell/")


def test_an_image_lists_the_licences_of_its_packages(own_images):
    done = subprocess.run(
        ["apptainer", "exec", str(own_images["image"]), "cat", "/opt/licences.txt"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"^numpy [\d.]+: BSD", done.stdout, re.MULTILINE)
    assert "Redistribution and use in source and binary forms" in done.stdout


def test_an_image_cannot_be_written(own_images):
    program = "open('/opt/brightcell/new', 'w')"
    done = subprocess.run(
        ["apptainer", "exec", str(own_images["image"]), "python", "-c", program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Read-only file system" in done.stderr


def test_only_what_was_edited_is_built_anew(make_project, monkeypatch):
    project = make_project("edited")
    monkeypatch.setattr(build, "ROOT", project.folder)

    def to_build():
        recipes = [recipe for recipe in containers.RECIPES if recipe.name != "train-gpu"]
        return {recipe.name for recipe in recipes if build.outdated(recipe.path(project.folder), None)}

    assert to_build() == set()
    definition = project.folder / "containers/report.def"
    definition.write_text(definition.read_text() + "# edited\n")
    assert to_build() == {"report"}


@pytest.mark.parametrize(
    ("post", "test", "reason"), [("exit 3", "true", "status 3"), ("true", "exit 4", "status 4")]
)
def test_a_failed_build_leaves_no_half_image(make_project, unpacked, monkeypatch, post, test, reason):
    project = make_project("failed", images=False)
    monkeypatch.setattr(build, "ROOT", project.folder)
    definition = project.folder / "containers/image.def"
    text = definition.read_text().replace("bash /opt/install.sh", post)
    definition.write_text(text.replace("%test", f"%test\n    {test}"))
    with pytest.raises(build.InputError, match=f"(?s)could not be built or failed its test.*{reason}"):
        build.build(containers.RECIPES[0], "localimage", str(unpacked))
    left = {path.name for path in (project.folder / "containers").iterdir() if "image" in path.name}
    assert left == {"image.def"}
