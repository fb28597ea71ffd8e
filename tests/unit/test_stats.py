import numpy as np
import pandas as pd
import pytest

import compare as script
from brightcell.files import read_table, write_table
from brightcell.stats import (
    DIFFERENCE_COLUMNS,
    SUMMARY_COLUMNS,
    bootstrap_interval,
    compare,
    holm,
    sign_flip_test,
    summarise,
    verdict,
)

NETWORKS = ("simple", "attention", "residual_attention")


def table(values, score="cell_iou", frames=2, seeds=(1,), scheme="grouped"):
    """Scores of networks × groups: every frame and seed of a group has the group's value."""
    return pd.DataFrame(
        [
            {"scheme": scheme, "network": network, "fold": 1, "seed": seed, "sample": f"{group}-{frame}"}
            | {"group": f"g{group}", score: value}
            for network, row in values.items()
            for group, value in enumerate(row)
            for frame in range(frames)
            for seed in seeds
        ]
    )


def only(rows):
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize("groups", [1, 2, 5, 10, 16])
def test_p_of_differences_of_one_sign(groups):
    differences = np.linspace(0.1, 0.9, groups)
    assert sign_flip_test(differences) == (2 / 2**groups, 2 / 2**groups)
    assert sign_flip_test(-differences) == sign_flip_test(differences)


def test_p_by_hand():
    # sums of ±1 ±2 ±3 of 4 and more in size: 6, 4 and their negatives
    assert sign_flip_test(np.array([-1, 2, 3]))[0] == 4 / 8
    assert sign_flip_test(np.zeros(4))[0] == 1
    # equal sums in spite of rounding: 0.1 + 0.2 - 0.3
    assert sign_flip_test(np.array([0.1, 0.2, -0.3]))[0] == 1


def test_p_of_many_groups_is_drawn():
    p, smallest = sign_flip_test(np.full(30, 0.1), draws=999)
    assert p == smallest == 1 / 1000
    # the sum of 20 equal differences with 13 positive: p of the sign test, 0.263
    differences = np.where(np.arange(20) < 13, 1.0, -1.0)
    assert sign_flip_test(differences, draws=40_000, seed=4)[0] == pytest.approx(0.2632, abs=0.01)


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.5, 0.6])).tolist() == [1, 1]
    np.testing.assert_allclose(holm(np.array([0.02, np.nan, 0.01])), [0.02, np.nan, 0.02])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_interval_of_a_constant_is_a_point():
    assert bootstrap_interval(np.full(7, 0.1)) == (0.1, 0.1)


def test_interval_needs_two_groups():
    assert np.isnan(bootstrap_interval(np.array([0.4]))).all()
    assert np.isnan(bootstrap_interval(np.array([]))).all()


def test_interval_of_two_groups_is_their_range():
    assert bootstrap_interval(np.array([0.2, 0.6])) == (0.2, 0.6)


def test_interval_of_many_groups_is_that_of_theory():
    values = np.random.default_rng(2).normal(5, 1, 400)
    low, high = bootstrap_interval(values, draws=20_000)
    error = 1.966 * values.std(ddof=1) / 20
    assert (low, high) == pytest.approx((values.mean() - error, values.mean() + error), abs=0.01)


def test_interval_is_reproducible_and_narrows_with_confidence():
    values = np.random.default_rng(3).normal(size=12)
    wide, narrow = (bootstrap_interval(values, 3000, confidence) for confidence in (0.95, 0.8))
    assert wide == bootstrap_interval(values, 3000, 0.95)
    assert wide[0] < narrow[0] < values.mean() < narrow[1] < wide[1]


def test_draws_beyond_a_block_of_memory():
    values = np.random.default_rng(3).normal(size=4)
    few, many = (bootstrap_interval(values, draws) for draws in (60_000, 150_000))
    assert many == pytest.approx(few, abs=0.05)


def test_interval_covers_the_true_mean():
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(300):
        low, high = bootstrap_interval(rng.normal(0.8, 0.05, 12), draws=400)
        covered += low <= 0.8 <= high
    # four standard errors below 95 %; the plain percentile interval reaches 0.91
    assert 0.90 < covered / 300 < 0.99


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


def speak(rows, **settings):
    return verdict(compare(rows, draws=500), summarise(rows, draws=500), **settings)


def test_verdict_of_a_clear_difference():
    base = np.linspace(0.5, 0.8, 8)
    said = speak(table({"simple": base, "attention": base + 0.05}, seeds=(1, 2, 3)))
    assert said[0].startswith("On cell IoU attention has the best mean: 0.700 (")
    assert said[0].endswith("8 groups, 16 frames, 3 seeds.")
    assert said[1:] == [
        "On cell IoU attention is better than simple: higher by 0.050 (0.050 to 0.050), 8 groups, p = 0.008."
    ]


def test_verdict_where_lower_is_better():
    base = np.linspace(3, 9, 8)
    said = speak(table({"simple": base, "attention": base + 2}, "hd95_px", seeds=(1, 2)), scores=["hd95_px"])
    assert said[0].startswith("On HD95 simple has the best mean: 6.00 px (")
    assert (
        said[1]
        == "On HD95 simple is better than attention: lower by 2.00 px (2.00 to 2.00), 8 groups, p = 0.008."
    )


def test_verdict_without_a_difference():
    base = np.full(8, 0.5)
    change = np.array([0.04, -0.05, 0.02, -0.02, 0.03, -0.03, 0.01, 0.016])
    said = speak(table({"attention": base + change, "simple": base}, seeds=(1, 2)))
    assert said[1].startswith("On cell IoU attention and simple show no difference: 0.002 (−0.0")
    assert said[1].endswith("), 8 groups.")
    assert len(said) == 2


def test_verdict_of_few_groups_does_not_claim():
    said = speak(table({"simple": [0.5, 0.6, 0.7], "attention": [0.6, 0.72, 0.81]}))
    assert said[1] == (
        "On cell IoU attention may be better than simple: higher by 0.110 (0.100 to 0.120), 3 groups, "
        "but p = 0.250, and 3 groups cannot give less than 0.250."
    )
    assert said[2].startswith("Scheme grouped rests on 3 groups: no p below 0.250 can come out")
    assert said[3].startswith("One seed a network")


def test_verdict_of_one_group():
    said = speak(table({"simple": [0.5], "attention": [0.6]}, seeds=(1, 2)))
    assert said == [
        "On cell IoU attention has the best mean: 0.600 (no interval), 1 group, 2 frames, 2 seeds.",
        "On cell IoU simple and attention differ by −0.100 in the only group: no test.",
        "Scheme grouped has scores of one group only: no interval, no test.",
    ]


def test_verdict_names_schemes_and_what_random_means():
    scores = pd.concat(
        [table({"simple": np.arange(7) / 10}, scheme=name, seeds=(1, 2)) for name in ("grouped", "random")]
    )
    said = speak(scores)
    assert [text.split(":")[0] for text in said[:2]] == ["Scheme grouped", "Scheme random"]
    assert "simple reaches 0.300" in said[0]
    assert said[2].startswith("Scheme random tests on groups that were trained on")


def test_script_joins_and_compares(tmp_path):
    base = np.array([0.5, 0.6, 0.7])
    scores = table({name: base + i / 10 for i, name in enumerate(NETWORKS)}).assign(seg=np.nan)
    paths = []
    for network, rows in scores.groupby("network", sort=False):
        paths.append(tmp_path / f"{network}.tsv")
        write_table(rows, paths[-1])
    outputs = [tmp_path / name for name in ("scores.tsv", "summary.tsv", "differences.tsv")]
    script.main(paths, *outputs, draws=200, confidence=0.95, seed=1)
    joined, summary, differences = (read_table(path) for path in outputs)
    assert len(joined) == len(scores)
    assert summary["network"].tolist() == list(NETWORKS)
    assert summary["mean"].tolist() == pytest.approx([0.6, 0.7, 0.8])
    assert differences["difference"].tolist() == pytest.approx([-0.1, -0.2, -0.1])
