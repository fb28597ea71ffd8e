"""The whole workflow through `snakemake --profile slurm`, and the GPUs that its jobs ask for."""

import cluster
import pandas as pd
import runs


def test_the_whole_study_runs_on_both_nodes(undisturbed, slurm):
    assert undisturbed.path("report.html").stat().st_size > 100_000
    assert len(pd.read_table(undisturbed.path("comparison/summary.tsv"))) > 0
    finished = [cluster.accounted(number) for number in undisturbed.run.submitted()]
    assert len(finished) >= len(runs.MODELS) + 3
    assert {job["state"] for job in finished} == {"COMPLETED"}
    assert {job["node"] for job in finished} == set(slurm)
    assert not undisturbed.half_written()


def test_each_training_sees_the_gpus_it_was_given_and_no_other(undisturbed):
    assert len(undisturbed.seen) == len(runs.MODELS)
    devices = {number: seen["CUDA_VISIBLE_DEVICES"] for number, seen in undisturbed.seen.items()}
    assert sorted(len(each.split(",")) for each in devices.values()) == [1, 1, 2, 2]
    for number, visible in devices.items():
        job = cluster.accounted(number)
        assert f"gres/gpu={len(visible.split(','))}" in job["given"]
        assert set(visible.split(",")) <= {"0", "1"}


def test_jobs_without_a_network_take_no_gpu(undisturbed):
    small = [number for number, name in undisturbed.run.submitted().items() if "prepare" in name]
    assert small
    assert not any("gpu" in cluster.accounted(number)["given"] for number in small)


def test_more_gpus_than_there_are_are_refused_in_words(begin, prepared):
    runs.configure_site(prepared, train_network={"gpu": 9})
    run = begin(*runs.targets(runs.MODELS[:1], "model.keras"), "--retries", "0")
    assert run.wait() != 0
    assert "Requested node configuration is not available" in run.text
    assert "rule train_network" in run.text
    assert not run.submitted()
    assert not prepared.path(runs.MODELS[0]).joinpath("model.keras").exists()
