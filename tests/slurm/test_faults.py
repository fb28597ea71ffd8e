"""What clusters do to jobs: they are cancelled, run out of time or memory, lose their node; SLURM itself goes away."""

import time

import cluster
import runs

LATE, LARGE = runs.MODELS[0], runs.MODELS[3]


def of(model: str) -> str:
    """The condition that a job is the first attempt at a model."""
    _, _, network, fold = model.split("/")
    return f"wildcards.network == '{network}' and wildcards.fold == '{fold[4]}' and attempt == 1"


def test_jobs_and_daemons_that_die_change_no_result(begin, prepared, undisturbed, daemons):
    """In one run: over the time, over the memory, cancelled, node lost; slurmctld restarted, slurmdbd away a minute."""
    beside = {"runtime": f"0 if {of(LATE)} else 10", "mem_mb": f"400 if {of(LARGE)} else 1000"}
    runs.configure_site(
        prepared,
        train_network={
            "mem_mb": f"400 if {of(LARGE)} else 9000",
            "runtime": f"1 if {of(LATE)} else 10",
            "slurm_extra": None,  # no warning before the end
        },
        **dict.fromkeys(("predict_frames", "calibrate_watershed", "label_frames", "score_frames"), beside),
    )
    run = begin(*runs.targets(), "--retries", "3")
    waiting, caught = runs.MODELS[:3], {}
    while waiting:
        training = runs.Training(prepared, run, waiting)
        waiting.remove(training.model)
        if training.model == LATE:
            caught["over its time"] = training  # held until SLURM ends it
        elif "cancelled" not in caught:
            caught["cancelled"] = training
            daemons.stop("slurmdbd")
            away = time.monotonic()
            cluster.ask("scancel", training.job)
        else:
            caught["lost"] = training
            [node] = [job.node for job in cluster.jobs(prepared.folder) if job.number == training.job]
            daemons.kill_node(node)
            daemons.stop("slurmctld")
            daemons.start("slurmctld")
            cluster.wait_for(cluster.slurm_answers, "slurmctld", 60)
            daemons.revive_node(node)
    cluster.wait_for(lambda: time.monotonic() > away + 60, "a minute without slurmdbd")
    daemons.start("slurmdbd")

    assert run.wait() == 0, run.text[-8000:]
    state = {number: cluster.accounted(number)["state"] for number in run.submitted()}
    assert state[caught["over its time"].job] == "TIMEOUT"
    assert state[caught["cancelled"].job].startswith("CANCELLED")
    assert state[caught["lost"].job] == "NODE_FAIL"
    assert sorted(state.values()).count("COMPLETED") == len(runs.MODELS)
    # over its memory a job is OUT_OF_MEMORY where cgroups watch, and FAILED where SLURM itself does
    assert {"OUT_OF_MEMORY", "FAILED"} & set(state.values())
    for training in caught.values():
        assert "going on from step" in training.log.read_text()
    assert runs.content(prepared) == runs.content(undisturbed)
    assert not prepared.half_written()
