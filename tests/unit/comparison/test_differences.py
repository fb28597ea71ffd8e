import numpy as np
import pandas as pd
import pytest
from scipy import stats as reference
from scored import table

from brightcell.comparison.differences import (
    DIFFERENCE_COLUMNS,
    LEAKAGE_COLUMNS,
    SUMMARY_COLUMNS,
    compare,
    inflation,
    summarise,
)
from brightcell.comparison.resampling import bootstrap_interval, sign_flip_test
from brightcell.comparison.significance import groups_needed


def only(rows):
    assert len(rows) == 1
    return rows.iloc[0]


def test_groups_weigh_alike_whatever_their_frames_and_seeds():
    scores = pd.concat(
        [
            table({"simple": [0.2]}, frames=9, seeds=(1, 2, 3)),
            table({"simple": [np.nan, 0.6]}, frames=1, seeds=(1, 2, 3)).dropna(),
        ]
    )
    row = only(summarise(scores, draws=200))
    assert list(row.index) == SUMMARY_COLUMNS
    assert row["mean"] == pytest.approx(0.4)
    assert (row["groups"], row["frames"], row["seeds"], row["frames_missing"]) == (2, 10, 3, 0)


def test_seeds_are_averaged_within_a_frame():
    scores = table({"simple": [0.5, 0.5]}, seeds=(1, 2))
    scores.loc[scores["seed"] == 2, "cell_iou"] = 0.7
    assert only(summarise(scores))[["mean", "low", "high"]].tolist() == pytest.approx([0.6] * 3)


def test_missing_scores_are_left_out_and_counted():
    scores = table({"simple": [0.5, 0.7, 0.9]}, frames=2)
    scores.loc[scores["sample"].isin(["0-0", "2-0", "2-1"]), "cell_iou"] = np.nan
    row = only(summarise(scores.assign(seg=np.nan), draws=200))
    assert row["mean"] == pytest.approx(0.6)
    assert (row["groups"], row["frames"], row["frames_missing"]) == (2, 3, 3)


def test_pairs_are_compared_group_by_group():
    base = np.array([0.1, 0.5, 0.9, 0.3, 0.7])
    scores = table({"simple": base, "attention": base + 0.02, "residual_attention": base - 0.01})
    differences = compare(scores, draws=500)
    assert differences.columns.tolist() == DIFFERENCE_COLUMNS
    pairs = differences[["network_a", "network_b"]].to_numpy().tolist()
    assert pairs == [
        ["simple", "attention"],
        ["simple", "residual_attention"],
        ["attention", "residual_attention"],
    ]
    assert differences["difference"].tolist() == pytest.approx([-0.02, 0.01, 0.03])
    # a constant difference has no spread, however much the groups differ
    assert differences["low"].tolist() == pytest.approx(differences["high"].tolist())
    assert differences["p"].tolist() == [2 / 32] * 3
    assert differences["smallest_p"].tolist() == [2 / 32] * 3
    assert differences["p_holm"].tolist() == [6 / 32] * 3


def test_only_common_groups_are_paired():
    scores = table({"simple": [0.5, 0.5, 0.5], "attention": [0.6, 0.6, 0.9]})
    scores = scores[(scores["network"] == "attention") | (scores["group"] != "g2")]
    row = only(compare(scores, draws=200))
    assert row["difference"] == pytest.approx(-0.1)
    assert (row["groups"], row["groups_unpaired"]) == (2, 1)


def test_frames_are_paired_before_groups():
    # an easy frame without a score of one network must not make the other look better
    scores = table({"simple": [0.5], "attention": [0.5]}, frames=2)
    scores.loc[scores["sample"] == "0-1", "cell_iou"] = [0.9, np.nan]
    assert only(compare(scores, draws=200))["difference"] == 0


def test_schemes_stay_apart():
    scores = pd.concat(
        [
            table({"simple": [0.5, 0.6], "attention": [0.6, 0.7]}),
            table({"simple": [0.9, 0.8], "attention": [0.7, 0.6]}, scheme="random"),
        ]
    )
    differences = compare(scores, draws=200).set_index("scheme")
    assert differences["difference"].to_dict() == pytest.approx({"grouped": -0.1, "random": 0.2})


def correlated_frames(simulations, networks=2, groups=8, frames=10, spread=0.04, seed=0):
    """No difference between networks, but each likes some groups better: frames of a group agree.

    Each simulation is a scheme of its own. Four fifths of the variance lie between groups.
    """
    rng = np.random.default_rng(seed)
    shape = (simulations, networks, groups, frames)
    scores = 0.8 + spread * (
        np.sqrt(0.8) * rng.normal(size=(*shape[:3], 1)) + np.sqrt(0.2) * rng.normal(size=shape)
    )
    index = pd.MultiIndex.from_product(map(range, shape), names=["scheme", "network", "group", "frame"])
    rows = pd.DataFrame({"cell_iou": scores.ravel()}, index=index).reset_index()
    rows["sample"] = rows["group"].astype(str) + "-" + rows["frame"].astype(str)
    return rows.assign(fold=1, seed=1, network="n" + rows["network"].astype(str))


def test_correlated_frames_break_the_naive_test_and_not_this_one():
    scores = correlated_frames(400)
    rows = compare(scores, draws=400)
    assert (rows["groups"] == 8).all()
    covered = (rows["low"] <= 0) & (rows["high"] >= 0)
    assert covered.mean() == pytest.approx(0.95, abs=0.03)
    assert (rows["p"] <= 0.05).mean() <= 0.06

    wide = scores.pivot(index=["scheme", "sample"], columns="network", values="cell_iou")
    of_frames = (wide["n0"] - wide["n1"]).unstack("scheme")
    naive = reference.ttest_1samp(of_frames, 0).pvalue
    assert (naive <= 0.05).mean() > 0.4
    # the fault is the unit, not the kind of test
    some = [of_frames[scheme].to_numpy() for scheme in range(100)]
    assert np.mean([sign_flip_test(frames, draws=300)[0] <= 0.05 for frames in some]) > 0.4
    intervals = np.array([bootstrap_interval(frames, draws=300) for frames in some])
    assert ((intervals[:, 0] <= 0) & (intervals[:, 1] >= 0)).mean() < 0.7


def test_three_equal_networks_are_rarely_told_apart():
    rows = compare(correlated_frames(300, networks=3, frames=2, seed=1), draws=200)
    assert (rows.groupby("scheme")["p_holm"].min() <= 0.05).mean() <= 0.06


def test_folds_and_seeds_give_the_corrected_t():
    # folds of two groups, two seeds; differences of the trainings: 0.1, 0.2, 0.3, 0.4
    rows = [
        {"scheme": "grouped", "network": network, "fold": fold, "seed": seed, "sample": f"{fold}{group}"}
        | {"group": f"{fold}{group}", "cell_iou": 0.5 + (network == "a") * (0.2 * fold + 0.1 * seed - 0.2)}
        for network in "ab"
        for fold in (1, 2)
        for seed in (1, 2)
        for group in (1, 2)
    ]
    row = only(compare(pd.DataFrame(rows), draws=200, ratios={"grouped": 0.5}))
    error = np.sqrt((1 / 4 + 0.5) * np.var([0.1, 0.2, 0.3, 0.4], ddof=1))
    reach = reference.t.ppf(0.975, 3) * error
    assert row["folds"] == 2
    assert row["nadeau_bengio_low"] == pytest.approx(0.25 - reach)
    assert row["nadeau_bengio_high"] == pytest.approx(0.25 + reach)
    assert row["nadeau_bengio_p"] == pytest.approx(2 * reference.t.sf(0.25 / error, 3))
    # over groups: seeds averaged first
    assert (row["difference"], row["groups"]) == (pytest.approx(0.25), 4)


def test_a_single_fold_says_nothing_of_folds():
    scores = table({"simple": [0.5, 0.6, 0.7], "attention": [0.6, 0.6, 0.6]}, seeds=(1, 2, 3))
    row = only(compare(scores, draws=200, ratios={"grouped": 0.5}))
    assert row["folds"] == 1
    assert np.isnan(row[["nadeau_bengio_low", "nadeau_bengio_high", "nadeau_bengio_p"]].astype(float)).all()


@pytest.mark.parametrize(
    ("change", "judged"), [(0.004, "equivalent"), (0.05, "different"), (0.01, "undecided")]
)
def test_margin(change, judged):
    base, spread = np.linspace(0.5, 0.8, 8), 0.002 * np.array([1, -1] * 4)
    row = only(compare(table({"simple": base + change + spread, "attention": base}), draws=500))
    assert (row["margin"], row["equivalence"]) == (0.01, judged)
    assert row["groups_needed"] == 6


def test_groups_needed_for_the_p_that_holm_asks():
    base, spread = np.full(8, 0.5), 0.01 * np.array([1, -1] * 4)
    values = {"simple": base, "attention": base + spread}
    assert only(compare(table(values), draws=200))["groups_needed"] == groups_needed(spread, 0.01)
    of_three = compare(table(values | {"residual_attention": base}), draws=200)
    needed = of_three["groups_needed"].max()
    assert needed == groups_needed(spread, 0.01, alpha=0.05 / 3) > groups_needed(spread, 0.01)


def test_few_groups_do_not_show_equivalence():
    row = only(compare(table({"simple": [0.5] * 5, "attention": [0.5] * 5}), draws=200))
    assert row["equivalence"] == "undecided"


def test_scores_with_a_unit_have_no_margin():
    row = only(compare(table({"simple": [5.0] * 8, "attention": [6.0] * 8}, "hd95_px"), draws=200))
    assert np.isnan(row["margin"])
    assert row["equivalence"] == ""


def both(grouped, random, **settings):
    return pd.concat([table(grouped, **settings), table(random, scheme="random", **settings)])


def test_inflation_is_paired_by_group():
    base = np.array([0.3, 0.5, 0.6, 0.7, 0.8, 0.9])
    gain = np.array([0.05, 0.04, 0.06, 0.05, 0.04, 0.06])
    scores = both({"simple": base, "attention": base}, {"simple": base + gain, "attention": base + 0.01})
    rows = inflation(scores, draws=500).set_index("network")
    assert rows.reset_index().columns.tolist() == LEAKAGE_COLUMNS
    assert rows.index.tolist() == ["simple", "attention", "all"]
    assert rows["inflation"].tolist() == pytest.approx([0.05, 0.01, 0.03])
    assert rows.at["simple", "random"] - rows.at["simple", "grouped"] == pytest.approx(0.05)
    # the groups differ by far more than the schemes
    assert 0.04 < rows.at["simple", "low"] < rows.at["simple", "high"] < 0.06
    assert (rows["groups"] == 6).all()


def test_inflation_takes_the_frames_of_both_schemes():
    scores = both({"simple": [0.5, 0.5, 0.5]}, {"simple": [0.6, 0.6, 0.9]}, seeds=(1, 2))
    scores = scores[(scores["scheme"] == "grouped") | (scores["group"] != "g2")]
    row = only(inflation(scores, draws=200))
    assert (row["inflation"], row["groups"]) == (pytest.approx(0.1), 2)
    assert row["grouped"] == 0.5


def test_no_inflation_without_both_schemes():
    alone = inflation(table({"simple": [0.5, 0.6]}), draws=200)
    assert alone.columns.tolist() == LEAKAGE_COLUMNS
    assert alone.empty
    assert inflation(table({"simple": [0.5, 0.6]}, scheme="random"), draws=200).empty


def test_a_leaky_sheet_is_measured_too():
    scores = pd.concat([table({"simple": [0.5] * 3}), table({"simple": [0.75] * 3}, scheme="sheet")])
    row = only(inflation(scores, ["sheet"], draws=200))
    assert (row["scheme"], row["inflation"]) == ("sheet", 0.25)
