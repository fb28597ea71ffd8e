"""Jobs in images: they run there and nowhere else, and give the results of jobs without images."""

import shutil
import subprocess

import pandas as pd
import pytest
from needs import missing
from project import Project

from brightcell import files
from brightcell.compute import containers
from brightcell.io import stacks
from brightcell.jobs import read_record

IN_CONTAINERS = ("--sdm", "apptainer", "--apptainer-args=--net --network none")
# One thread each: sums in another order would differ in the last digits.
ONE_THREAD = ("--set-threads", "train_network=1", "predict_frames=1")
KIND_OF = {  # all others: image
    **{"train_network": "train", "predict_frames": "train"},
    **{"compare": "report", "describe_network": "report"},
}


def configure(project: Project, **changes) -> None:
    compute = {"precision": "float32", "device": "cpu"}
    project.write_config(**{"networks": ["simple"], "compute": compute} | changes)


@pytest.fixture(scope="module")
def inside(make_project):
    """A finished run in containers, without network."""
    project = make_project("inside")
    configure(project)
    run = project.snakemake(*ONE_THREAD, *IN_CONTAINERS)
    assert run.returncode == 0, run.stdout[-5000:]
    return project


@pytest.fixture(scope="module")
def outside(make_project):
    """The same run without containers."""
    project = make_project("outside", images=False)
    configure(project)
    run = project.snakemake(*ONE_THREAD)
    assert run.returncode == 0, run.stdout[-5000:]
    return project


def test_every_job_ran_in_its_image(inside, own_images):
    jobs = files.read_table(inside.path("jobs.tsv"))
    assert {
        "prepare_group",
        "check_frames",
        "folds",
        "train_network",
        "predict_frames",
        "calibrate_watershed",
        "label_frames",
        "score_frames",
        "compare",
    } <= set(jobs["rule"])
    assert len(jobs[jobs["rule"] == "prepare_group"]) == 4
    assert len(jobs[jobs["rule"] == "train_network"]) == 2
    for job in jobs.itertuples():
        image = own_images[KIND_OF.get(job.rule, "image")]
        assert (job.image, job.fingerprint) == (image.name, containers.fingerprint(image)), job
    assert (jobs["seconds"] > 0).all()
    told = read_record(inside.path("models/grouped/simple/fold1-seed1/train.log"))
    assert told["image"] == str(inside.folder / "containers" / own_images["train"].name)
    assert told["prefix"] == "/opt/brightcell"
    recipe = files.read_json(inside.path("models/grouped/simple/fold1-seed1/recipe.json"))
    assert recipe["machine"]["fingerprint"] == containers.fingerprint(own_images["train"])


def test_without_containers_the_virtual_environment_is_told(outside):
    jobs = files.read_table(outside.path("jobs.tsv"))
    assert set(jobs["image"]) == {".venv"}
    assert set(jobs["fingerprint"]) == {""}
    assert read_record(outside.path("logs/folds.log"))["image"] == ""


def test_results_do_not_depend_on_where_they_were_made(inside, outside):
    for fold in (1, 2):
        folder = f"models/grouped/simple/fold{fold}-seed1"
        ours, theirs = (stacks.read_stack(each.path(f"{folder}/labels.tif")) for each in (inside, outside))
        assert ours.keys() == theirs.keys()
        assert all((ours[name] == theirs[name]).all() for name in ours)
    ours, theirs = (files.read_table(each.path("scores.tsv")) for each in (inside, outside))
    pd.testing.assert_frame_equal(ours, theirs, rtol=0, atol=1e-6)


def test_nothing_is_written_into_the_home_of_a_job(inside):
    # Snakemake makes the working folder the home of a container.
    assert {path.name for path in inside.folder.iterdir() if path.name.startswith(".")} <= {".snakemake"}


def test_a_second_run_does_nothing(inside):
    assert "Nothing to be done" in inside.snakemake("-n", *IN_CONTAINERS).stdout


def test_an_edited_definition_reruns_the_jobs_of_its_image_and_of_no_other(inside):
    definition = inside.folder / "containers/report.def"
    text = definition.read_text()
    try:
        definition.write_text(text + "# edited\n")
        assert set(inside.planned(*IN_CONTAINERS)) - {"all"} == {
            "compare",
            "describe_network",
            "gather_jobs",
            "account",
            "report",
        }
        run = inside.snakemake(*IN_CONTAINERS)
        assert run.returncode != 0
        assert "was made from another definition or package list" in run.stdout
    finally:
        definition.write_text(text)


def test_without_containers_a_definition_reruns_nothing(outside):
    with (outside.folder / "containers/report.def").open("a") as definition:
        definition.write("# edited\n")
    assert "Nothing to be done" in outside.snakemake("-n").stdout


def test_a_missing_image_stops_the_run_before_any_job(make_project):
    project = make_project("missing", images=False)
    run = project.snakemake(*IN_CONTAINERS)
    assert run.returncode != 0
    assert "no such container image" in run.stdout
    assert "make containers" in run.stdout
    assert "Traceback" not in run.stdout
    assert not project.path("").exists()


def test_a_damaged_image_stops_the_run_before_any_job(make_project, own_images):
    project = make_project("damaged")
    link = project.folder / "containers" / own_images["image"].name
    link.unlink()
    with own_images["image"].open("rb") as whole:
        link.write_bytes(whole.read(50_000_000))
    run = project.snakemake(*IN_CONTAINERS)
    assert run.returncode != 0
    assert f"{link}: this is no container image that can be read, it is cut off: 50,000,000 of" in run.stdout
    assert not project.path("").exists()


def test_an_image_of_another_version_stops_the_run_before_any_job(make_project, own_images):
    project = make_project("version")
    definition = project.folder / "containers/image.def"
    definition.write_text(definition.read_text() + "# edited\n")
    (project.folder / "named.sif").symlink_to(own_images["image"])
    project.write_config(containers={"image": "named.sif"})
    run = project.snakemake("check", *IN_CONTAINERS)
    assert run.returncode != 0
    assert "belongs to another version" in run.stdout
    assert "its definition differ from containers/image.def" in run.stdout
    assert not project.path("").exists()


def test_a_folder_named_in_the_config_serves_and_lacks_nothing_of_the_host(make_project, unpacked):
    project = make_project("site", images=False)
    (project.folder / "site").mkdir()
    folder = project.folder / "site/image"
    shutil.move(unpacked, folder)
    try:
        project.write_config(containers={"image": "site/image"})
        run = project.snakemake(
            str(project.path("prepared/field1/truth.tif").relative_to(project.folder)), *IN_CONTAINERS
        )
        assert run.returncode == 0, run.stdout[-3000:]
        assert read_record(project.path("logs/prepare/field1.log"))["image"] == str(folder)

        [package] = folder.glob("opt/brightcell/lib/python*/site-packages/tifffile")
        package.rename(package.with_name("gone"))
        run = project.snakemake(
            str(project.path("prepared/field2/truth.tif").relative_to(project.folder)), *IN_CONTAINERS
        )
        package.with_name("gone").rename(package)
        assert run.returncode != 0
        assert f"{folder}: the image lacks the package tifffile; found was" in run.stdout
        assert not project.path("prepared/field2/truth.tif").exists()
    finally:
        shutil.move(folder, unpacked)


def test_images_in_other_folders_are_seen(make_project, tmp_path):
    project = make_project("elsewhere")
    shutil.move(project.folder / "data", tmp_path / "far")
    configure(project, samples=str(tmp_path / "far/samples.tsv"))
    run = project.snakemake("results/discs/prepared/field1/truth.tif", *IN_CONTAINERS)
    assert run.returncode == 0, run.stdout[-3000:]


def test_jobs_run_in_their_images_through_slurm(inside, own_images):
    if not shutil.which("sbatch"):
        missing("there is no SLURM")
    if subprocess.run(["sinfo"], capture_output=True, check=False).returncode:
        missing("SLURM does not answer")
    model, table = (
        inside.path(name) for name in ("models/grouped/simple/fold1-seed1/model.keras", "baseline.tsv")
    )
    logs = {"train": model.with_name("train.log"), "image": inside.path("logs/baseline.log")}
    for path in (model, table, *logs.values()):
        path.unlink()
    targets = [str(path.relative_to(inside.folder)) for path in (model, table)]
    cluster = ("--profile", "slurm", "--jobs", "2", "--slurm-init-seconds-before-status-checks", "10")
    run = inside.snakemake(*targets, *ONE_THREAD, "--sdm", "apptainer", *cluster)
    assert run.returncode == 0, run.stdout[-5000:]
    assert run.stdout.count("has been submitted with SLURM jobid") == 2
    for kind, log in logs.items():
        assert read_record(log)["fingerprint"] == containers.fingerprint(own_images[kind])
