"""A training is told that its time is nearly over: `--signal=TERM@120` of the profile asks SLURM to do so."""

import cluster
import runs

MODEL = runs.MODELS[1]
TARGETS = runs.targets([MODEL], "model.keras")


def test_a_warned_training_saves_leaves_and_goes_on(begin, prepared, undisturbed):
    runs.configure_site(prepared, train_network={"gpu": 1, "runtime": "4 if attempt == 1 else 10"})
    run = begin(*TARGETS)
    warned = runs.Training(
        prepared, run, [MODEL]
    )  # held, and woken by the warning: SLURM sends SIGCONT with it
    cluster.wait_for(lambda: not warned.process.is_running(), "the end after SLURM's warning")
    again = runs.Training(prepared, run, [MODEL], after=warned.job)
    assert cluster.accounted(warned.job)["state"] == "FAILED"  # by itself, before it would have been TIMEOUT
    [log] = (prepared.folder / ".snakemake/slurm_logs").rglob(f"{warned.job}.log")
    assert "Stopped by SIGTERM after step" in log.read_text()
    again.let_go()
    assert run.wait() == 0, run.text[-5000:]
    assert "going on from step" in again.log.read_text()
    assert runs.digest_of_weights(prepared, MODEL) == runs.digest_of_weights(undisturbed, MODEL)
