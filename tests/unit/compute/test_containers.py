"""Which image a job runs in, and which images are refused; real ones are tested in tests/containers."""

import shutil
import struct
from pathlib import Path

import pytest

from brightcell.compute import containers
from brightcell.errors import InputError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def root(tmp_path):
    """The part of the project that images are made from."""
    for name in ("containers", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.sif", "__pycache__"))
    return tmp_path


def sif(path: Path, size: int = 4096, missing: int = 0) -> Path:
    """A file with the header of a SIF image whose data end at `size`."""
    header = struct.pack("<32s10s22s8q", b"#!run\n", b"SIF_MAGIC", b"", 0, 0, 0, 0, 0, 0, 1024, size - 1024)
    path.write_bytes(header.ljust(size - missing, b"\0"))
    return path


@pytest.fixture
def labels(monkeypatch):
    """The labels that Apptainer would tell of any image."""
    told = {}
    monkeypatch.setattr(
        containers,
        "client",
        lambda: type("Client", (), {"inspect": lambda _, path: {"attributes": {"labels": told}}})(),
    )
    return told


def names(root):
    return {recipe.name: recipe.path(root).name for recipe in containers.recipes(root)}


@pytest.mark.parametrize(
    ("edited", "renamed"),
    [
        ("containers/train.def", {"train-cpu", "train-gpu"}),
        ("requirements/train-cpu.txt", {"train-cpu"}),
        ("containers/image.def", {"image"}),
        ("requirements/report.txt", {"report"}),
        ("requirements/contestants/stardist-gpu.txt", {"contestant-stardist-gpu"}),
    ],
)
def test_an_edit_asks_for_another_image_of_its_kind_alone(root, edited, renamed):
    before = names(root)
    with (root / edited).open("a") as file:
        file.write("# edited\n")
    assert {name for name, file in names(root).items() if file != before[name]} == renamed


def test_an_edit_of_the_installer_asks_for_all_images_anew(root):
    before = names(root)
    (root / "containers/install.sh").write_text("# edited\n")
    assert not before.items() & names(root).items()


def test_every_list_of_a_tool_s_packages_has_an_image_of_its_kind(root):
    for name in ("mine.txt", "mine-gpu.txt"):
        (root / "requirements/contestants" / name).write_text("mine==1\n")
    own = {recipe.name: recipe for recipe in containers.recipes(root)}
    assert own["contestant-mine"].kind == own["contestant-mine-gpu"].kind == "contestant-mine"
    cpu, gpu = (own[name].path(root) for name in ("contestant-mine", "contestant-mine-gpu"))
    assert containers.address(root, "contestant-mine") == str(cpu)
    with pytest.raises(InputError, match=r"make containers NAME=mine`"):
        containers.verify(root, cpu)
    gpu.touch()
    assert containers.address(root, "contestant-mine") == str(gpu)


def test_the_project_s_own_image_is_that_for_a_gpu_where_it_is_built(root):
    own = {recipe.name: recipe.path(root) for recipe in containers.RECIPES}
    assert containers.address(root, "train") == str(own["train-cpu"])
    own["train-gpu"].touch()
    assert containers.address(root, "train") == str(own["train-gpu"])
    assert containers.address(root, "report") == str(own["report"])


@pytest.mark.parametrize("address", ["oras://registry.example.org/cells/train:1", "docker://python:3.11"])
def test_addresses_stay_as_they_are(root, address):
    assert containers.address(root, "train", address) == address


def test_relative_paths_are_seen_from_the_project(root, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert containers.address(root, "train", "site/../images/train.sif") == str(root / "images/train.sif")
    assert containers.address(root, "train", "/images/train.sif") == "/images/train.sif"
    monkeypatch.setenv("IMAGES", "/images")
    assert containers.address(root, "train", "$IMAGES/train.sif") == "/images/train.sif"


def test_a_missing_image_is_refused_with_what_is_there_instead(root):
    own = containers.RECIPES[0].path(root)
    sif(own.with_name("image-0123456789ab.sif"))
    with pytest.raises(
        InputError,
        match=rf"{own}: no such .*; image-0123456789ab.sif was made from another .*make containers",
    ):
        containers.verify(root, own)
    with pytest.raises(
        InputError, match=r"site.sif: no such container image\. Correct its path under `containers`"
    ):
        containers.verify(root, root / "site.sif")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_bytes(b""), "it is no SIF file"),
        (lambda path: path.write_text("not an image " * 100), "it is no SIF file"),
        (lambda path: path.mkdir(), "the folder holds no system with bash"),
        (lambda path: sif(path, missing=1), "it is cut off: 4,095 of 4,096 bytes are there"),
    ],
)
def test_a_damaged_image_is_refused(root, labels, make, reason):
    path = containers.RECIPES[0].path(root)
    make(path)
    with pytest.raises(
        InputError, match=f"{path.name}: this is no container image that can be read, {reason}"
    ):
        containers.verify(root, path)


def test_an_image_of_this_version_is_taken(root, labels):
    recipe = containers.RECIPES[0]
    labels |= {"image": "image", **recipe.digests(root)}
    containers.verify(root, sif(recipe.path(root)))
    containers.verify(root, sif(root / "copied-to-another-name.sif"))


@pytest.mark.parametrize("digest", ["definition", "packages"])
def test_an_image_of_another_version_is_refused_whatever_its_name(root, labels, digest):
    recipe = containers.RECIPES[0]
    labels |= {"image": "image", "version": "0.0.9", **recipe.digests(root), digest: "0" * 64}
    for path in (recipe.path(root), root / "named-in-the-config.sif"):
        with pytest.raises(
            InputError, match=rf"another version \(brightcell 0\.0\.9, commit unknown\): its {digest} differ"
        ):
            containers.verify(root, sif(path))


def test_another_kind_of_image_under_an_own_name_is_refused(root, labels):
    image, report = containers.RECIPES[:2]
    labels |= {"image": "report", **report.digests(root)}
    with pytest.raises(InputError, match="another version"):
        containers.verify(root, sif(image.path(root)))


def test_a_site_s_own_image_needs_no_labels_of_ours(root, labels):
    containers.verify(root, sif(root / "site.sif"))
    with pytest.raises(InputError, match="another version"):
        containers.verify(root, sif(containers.RECIPES[0].path(root)))


def test_folders_are_bound_once_and_on_top_of_the_user_s(tmp_path, monkeypatch):
    monkeypatch.setenv("APPTAINER_BIND", "/scratch")
    (tmp_path / "far/away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far")
    files = [tmp_path / name for name in ("here/1.tif", "far/2.tif", "far/away/3.tif", "link/4.tif")]
    for _ in range(2):
        containers.bind(files, visible=[tmp_path / "here"])
        assert containers.os.environ["APPTAINER_BIND"] == f"/scratch,{tmp_path}/far"


@pytest.mark.parametrize("name", ["apptainer", "singularity"])
def test_apptainer_is_called_by_either_of_its_names(tmp_path, monkeypatch, name):
    told = '{"data": {"attributes": {"labels": {"version": "1"}}, "type": "container"}}'
    command = tmp_path / name
    command.write_text(f"#!/bin/sh\necho '{told}'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert containers.read_labels(sif(tmp_path / "a.sif")) == {"version": "1"}


def test_without_apptainer_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="Apptainer is not installed"):
        containers.read_labels(sif(tmp_path / "a.sif"))


def test_what_apptainer_says_of_a_damaged_image_is_told(tmp_path, monkeypatch):
    command = tmp_path / "apptainer"
    command.write_text("#!/bin/sh\necho 'FATAL: no partition' >&2\nexit 255\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="Apptainer says: FATAL: no partition"):
        containers.read_labels(sif(tmp_path / "a.sif"))
