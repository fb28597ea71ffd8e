"""The study's archive: from a server that breaks off to checked stacks."""

import zipfile

import numpy as np
import pytest
import tifffile
from project import Project, disc_frame
from server import Site, serve

from brightcell.sheets.download import digest

pytestmark = pytest.mark.pipeline
SPLITS = {"train": 6, "validate": 2, "test": 2}
SHEET = "data/study/samples.tsv"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """An archive laid out like the study's: six folders, RGB images, masks of 0 and 255 named otherwise."""
    folder = tmp_path_factory.mktemp("archive")
    with zipfile.ZipFile(folder / "study.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for split, number in SPLITS.items():
            for n in range(number):
                image, labels = disc_frame(100 * len(split) + n)
                group = f"dish{n % 3} 2020_{100 * len(split) + n:04d}"
                for axis, kind, name, pixels in (
                    ("x", "image", f"{group}.tif", np.stack([image] * 3, -1)),
                    ("y", "mask", f"{group}_mask.tif", ((labels > 0) * 255).astype(np.uint8)),
                ):
                    tifffile.imwrite(folder / "one.tif", pixels)
                    file.write(folder / "one.tif", f"HeLa/spilit_{axis}_{kind}_{split}/{name}")
    return folder / "study.zip"


def configure(project, **options):
    project.write_config(
        samples=SHEET,
        archive={"layout": "study", "pattern": "{group} {}_{frame}", **options},
        folds={"schemes": ["sheet"], "allow_shared_groups": True},
    )


def test_the_studys_archive_from_a_server_that_breaks_off_to_the_check(archive, tmp_path):
    project = Project(tmp_path / "project")
    site = Site(archive.read_bytes())
    with serve(site) as url:
        configure(project, url=url, sha256="0" * 64)
        wrong = project.snakemake("fetch")
        assert wrong.returncode != 0 and "Traceback" not in wrong.stdout
        assert f"Found SHA-256 {digest(archive)}" in wrong.stdout
        assert not (project.folder / "data/study").exists()

        configure(project, url=url, sha256=digest(archive))
        early = project.snakemake("check")
        assert early.returncode != 0
        assert "snakemake fetch --configfile config/test.yaml" in early.stdout

        site.breaks, site.asked = [20_000], []
        run = project.snakemake("fetch")
    assert run.returncode == 0, run.stdout
    assert site.asked == [None, "bytes=20000-"]
    assert "10 frames with masks" in run.stdout
    assert "groups renamed" not in run.stdout
    assert not (project.folder / "data/study.zip").exists()
    rows = [line.split("\t") for line in (project.folder / SHEET).read_text().splitlines()]
    assert rows[0] == ["sample", "image", "mask", "group", "frame", "split"]
    assert [row[5] for row in rows[1:]].count("validate") == 2
    assert {row[3] for row in rows[1:]} == {"dish0", "dish1", "dish2"}

    run = project.snakemake("check")
    assert run.returncode == 0, run.stdout
    prepared = project.path("samples.tsv").read_text()
    assert prepared.count("\tbinary\t") == 10
