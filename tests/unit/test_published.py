"""The table in tests/data holds the confusion shares of the 100 test images of the residual attention
U-Net, from the matrices that accompany Ghaznavi et al. 2022, doi 10.1016/j.compbiomed.2022.105805."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brightcell.errors import InputError
from brightcell.published import confusion_row, invert, running_mean, score_images, summarise

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
