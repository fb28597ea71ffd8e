"""Some cases of the corpus through the workflow itself: paths, files and masks that nobody expects."""

import numpy as np
import pytest
import tifffile
from project import Project
from textured import scene

from brightcell.files import read_table

pytestmark = pytest.mark.pipeline
FOLDS = {"schemes": ["random"], "number": 2}  # two groups are enough


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project", groups=2)
    project.write_config(folds=FOLDS)
    return project


def replace(project, row, column, name, array=None):
    """Give a row another file, written where an array is given."""
    path = project.folder / "data" / name
    if array is not None:
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, array)
    project.rows[row][column] = name
    return path


def test_odd_paths_pass_and_a_mask_beside_its_cells_stops_the_run_unless_it_is_accepted(project):
    image, labels = scene(9, 200, cells=30)
    replace(project, 0, 1, "images/my dish, day (1)'s ü 細胞.tif", image)
    replace(project, 0, 2, "masks/маска & more.tif", np.roll(labels, 15, 1))
    project.write_sheet()
    run = project.snakemake("check")
    assert run.returncode != 0 and "Traceback" not in run.stdout
    assert "shifted: sample field1_0: the mask fits best when moved by 0 px down and 15 px left" in run.stdout
    assert "The check: 1 error, " in run.stdout and "  error shifted, field1_0: " in run.stdout
    assert f"Look at the pictures: {project.path('check/check.html')}" in run.stdout
    assert "the same command goes on from here" in run.stdout
    assert "Reason:" not in run.stdout
    found = read_table(project.path("check/findings.tsv"))
    assert found.loc[found["level"] == "error", ["sample", "finding"]].to_numpy().tolist() == [
        ["field1_0", "shifted"]
    ]
    assert '<path class="shift"' in project.path("check/check.html").read_text()

    project.write_config(folds=FOLDS, check={"ignore": ["shifted"]})
    run = project.snakemake("check")
    assert run.returncode == 0
    assert "The check: 0 errors, " in run.stdout and "\nDone in " in run.stdout
    assert project.path("check/passed.txt").exists()
    assert read_table(project.path("check/groups.tsv"))["cells"].sum() > 0


def test_broken_files_are_each_told_in_words(project):
    replace(project, 0, 1, "images/empty.tif").write_bytes(b"")
    nan = np.ones((48, 48), np.float32)
    nan[3, 4] = np.nan
    replace(project, 1, 1, "images/nan.tif", nan)
    replace(project, 2, 2, "masks/negative.tif", np.full((48, 48), -1, np.int16))
    project.write_sheet()
    run = project.snakemake("--keep-going", "check")
    assert run.returncode != 0 and "Traceback" not in run.stdout
    for words in (
        "empty.tif: damaged or truncated (0 bytes",
        "nan.tif: 1 pixel is NaN or infinite",
        "negative.tif: mask values from -1 to -1. Expected 0 for background",
    ):
        assert words in run.stdout, run.stdout
    assert not project.half_written()
    assert not project.path("check").exists()
