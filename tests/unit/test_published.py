"""The table in tests/data holds the confusion shares of the 100 test images of the residual attention
U-Net, from the matrices that accompany Ghaznavi et al. 2022, doi 10.1016/j.compbiomed.2022.105805."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brightcell.errors import InputError
from brightcell.metrics.registry import pixel_scores
from brightcell.published import (
    EXPLANATION,
    TABLE_COLUMNS,
    compare_protocols,
    confusion_row,
    confusion_table,
    invert,
    rename,
    running_mean,
    score_images,
    summarise,
)

TABLE = Path(__file__).parents[1] / "data" / "ghaznavi2022_confusion.csv"


@pytest.fixture(scope="module")
def confusion():
    return pd.read_csv(TABLE)


@pytest.mark.parametrize(
    ("name", "printed"),
    [("iou", 0.9531), ("dice", 0.9758), ("recall", 0.9656), ("precision", 0.9865), ("accuracy", 0.9599)],
)
def test_printed_figures_come_out(confusion, name, printed):
    assert summarise(confusion)[f"published_{name}"] == pytest.approx(printed, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("background_iou", 0.9524),
        ("cell_iou", 0.745),
        ("cell_dice", 0.852),
        ("cell_recall", 0.798),
        ("cell_precision", 0.923),
        ("mean_iou", 0.849),
        ("all_background_accuracy", 0.847),
    ],
)
def test_figures_of_the_cells(confusion, name, value):
    assert summarise(confusion)[name] == pytest.approx(value, abs=5e-4)


def test_printed_iou_and_dice_are_those_of_the_background(confusion):
    # the same image repeated: weights do not matter
    same = pd.concat([confusion.iloc[[7]]] * 5)
    figures = summarise(same)
    assert figures["published_iou"] == pytest.approx(figures["background_iou"])
    assert figures["published_precision"] == pytest.approx(figures["cell_specificity"])
    assert figures["published_accuracy"] == pytest.approx(figures["accuracy"])


def test_the_first_image_weighs_most():
    means = running_mean(pd.DataFrame({"iou": [1.0, 0.0, 0.0, 0.0]}))
    assert means["iou"] == pytest.approx(4 / (4 + 3 + 2 + 1))


def test_running_list_written_out(confusion):
    scores = score_images(invert(confusion))["cell_iou"].to_list()
    running = [score for length in range(1, 101) for score in scores[:length]]
    assert summarise(confusion)["published_iou"] == pytest.approx(np.mean(running))


def test_a_prediction_without_cells_reaches_the_share_of_the_background():
    truth = np.zeros((10, 10), bool)
    truth[:2, :5] = True
    figures = summarise(pd.DataFrame([confusion_row(truth, np.zeros_like(truth))] * 3))
    assert figures["published_iou"] == figures["published_accuracy"] == pytest.approx(0.9)
    assert figures["all_background_accuracy"] == pytest.approx(0.9)
    assert figures["cell_iou"] == 0


def test_row_of_two_masks():
    truth, predicted = np.zeros((2, 10, 10), int)
    truth[0:4, 0:5] = 3
    predicted[2:5, 0:5] = 1
    assert confusion_row(truth, predicted) == {"TPbg": 0.75, "FNcell": 0.1, "FPcell": 0.05, "TPcell": 0.1}


def test_images_without_cells_and_without_predicted_cells_are_perfect():
    empty = np.zeros((4, 4), bool)
    figures = summarise(pd.DataFrame([confusion_row(empty, empty)]))
    assert figures["cell_iou"] == figures["published_iou"] == 1


def test_other_tables_are_refused():
    with pytest.raises(InputError, match="TPbg"):
        summarise(pd.DataFrame({"tp": [1.0]}))
    with pytest.raises(InputError, match="0 rows"):
        summarise(pd.DataFrame(columns=["TPbg", "FNcell", "FPcell", "TPcell"]))


def test_swapped_names():
    # of 100 pixels 70 are background; 10 of the 30 of cells are missed, 5 of the background invented
    image = pd.DataFrame([{"TPbg": 0.65, "FNcell": 0.1, "FPcell": 0.05, "TPcell": 0.2}])
    figures = summarise(image)
    assert figures["published_recall"] == pytest.approx(65 / 75)  # precision of the background
    assert figures["published_precision"] == pytest.approx(65 / 70)  # its recall
    assert figures["published_iou"] == pytest.approx(65 / 80)
    assert figures["published_dice"] == pytest.approx(130 / 145)
    assert figures["cell_recall"] == pytest.approx(20 / 30)
    assert figures["cell_precision"] == pytest.approx(20 / 25)
    assert list(rename(score_images(invert(image)))) == ["iou", "dice", "recall", "precision", "accuracy"]


def curve_rows(confusion, network="simple", seed=1, size=1_000_000):
    """Counts at three thresholds, as `score` writes them; those of the confusion table at 0.55."""
    counts = {"pixels_tn": "TPbg", "pixels_fn": "FNcell", "pixels_fp": "FPcell", "pixels_tp": "TPcell"}
    rows = pd.DataFrame({name: confusion[column] * size for name, column in counts.items()})
    rows = rows.assign(
        scheme="sheet", network=network, fold=1, seed=seed, group="g",
        sample=[f"s{number:03d}" for number in range(len(rows))],
    )  # fmt: skip
    nothing = rows.assign(pixels_tp=0.0, pixels_fp=0.0, pixels_fn=size * 0.2, pixels_tn=size * 0.8)
    return pd.concat(
        [rows.assign(threshold=0.55), nothing.assign(threshold=0.5), nothing.assign(threshold=0.6)],
        ignore_index=True,
    )


def test_protocols_of_predictions_are_those_of_the_study(confusion):
    rows = curve_rows(confusion)
    made = compare_protocols(rows.sample(frac=1, random_state=0), sorted(rows["sample"].unique()))
    assert made.columns.tolist() == TABLE_COLUMNS
    row = made.iloc[0]
    expected = summarise(confusion)
    assert row["frames"] == 100
    for name in TABLE_COLUMNS[3:]:
        assert row[name] == pytest.approx(expected[name], abs=1e-5)  # the shares are rounded


def test_the_sheet_orders_the_running_list(confusion):
    rows = curve_rows(confusion.iloc[:30])
    order = sorted(rows["sample"].unique())
    forward, backward = (compare_protocols(rows, names).iloc[0] for names in (order, order[::-1]))
    assert backward["published_iou"] == pytest.approx(
        summarise(confusion.iloc[:30].iloc[::-1])["published_iou"]
    )
    assert abs(forward["published_iou"] - backward["published_iou"]) > 1e-4
    assert forward["cell_iou"] == pytest.approx(backward["cell_iou"])


def test_every_seed_is_a_study(confusion):
    seeds = [confusion.iloc[:50].reset_index(drop=True), confusion.iloc[50:].reset_index(drop=True)]
    rows = pd.concat([curve_rows(table, seed=seed) for seed, table in enumerate(seeds)])
    rows = pd.concat([rows, curve_rows(confusion, network="attention")])
    made = compare_protocols(rows, sorted(rows["sample"].unique())).set_index("network")
    assert made.index.tolist() == ["simple", "attention"]
    assert made["frames"].tolist() == [50, 100]
    expected = np.mean([summarise(table)["published_iou"] for table in seeds])
    assert made.at["simple", "published_iou"] == pytest.approx(expected)


def test_counts_at_the_threshold_are_those_of_the_masks():
    rng = np.random.default_rng(1)
    truth, probability = rng.random((20, 20)) > 0.7, rng.random((20, 20))
    scores = pixel_scores(truth, probability > 0.55)
    row = pd.DataFrame([{"threshold": 0.55} | {key: scores[key] for key in scores if key[:7] == "pixels_"}])
    expected = confusion_row(truth, probability > 0.55)
    assert confusion_table(row).iloc[0][list(expected)].to_dict() == pytest.approx(expected)


def test_curves_without_the_threshold_are_refused(confusion):
    rows = curve_rows(confusion)
    with pytest.raises(InputError, match=r"0\.5, 0\.6\. Expected 0\.55"):
        confusion_table(rows[rows["threshold"] != 0.55])


def test_the_explanation_is_one_paragraph_of_plain_text():
    assert "\n" not in EXPLANATION
    assert not set("<>*`") & set(EXPLANATION)
