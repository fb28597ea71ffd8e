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
from brightcell.comparison.sentences import judge


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
    assert only(summarise(scores))["mean"] == pytest.approx(0.6)


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
    assert differences["p"].tolist() == [0] * 3
    assert differences["p_groups"].tolist() == [2 / 32] * 3
    assert differences["won"].tolist() == [0, 1, 1]
    assert differences["median_difference"].tolist() == pytest.approx([-0.02, 0.01, 0.03])


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


def test_three_equal_networks_are_rarely_told_apart():
    rows = compare(correlated_frames(300, networks=3, frames=2, seed=1), draws=200)
    assert (rows.groupby("scheme")["p_holm"].min() <= 0.05).mean() <= 0.06


def drawn(groups, folds, seeds, luck, spread, effect=0.0, networks="abc", seed=0):
    """One frame a group; each training has its luck, each network likes some groups better; network a has an effect."""
    rng = np.random.default_rng(seed)
    rows = []
    for network in networks:
        lucky, liked = rng.normal(0, luck, (folds, seeds)), rng.normal(0, spread, groups)
        rows += [
            {
                "scheme": "grouped",
                "network": network,
                "fold": group % folds + 1,
                "seed": number + 1,
                "sample": f"s{group}",
            }
            | {
                "group": f"g{group}",
                "cell_iou": 0.7 + lucky[group % folds, number] + liked[group] + effect * (network == "a"),
            }
            for group in range(groups)
            for number in range(seeds)
        ]
    return pd.DataFrame(rows)


def judged(groups, folds, seeds, luck, effect=0.0, studies=120):
    """Share of studies in which some network is called better, and in which a is called better than b."""
    any_, right = 0, 0
    for number in range(studies):
        rows = compare(drawn(groups, folds, seeds, luck, 0.01, effect, seed=number), ["cell_iou"], draws=100)
        better = [judge(row) == "better" for _, row in rows.iterrows()]
        any_ += any(better)
        right += better[0] and rows["difference"].iloc[0] > 0
    return any_ / studies, right / studies


@pytest.mark.parametrize(
    ("groups", "folds", "luck"), [(12, 1, 0.01), (12, 1, 0.02), (24, 3, 0.01), (8, 4, 0.02)]
)
def test_the_luck_of_trainings_is_not_taken_for_a_better_network(groups, folds, luck):
    assert judged(groups, folds, 3, luck)[0] <= 0.09  # 0.06 and two standard errors of 120 studies


def test_a_real_difference_is_found():
    assert judged(24, 3, 3, 0.005, effect=0.02)[1] >= 0.93


def test_one_seed_never_decides():
    rows = compare(drawn(24, 3, 1, 0.0, 0.001, effect=0.2), ["cell_iou"])
    assert [judge(row) for _, row in rows.iterrows()] == ["one seed"] * 3
    assert rows["part_trainings"].isna().all()
    assert (rows["trainings_df"] == 0).all()


def test_two_levels_by_hand():
    # one fold, three seeds; a's trainings lie 0.06, −0.01, −0.02 above b's, on all of twelve groups
    rows = [
        {
            "scheme": "sheet",
            "network": network,
            "fold": 1,
            "seed": seed,
            "sample": f"{group}",
            "group": f"{group}",
        }
        | {"cell_iou": 0.5 + group / 100 + above * (network == "a")}
        for network in "ab"
        for group in range(12)
        for seed, above in ((1, 0.06), (2, -0.01), (3, -0.02))
    ]
    row = only(compare(pd.DataFrame(rows)))
    error = np.sqrt(np.var([0.06, -0.01, -0.02], ddof=1) / 3)
    reach = reference.t.ppf(0.975, 2) * error
    assert row["difference"] == pytest.approx(0.01)
    assert (row["low"], row["high"]) == pytest.approx((0.01 - reach, 0.01 + reach))
    assert row["p"] == pytest.approx(2 * reference.t.sf(0.01 / error, 2))
    assert row["p_groups"] == pytest.approx(2 / 2**12)  # the groups alone would be sure
    assert (row["part_groups"], row["part_trainings"]) == (0, 1)
    assert np.isnan(row["part_folds"])
    assert judge(row) == "open"


def test_ways_to_use_the_same_trainings_share_their_luck():
    scores = drawn(8, 4, 3, 0.1, 0.0, networks="a")
    both = pd.concat([scores, scores.assign(network="b", cell_iou=scores["cell_iou"] - 0.01)])
    own, shared = (only(compare(both, ["cell_iou"], same_trainings=same)) for same in (False, True))
    assert (shared["low"], shared["high"]) == pytest.approx((0.01, 0.01))
    assert own["low"] < 0 < own["high"]


@pytest.mark.parametrize(
    ("change", "judged"), [(0.004, "equivalent"), (0.05, "different"), (0.01, "undecided")]
)
def test_margin(change, judged):
    base, spread = np.linspace(0.5, 0.8, 8), 0.002 * np.array([1, -1] * 4)
    row = only(compare(table({"simple": base + change + spread, "attention": base}, seeds=(1, 2, 3))))
    assert (row["margin"], row["equivalence"]) == (0.01, judged)


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


def test_given_labels_have_no_luck_of_a_training():
    base = np.array([0.10, 0.52, 0.90, 0.30, 0.71, 0.44])
    trained = table({"simple": base}, seeds=(1, 2, 3))
    trained["cell_iou"] += trained["seed"].map({1: -0.01, 2: 0.0, 3: 0.01})  # the mean stays
    given = table({"gui": base + 0.05})
    row = only(compare(pd.concat([trained, given]), draws=500, fixed=["gui"]))
    # one fold of six groups, three seeds: the trainings' part is s²/3 with two degrees of freedom, the groups spread by nothing
    error = np.sqrt(0.01**2 / 3)
    assert row["difference"] == pytest.approx(-0.05)
    assert row["high"] - row["difference"] == pytest.approx(error * reference.t.ppf(0.975, 2))
    assert (row["folds"], row["seeds"], row["trainings_df"]) == (1, 3, 2)
    assert judge(row) == "better"
    unknown = only(compare(pd.concat([trained, given]), draws=500))
    assert judge(unknown) == "one seed"


def test_between_two_sets_of_given_labels_only_groups_count():
    base = np.array([0.10, 0.52, 0.90, 0.30, 0.71, 0.44])
    gain = np.array([0.05, 0.06, 0.04, 0.05, 0.07, 0.03])
    row = only(compare(table({"a": base + gain, "b": base}), draws=500, fixed=["a", "b"]))
    low, high = reference.t.interval(0.95, 5, gain.mean(), reference.sem(gain))
    assert (row["low"], row["high"]) == (pytest.approx(low), pytest.approx(high))
    assert judge(row) == "better"
    assert np.isnan(row["part_trainings"])
    assert np.isnan(row["seeds_needed_low"])
