"""What averaged trainings score on groups that they have not seen: maps made by hand, with known answers."""

import numpy as np
import pandas as pd
import pytest
from shapes import draw

from brightcell import files
from brightcell.errors import InputError
from brightcell.io.stacks import Maps
from brightcell.recordings import expected

TRUTH = draw((60, 100), (30, 25, 12), (30, 75, 12))  # two equal cells
SAMPLES = pd.DataFrame({"sample": ["a1", "b1", "c1"], "group": list("abc")})
TURNS = {1: ("a", "b"), 2: ("b", "c"), 3: ("c", "a")}  # fold → group that it tests, group that validates


def folds_table(turns=TURNS):
    """The roles of one frame a group; a group is trained on where it has no other role."""
    return pd.DataFrame(
        {"fold": fold, "sample": f"{group}1", "group": group}
        | {"role": {test: "test", validate: "validate"}.get(group, "train")}
        for fold, (test, validate) in turns.items()
        for group in "abc"
    )


def training(fold, seed, second, threshold, pixels=None):
    """A training that is sure of the first cell and gives the second this probability, in its fold's test frame."""
    foreground = ((TRUTH == 1) + second * (TRUTH == 2)).astype(np.float32)
    parameters = {"threshold": threshold, "smoothing_px": 1.0, "depth": 0.1, "minimum_area_px": 20}
    calibration = {"parameters": parameters} | ({} if pixels is None else {"pixels": {"threshold": pixels}})
    return expected.Training(fold, seed, {f"{TURNS[fold][0]}1": Maps(foreground)}, calibration)


def score(trainings, turns=TURNS, samples=SAMPLES):
    truth = dict.fromkeys(samples["sample"], TRUTH)
    return expected.score_folds(trainings, truth, samples, folds_table(turns))


def test_seeds_are_averaged_and_the_median_watershed_separates():
    """The second cell has 0 and 1, in the mean 0.5: the median threshold of 0.2 and 0.7 sees it, that of 0.4 and 0.7 not."""
    seen = score([training(1, 1, 0, 0.2), training(1, 2, 1, 0.7)])
    assert seen[["fold", "seeds", "sample"]].to_numpy().tolist() == [[1, 2, "a1"]]
    assert seen["ap50"].tolist() == [1]
    assert score([training(1, 1, 0, 0.4), training(1, 2, 1, 0.7)])["ap50"].tolist() == [0.5]


def test_pixels_have_a_threshold_of_their_own():
    trainings = [training(1, 1, 0, 0.2, pixels=0.5), training(1, 2, 1, 0.7, pixels=0.7)]
    frame = score(trainings).iloc[0]
    assert frame["ap50"] == 1
    assert frame["cell_iou"] == 0.5


def test_distances_are_averaged_where_they_were_learned():
    maps = [Maps(np.full((4, 4), value), np.full((4, 4), value / 2)) for value in (0.2, 0.6)]
    trainings = [expected.Training(1, seed, {"a1": each}, {}) for seed, each in enumerate(maps)]
    mean = expected.average_maps(trainings)["a1"]
    assert np.allclose(mean.foreground, 0.4)
    assert np.allclose(mean.distance, 0.2)


def test_no_calibration_saw_the_groups_that_are_tested():
    """Fold 3 validates on the group a, which fold 1 tests; fold 2 validates on c."""
    trainings = [training(fold, seed, 1, 0.5) for fold in TURNS for seed in (1, 2)]
    for each in trainings:
        each.calibration["of"] = each.fold
    used = [each["of"] for each in expected.usable(trainings, folds_table(), 1)]
    assert used == [1, 1, 2, 2]


def test_a_fold_uses_its_own_calibration_even_where_its_groups_validate():
    """As in the scheme random."""
    trainings = [training(fold, 1, 1, 0.5) for fold in (1, 2)]
    table = pd.concat([folds_table(), folds_table().assign(role="validate")])
    assert expected.usable(trainings, table, 1) == [trainings[0].calibration]


def test_folds_that_another_calibrated_with_would_change_the_score():
    """Fold 2 found the second cell below fold 1's threshold; with both the threshold is their median."""
    trainings = [training(1, 1, 0.5, 0.6), training(2, 1, 0.5, 0.2)]
    assert score(trainings)["ap50"].tolist() == [1, 1]  # fold 2 validates on c: the median is 0.4
    in_turn = {1: ("a", "b"), 2: ("b", "a")}
    assert score(trainings, in_turn)["ap50"].tolist() == [0.5, 1]


def test_groups_have_a_mean_and_an_interval():
    trainings = [training(1, 1, 1, 0.5), training(1, 2, 1, 0.5), training(3, 1, 0, 0.5)]
    frames = score(trainings).assign(scheme="grouped", network="simple")
    table = expected.expect(frames, leaky=True)
    assert list(table.columns) == list(expected.COLUMNS)
    row = table.set_index("score").loc["ap50"]
    assert row["mean"] == 0.75  # groups with 1 and 0.5
    assert (row["low"], row["high"]) == (0, 1)  # Student's t of two values, within what AP can be
    assert row[["groups", "frames", "seeds", "trainings", "leaky"]].tolist() == [2, 2, 1, 3, True]
    assert set(table["score"]) == set(expected.SCORES)


def test_one_group_has_no_interval_and_binary_masks_no_scores_of_cells():
    samples = SAMPLES.assign(mask_type="binary")
    frames = score([training(1, 1, 1, 0.5)], samples=samples).assign(scheme="sheet", network="simple")
    table = expected.expect(frames, leaky=False)
    assert table["score"].tolist() == ["cell_iou", "cell_dice"]
    assert table["mean"].tolist() == [1, 1]
    assert table[["low", "high"]].isna().all(axis=None)


def test_seeds_of_different_frames_are_refused():
    other = training(1, 2, 1, 0.5)._replace(maps={})
    with pytest.raises(InputError, match="fold 1: the test predictions of seed 2 are of 0 frames"):
        score([training(1, 1, 1, 0.5), other])


@pytest.fixture
def network(tmp_path):
    """A network's folder with expected.tsv; what made_of.json says of a recording."""
    frames = score([training(1, 1, 1, 0.5)]).assign(scheme="grouped", network="simple")
    files.write_table(expected.expect(frames, leaky=False), tmp_path / "simple/expected.tsv")
    models = {str(tmp_path / f"simple/fold{fold}-seed1/model.keras"): "" for fold in (1, 2)}
    return tmp_path / "simple/expected.tsv", {"network": "simple", "models": models}


def test_scores_are_those_of_the_models_that_segmented(network):
    path, made_of = network
    assert expected.of_models(made_of, [path])["score"].tolist() == list(expected.SCORES)
    assert expected.of_models(made_of, []) is None  # not an input of the job
    assert expected.of_models(made_of | {"network": "attention"}, [path]) is None
    elsewhere = {str(path.parents[1] / "other/fold1-seed1/model.keras"): ""}
    assert expected.of_models(made_of | {"models": made_of["models"] | elsewhere}, [path]) is None
