"""Conditions: fields of a well are averaged, intervals are Student's and Welch's, few replicates claim nothing."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from brightcell.recordings import conditions


def table(rows, measure="speed", unit="µm/h"):
    columns = ["recording", "condition", "well", "value"]
    return pd.DataFrame(rows, columns=columns).assign(measure=measure, unit=unit)


ROWS = [
    ("a1", "control", "B02", 10.0), ("a2", "control", "B02", 14.0), ("b1", "control", "B03", 8.0),
    ("c1", "drug", "C02", 5.0), ("d1", "drug", "C03", 3.0), ("e1", "drug", "C04", 4.0),
]  # fmt: skip


def test_fields_of_a_well_are_one_replicate():
    repeated = conditions.replicates(table(ROWS))
    assert repeated["replicate"].tolist() == ["B02", "B03", "C02", "C03", "C04"]
    assert repeated["value"].tolist() == [12, 8, 5, 3, 4]
    assert repeated["recordings"].tolist() == [2, 1, 1, 1, 1]


def test_recordings_are_replicates_where_no_well_is_named():
    repeated = conditions.replicates(table(ROWS).assign(well=""))
    assert len(repeated) == 6


def test_means_have_students_interval_over_wells():
    summary = conditions.summarise(conditions.replicates(table(ROWS))).set_index("condition")
    assert summary.loc["drug", "mean"] == 4
    reach = stats.t.ppf(0.975, 2) * 1 / math.sqrt(3)
    assert summary.loc["drug", ["low", "high"]].tolist() == pytest.approx([4 - reach, 4 + reach])
    assert summary.loc["control", "low"] == 0  # a speed is not negative
    assert summary["replicates"].tolist() == [2, 3]
    assert summary["recordings"].tolist() == [3, 3]


def test_differences_are_welchs():
    (row,) = conditions.compare(conditions.replicates(table(ROWS))).to_dict("records")
    expected = stats.ttest_ind([12, 8], [5, 3, 4], equal_var=False)
    assert row["difference"] == 6
    assert row["p"] == row["p_holm"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected.confidence_interval()))


def test_pairs_are_corrected_for_their_number():
    third = [(f"f{n}", "other", f"D0{n}", float(n)) for n in (2, 3, 4)]
    found = conditions.compare(conditions.replicates(table(ROWS + third)))
    assert len(found) == 3
    assert found["p_holm"].min() == pytest.approx(3 * found["p"].min())


def test_one_replicate_claims_nothing():
    repeated = conditions.replicates(table(ROWS[:4]))
    summary = conditions.summarise(repeated).set_index("condition")
    assert math.isnan(summary.loc["drug", "low"])
    (row,) = conditions.compare(repeated).to_dict("records")
    assert row["difference"] == 5 and math.isnan(row["p"]) and math.isnan(row["low"])


def test_the_mean_doubling_time_is_that_of_the_mean_growth():
    growths = table([("a", "", "", 2.0), ("b", "", "", 1.0), ("c", "", "", 1.5)], "growth", "doublings/day")
    summary = conditions.summarise(conditions.replicates(growths)).set_index("measure")
    assert summary.loc["doubling", "mean"] == pytest.approx(16)
    assert summary.loc["doubling", "unit"] == "h"
    assert summary.loc["doubling", "low"] == pytest.approx(24 / summary.loc["growth", "high"])
    assert summary.loc["doubling", "high"] == pytest.approx(24 / summary.loc["growth", "low"])


@pytest.mark.parametrize("values", [(0.5, -0.4, 0.1), (-1.0, -1.1, -0.9)])
def test_there_is_no_doubling_time_without_growth(values):
    growths = table([(str(n), "", "", each) for n, each in enumerate(values)], "growth", "doublings/day")
    summary = conditions.summarise(conditions.replicates(growths)).set_index("measure")
    assert math.isnan(summary.loc["doubling", "mean"])
    assert summary.loc["doubling", "high"] == math.inf


def test_cycles_that_were_seen_in_some_recordings_alone_have_no_mean():
    """They were seen where they were short."""
    rows = [
        ("a", "control", "", 12.0),
        ("b", "control", "", np.nan),
        ("c", "drug", "", 20.0),
        ("d", "drug", "", 22.0),
    ]
    repeated = conditions.replicates(table(rows, "cycle", "h"))
    assert repeated["condition"].tolist() == ["drug", "drug"]
    speeds = conditions.replicates(table(rows, "speed"))
    assert speeds["condition"].tolist() == ["control", "drug", "drug"]
