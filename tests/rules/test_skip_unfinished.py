"""A report on what is finished: trainings without scores are left out when the config says so, and only then."""

from project import ROOT, Project


def test_trainings_without_scores_are_skipped_on_demand(tmp_path):
    project = Project(tmp_path / "project", groups=6)
    (project.folder / "config/test.yaml").write_text((ROOT / "config/config.yaml").read_text())
    skip = ("--config", "comparison={unfinished: skip}")
    models = project.folder / "results/demo/models/grouped"
    # none is finished: all are trained
    assert project.planned(*skip)["train_network"] == 3 * 2
    for fold in (1, 2):
        place = models / f"simple/fold{fold}-seed1"
        place.mkdir(parents=True)
        (place / "frames.tsv").write_text("as if scored")
    jobs = project.planned(*skip)
    assert (jobs["score_frames"], jobs["score_ensemble"]) == (2, 1)
    assert project.planned()["score_frames"] == 3 * 2
