"""Bad input: one clear message, an exit code, nothing half-written, and a corrected rerun does the rest."""

import pytest
import tifffile
from project import Project

pytestmark = pytest.mark.pipeline


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


def refused(run, *messages):
    """Check that a run failed with these words and without a Python traceback."""
    assert run.returncode != 0
    for message in messages:
        assert message in run.stdout, run.stdout
    assert "Traceback" not in run.stdout


def edited(rows, row, column, value):
    changed = [list(each) for each in rows]
    changed[row][column] = value
    return changed


def test_a_missing_image(project):
    (project.folder / "data/images/field2_1.tif").unlink()
    refused(project.snakemake("-n"), "data/samples.tsv", "field2_1.tif", "line 5")


def test_a_duplicate_sample(project):
    project.write_sheet(rows=edited(project.rows, 1, 0, "field1_0"))
    refused(project.snakemake("-n"), "data/samples.tsv", "'field1_0' stands 2 times", "lines 2, 3")


def test_a_misspelt_column(project):
    project.write_sheet(header=("sample", "image", "maks", "group"))
    refused(project.snakemake("-n"), "column 'maks': unknown; did you mean mask?")


def test_a_missing_column(project):
    project.write_sheet(("sample", "image", "mask"), [row[:3] for row in project.rows])
    refused(project.snakemake("-n"), "column group: missing")


def test_a_group_in_train_and_test(project):
    split = ["train", "test", "train", "validate", "train", "train", "test", "test"]
    rows = [[*row, role] for row, role in zip(project.rows, split, strict=True)]
    project.write_sheet(("sample", "image", "mask", "group", "split"), rows)
    project.write_config(folds={"schemes": ["sheet"]})
    refused(project.snakemake("-n"), "field1", "folds.allow_shared_groups")
    project.write_config(folds={"schemes": ["sheet"], "allow_shared_groups": True})
    assert project.snakemake("-n").returncode == 0


def test_fewer_groups_than_folds(project):
    project.write_config(folds={"number": 5})
    refused(project.snakemake("-n"), "4 groups", "5")


def test_an_unknown_key(project):
    project.write_config(training={"batchsize": 4})
    refused(project.snakemake("-n"), "training.batchsize", "did you mean batch_size")


def test_a_wrong_value(project):
    project.write_config(training={"batch_size": 0})
    refused(project.snakemake("-n"), "training.batch_size", "found 0")


def test_an_unknown_network(project):
    project.write_config(networks=["simple", "atention"])
    refused(project.snakemake("-n"), "networks", "did you mean 'attention'")


def test_damaged_files_stop_their_group_and_a_corrected_rerun_does_the_rest(project):
    image = project.folder / "data/images/field1_0.tif"
    mask = project.folder / "data/masks/field1_1.tif"
    whole, pixels = image.read_bytes(), tifffile.imread(mask)
    image.write_bytes(whole[:200])
    tifffile.imwrite(mask, pixels[:40])
    run = project.snakemake("--keep-going", "check")
    refused(run, "2 problems", "field1_0.tif: damaged or truncated", "field1_1.tif", "40")
    assert not project.path("prepared/field1/frames.tif").exists()
    assert not project.half_written()
    done = {path: path.stat().st_mtime_ns for path in project.path("prepared").rglob("*.tif")}
    assert len(done) == 6  # the other groups'

    image.write_bytes(whole)
    tifffile.imwrite(mask, pixels)
    assert project.planned("check")["prepare_group"] == 1
    assert project.snakemake("check").returncode == 0
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())


def test_errors_of_the_check_stop_before_training(project):
    blank = tifffile.imread(project.folder / "data/images/field3_0.tif") * 0
    tifffile.imwrite(project.folder / "data/images/field3_0.tif", blank)
    run = project.snakemake()
    refused(run, "field3_0", "check.html")
    assert not project.path("models").exists()
    assert "field3_0" in project.path("check/findings.tsv").read_text()
