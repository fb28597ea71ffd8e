import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import folds as script
from brightcell.errors import InputError
from brightcell.files import read_table, write_table
from brightcell.folds import ROLES, assign_folds, assign_schemes, leaky_schemes

OPTIONS = {"schemes": ["grouped"], "number": 3, "validation": 0.2, "seed": 1, "allow_shared_groups": False}


def sheet(groups, frames=3, **columns):
    names = [f"g{group:02d}" for group in range(groups) for _ in range(frames)]
    samples = [f"{name}-{i}" for i, name in enumerate(names)]
    return pd.DataFrame({"sample": samples, "group": names, **columns})


def roles_of_groups(folds):
    return folds.groupby(["fold", "group"])["role"].agg(set)


@settings(deadline=None, max_examples=60)
@given(
    groups=st.integers(3, 12),
    n_folds=st.integers(2, 6),
    seed=st.integers(0, 99),
    validation=st.floats(0.01, 0.99),
    data=st.data(),
)
def test_every_group_is_tested_once_and_has_one_role(groups, n_folds, seed, validation, data):
    if groups < n_folds or (groups, n_folds) == (3, 2):
        return
    cells = data.draw(st.lists(st.integers(1, 500), min_size=groups * 2, max_size=groups * 2))
    folds = assign_folds(sheet(groups, 2, cells=cells), "grouped", n_folds, seed, validation)
    assert folds.columns.tolist() == ["scheme", "fold", "sample", "group", "role"]
    assert sorted(folds["fold"].unique()) == list(range(1, n_folds + 1))
    assert len(folds) == groups * 2 * n_folds
    assert (roles_of_groups(folds).map(len) == 1).all()
    assert (folds.groupby("fold")["role"].nunique() == 3).all()
    tested = folds[folds["role"] == "test"]
    assert sorted(tested["sample"]) == sorted(folds["sample"].unique())


def test_folds_hold_about_the_same_number_of_cells():
    # 8 + 1 = 5 + 4 = 6 + 3 = 9 and only largest-first finds it
    sizes = {"a": 1, "b": 3, "c": 4, "d": 5, "e": 6, "f": 8}
    samples = pd.DataFrame({"sample": list(sizes), "group": list(sizes), "cells": list(sizes.values())})
    folds = assign_folds(samples, "grouped", 3, seed=5).merge(samples, on=["sample", "group"])
    assert folds[folds["role"] == "test"].groupby("fold")["cells"].sum().tolist() == [9, 9, 9]


def test_one_giant_group_leaves_enough_to_the_other_fold():
    samples = pd.DataFrame({"sample": list("abcd"), "group": list("abcd"), "cells": [1000, 1, 1, 1]})
    folds = assign_folds(samples, "grouped", 2, seed=1)
    assert (folds.groupby("fold")["role"].nunique() == 3).all()


def test_frames_count_where_cells_are_unknown():
    samples = sheet(6, 4).assign(cells=np.nan)
    pd.testing.assert_frame_equal(
        assign_folds(samples, "grouped", 3, 1), assign_folds(samples.assign(cells=1), "grouped", 3, 1)
    )


@pytest.mark.parametrize("seed", range(5))
def test_validation_rotates(seed):
    folds = assign_folds(sheet(5), "grouped", 5, seed)
    validating = folds[folds["role"] == "validate"].groupby("fold")["group"].agg(set)
    assert (validating.map(len) == 1).all()
    assert len(set.union(*validating)) == 5


@pytest.mark.parametrize(("validation", "expected"), [(0.01, 1), (0.25, 2), (0.5, 4), (0.99, 7)])
def test_share_of_the_validating_groups(validation, expected):
    folds = assign_folds(sheet(10), "grouped", 5, 1, validation)
    validating = folds[folds["role"] == "validate"].groupby("fold")["group"].nunique()
    assert (validating == expected).all()


@pytest.mark.parametrize("scheme", ["grouped", "random"])
def test_seed_decides_and_the_order_of_rows_does_not(scheme):
    samples = sheet(8)
    one = assign_folds(samples, scheme, 4, seed=1)
    pd.testing.assert_frame_equal(one, assign_folds(samples, scheme, 4, seed=1))
    mixed = assign_folds(samples.sample(frac=1, random_state=0), scheme, 4, seed=1)
    keys = ["fold", "sample"]
    pd.testing.assert_frame_equal(
        one.sort_values(keys, ignore_index=True), mixed.sort_values(keys, ignore_index=True)
    )
    assert not one.equals(assign_folds(samples, scheme, 4, seed=2))


def test_random_draws_frames_of_all_groups():
    folds = assign_folds(sheet(5, 100), "random", 5, seed=1)
    counts = folds.groupby(["fold", "role"]).size().unstack()
    # the proportions of the published study: 320 : 80 : 100
    assert (counts[list(ROLES)] == [320, 80, 100]).all(axis=None)
    assert (roles_of_groups(folds).map(len) == 3).all()
    assert sorted(folds.loc[folds["role"] == "test", "sample"]) == sorted(folds["sample"].unique())


def test_sheet_is_taken_as_it_stands():
    samples = sheet(3, split=np.repeat(["train", "validate", "test"], 3))
    folds = assign_folds(samples, "sheet", 5, 1)
    assert folds["role"].tolist() == samples["split"].tolist()
    assert folds["fold"].unique().tolist() == [1]


def test_shared_groups_must_be_allowed():
    samples = sheet(3, split=["train", "validate", "test"] * 2 + ["train"] * 3)
    with pytest.raises(InputError, match=r"2 groups.*g00, g01\. .*folds\.allow_shared_groups: true"):
        assign_folds(samples, "sheet", 1, 1)
    assert assign_folds(samples, "sheet", 1, 1, allow_shared_groups=True)["role"].tolist() == list(
        samples["split"]
    )


@pytest.mark.parametrize(
    ("samples", "scheme", "number", "message"),
    [
        (sheet(4), "grouped", 5, "4 groups for 5 folds.*at least 5.*lower folds.number"),
        (sheet(2), "grouped", 3, "2 groups for 3 folds.*set folds.number to 2"),
        (sheet(2, 1), "grouped", 2, "one has a single frame"),
        (sheet(1), "grouped", 3, "1 group for 3 folds.*scheme random"),
        (sheet(3), "grouped", 2, "3 groups for 2 folds.*at least 4.*or set folds.number to 3"),
        (sheet(5), "grouped", 1, "folds.number: 1"),
        (sheet(1, 2), "random", 3, "2 frames for 3 folds"),
        (sheet(5), "stratified", 3, "stratified is none of grouped, random, sheet"),
        (sheet(3), "sheet", 1, "no column split"),
        (sheet(3, split=["train"] * 6 + ["test"] * 3), "sheet", 1, "no sample has the split validate"),
        (sheet(3, split=["train"] * 6 + ["tset", "", None]), "sheet", 1, r"\(empty\), tset for 3 samples"),
    ],
)
def test_what_cannot_be_shared_out_is_refused(samples, scheme, number, message):
    with pytest.raises(InputError, match=message):
        assign_folds(samples, scheme, number, seed=1)


@pytest.mark.parametrize("validation", [0, 1, -0.5])
def test_validation_is_a_share(validation):
    with pytest.raises(InputError, match=r"folds\.validation"):
        assign_folds(sheet(5), "grouped", 3, 1, validation)


@settings(deadline=None, max_examples=40)
@given(cells=st.lists(st.integers(1, 300), min_size=8, max_size=20), n_folds=st.integers(2, 4))
def test_no_fold_is_fuller_than_another_by_more_than_a_group(cells, n_folds):
    samples = sheet(len(cells), 1, cells=cells)
    folds = assign_folds(samples, "grouped", n_folds, seed=1).merge(samples, on=["sample", "group"])
    tested = folds[folds["role"] == "test"].groupby("fold")["cells"].sum()
    assert tested.max() - tested.min() <= max(cells)


def test_validation_is_nested_in_what_is_not_tested():
    folds = assign_folds(sheet(9, 4), "grouped", 3, seed=2, validation=0.3)
    for _, fold in folds.groupby("fold"):
        groups = {role: set(rows["group"]) for role, rows in fold.groupby("role")}
        assert [len(groups[role]) for role in ROLES] == [4, 2, 3]
        assert not groups["validate"] & (groups["train"] | groups["test"])


def test_which_schemes_test_on_what_they_train_on():
    samples = sheet(6, 10, split=["train", "train", "train", "train", "train", "validate", *["test"] * 4] * 6)
    clean = samples.assign(split=np.repeat(["train", "validate", "test"], 20))
    schemes = [
        assign_folds(samples, "grouped", 3, 1),
        assign_folds(samples, "random", 3, 1),
        assign_folds(samples, "sheet", 1, 1, allow_shared_groups=True),
    ]
    assert leaky_schemes(pd.concat(schemes)) == ["random", "sheet"]
    assert leaky_schemes(assign_folds(clean, "sheet", 1, 1)) == []
    # validation beside test in one group picks the epoch, and is not trained on
    beside = clean.assign(split=["train"] * 20 + ["validate", "test"] * 20)
    assert leaky_schemes(assign_folds(beside, "sheet", 1, 1, allow_shared_groups=True)) == []


def test_schemes_that_are_compared_train_on_as_many_frames():
    samples = sheet(7, 5)
    samples["cells"] = [0 if number % 3 else 9 for number in range(len(samples))]
    options = {
        "number": 3,
        "seed": 4,
        "validation": 0.2,
        "allow_shared_groups": False,
        "schemes": ["grouped", "random"],
    }
    folds = assign_schemes(samples, options, "samples.tsv")
    frames = folds.groupby(["scheme", "fold", "role"]).size().unstack("role")
    assert frames.loc["random", "train"].tolist() == frames.loc["grouped", "train"].tolist()
    assert (frames.loc["random"].sum(axis=1) == len(samples)).all()
    alone = assign_schemes(samples, options | {"schemes": ["random"]}, "samples.tsv")
    assert (
        alone["role"].value_counts()["test"]
        == folds.query("scheme == 'random'")["role"].value_counts()["test"]
    )
    validating = folds.query("scheme == 'random' and role == 'validate'").merge(samples[["sample", "cells"]])
    assert (validating.groupby("fold")["cells"].max() > 0).all()


def test_import_needs_no_more_than_pandas():
    scripts = Path(script.__file__).parent
    code = "import sys, brightcell.folds; print({'scipy', 'skimage', 'keras', 'tifffile'} & {*sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_script_joins_the_schemes(tmp_path):
    samples = sheet(3, split=np.repeat(["train", "validate", "test"], 3))
    write_table(samples, tmp_path / "samples.tsv")
    script.main(tmp_path / "samples.tsv", tmp_path / "folds.tsv", OPTIONS | {"schemes": ["grouped", "sheet"]})
    folds = read_table(tmp_path / "folds.tsv")
    assert folds.groupby("scheme")["fold"].nunique().to_dict() == {"grouped": 3, "sheet": 1}
    with pytest.raises(InputError, match=r"samples\.tsv: sample sheet: 3 groups for 4 folds"):
        script.main(tmp_path / "samples.tsv", tmp_path / "folds.tsv", OPTIONS | {"number": 4})


@pytest.mark.parametrize("scheme", ["grouped", "random"])
def test_frames_without_cells_are_never_all_that_validates_or_trains(scheme):
    for empty in range(5):
        samples = sheet(5, 1, cells=[0 if group == empty else 9 for group in range(5)])
        for seed in range(4):
            folds = assign_folds(samples, scheme, 4, seed).merge(samples[["sample", "cells"]])
            assert (folds.groupby(["fold", "role"])["cells"].sum().unstack()[["train", "validate"]] > 0).all(
                axis=None
            )


def test_too_few_groups_with_cells_are_refused():
    samples = sheet(4, 1, cells=[9, 9, 0, 0])
    with pytest.raises(InputError, match="only 1 of the 3 groups outside the test set have cells"):
        assign_folds(samples, "grouped", 4, 1)
    split = samples.assign(split=["train", "test", "validate", "validate"])
    with pytest.raises(InputError, match="the split validate has no cell in any mask"):
        assign_folds(split, "sheet", 1, 1)


@pytest.mark.parametrize("seed", range(3))
def test_of_two_groups_the_last_frames_of_the_other_one_validate(seed):
    samples = sheet(2, 10, frame=[*range(9, -1, -1), *range(100, 110)]).sample(frac=1, random_state=seed)
    folds = assign_folds(samples, "grouped", 2, seed)
    for _, fold in folds.groupby("fold"):
        assert fold[fold["role"] == "test"]["group"].nunique() == 1
        rest = fold[fold["role"] != "test"].merge(samples, on=["sample", "group"])
        assert rest["group"].nunique() == 1
        late = rest["role"] == "validate"
        assert late.sum() == 2
        assert rest.loc[late, "frame"].min() > rest.loc[~late, "frame"].max()
    assert folds[folds["role"] == "test"]["group"].nunique() == 2
    assert leaky_schemes(folds) == []


def test_two_groups_without_numbers_of_frames_or_with_an_empty_end():
    folds = assign_folds(sheet(2, 5, frame=""), "grouped", 2, 1)
    assert (folds.groupby("fold")["role"].nunique() == 3).all()
    samples = sheet(2, 5, cells=[3, 3, 3, 3, 0] * 2, frame=list(range(5)) * 2)
    folds = assign_folds(samples, "grouped", 2, 1).merge(samples, on=["sample", "group"])
    assert (folds[folds["role"] == "validate"].groupby("fold")["cells"].sum() > 0).all()
