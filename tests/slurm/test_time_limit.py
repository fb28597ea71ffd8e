"""A training is told that its time is nearly over, as `--signal=TERM@120` of the profile asks SLURM to do."""

import cluster
import runs

MODEL = runs.MODELS[1]
TARGETS = runs.targets([MODEL], "model.keras")


def test_a_warned_training_saves_leaves_and_goes_on(begin, prepared, undisturbed):
    run = begin(*TARGETS)
    warned = runs.Training(prepared, run, [MODEL])
    cluster.ask(
        "scancel", "--signal=TERM", warned.job
    )  # to all processes of the job's steps, as the warning goes
    warned.let_go()
    again = runs.Training(prepared, run, [MODEL], after=warned.job)
    [log] = (prepared.folder / ".snakemake/slurm_logs").rglob(f"{warned.job}.log")
    assert "Stopped by SIGTERM after step" in log.read_text()
    again.let_go()
    assert run.wait() == 0, run.text[-5000:]
    assert "going on from step" in again.log.read_text()
    assert runs.digest_of_weights(prepared, MODEL) == runs.digest_of_weights(undisturbed, MODEL)
