import numpy as np

import gather_jobs
from brightcell import jobs
from brightcell.files import read_table, write_json


def test_a_row_tells_of_a_job_what_its_record_and_benchmark_know(tmp_path):
    where = {
        "host": "n1",
        "image": "/a/train.sif",
        "fingerprint": "ab",
        "python": "3.11.2",
        "brightcell": "1",
    }
    write_json(where | {"device": "gpu", "other": 1}, jobs.record_of(tmp_path / "train.log"))
    write_json({"host": "n2", "image": ""}, jobs.record_of(tmp_path / "label.log"))
    (tmp_path / "train.tsv").write_text("s\tmax_rss\tmean_load\n1.0\t2.0\t3.0\n60.5\t700.25\t180\n")
    (tmp_path / "score.tsv").write_text("s\tmax_rss\tmean_load\n0.1\tNA\tNA\n")
    training = {"scheme": "grouped", "network": "simple", "fold": 1, "seed": 2}
    listed = [
        {
            "rule": rule,
            "wildcards": training if rule == "train" else {},
            "log": str(tmp_path / f"{rule}.log"),
            "benchmark": str(tmp_path / f"{rule}.tsv"),
        }
        for rule in ("train", "label", "score", "never_ran")
    ]
    gather_jobs.main(listed, tmp_path / "jobs.tsv")
    table = read_table(tmp_path / "jobs.tsv")
    assert list(table["device"]) == ["gpu", "", ""]
    assert list(table["rule"]) == ["train", "label", "score"]
    train = table.iloc[0]
    assert (train["seconds"], train["memory_mb"], train["cpu_percent"]) == (
        60.5,
        700.25,
        180,
    )  # of the last attempt
    assert list(train[["image", "fingerprint", "host", "fold"]]) == ["train.sif", "ab", "n1", 1]
    assert (tmp_path / "jobs.tsv").read_text().splitlines()[2].startswith("label\t\t\tnan\tnan\t\tnan\t")
    assert np.isnan(table.at[1, "seconds"])
    assert list(table.loc[1, ["image", "host"]]) == [".venv", "n2"]
    assert (table.at[2, "seconds"], table.at[2, "image"]) == (0.1, "")
    assert np.isnan(table.at[2, "memory_mb"])
