"""What stops a run instead of going on wrongly: a GPU that cannot be used, a config that is edited meanwhile."""

import pytest
import runs

MODEL = runs.MODELS[0]


def with_training(**changes) -> dict:
    return runs.STUDY | {"training": runs.STUDY["training"] | changes}


def slurm_logs(project) -> str:
    return "".join(path.read_text() for path in (project.folder / ".snakemake/slurm_logs").rglob("*.log"))


def test_no_training_begins_where_the_gpus_given_cannot_be_used(begin, prepared):
    prepared.write_config(**runs.STUDY | {"compute": {"device": "auto"}})
    run = begin(*runs.targets([MODEL], "model.keras"), "--retries", "0")
    status = run.wait()
    if prepared.path("preflight.json").exists():
        pytest.skip("the GPUs of this SLURM are not pretended")
    assert status != 0
    log = prepared.path("logs/preflight.log").read_text()
    assert "asked SLURM for a GPU, but none can be used on" in log
    assert "compute.device: cpu" in log
    assert len(run.submitted()) == 1
    assert not prepared.path(MODEL).exists()


def test_an_edited_config_stops_the_jobs_that_read_it(begin, prepared):
    run = begin(*runs.targets([MODEL]), "--retries", "0")
    training = runs.Training(prepared, run, [MODEL])
    prepared.write_config(**with_training(learning_rate=0.5))
    training.let_go()
    assert run.wait() != 0
    assert "changed while the run was at work" in slurm_logs(prepared)
    assert prepared.path(f"{MODEL}/training_state").is_dir()
    assert not prepared.path(f"{MODEL}/predictions").exists()


@pytest.mark.parametrize(
    ("option", "instead"),
    [("--gres=gpu:1", "`gres`"), ("--time=5", "`runtime, in minutes`"), ("--export=ALL", "nowhere")],
)
def test_an_option_that_the_plugin_forbids_ends_the_run_at_once(begin, prepared, option, instead):
    prepared.write_config(**runs.STUDY)
    run = begin(*runs.targets([MODEL]), "--default-resources", f"slurm_extra='{option}'")
    assert run.wait() != 0
    said = run.text
    assert f"found '{option}'" in said
    assert instead in said
    assert not run.submitted()
