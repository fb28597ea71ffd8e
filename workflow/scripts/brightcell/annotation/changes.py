"""Say what a person changed in predicted cells, and what that says of the prediction."""

import numpy as np
import pandas as pd

from brightcell.metrics import objects
from brightcell.metrics.matching import match_cells


def changes(predicted: np.ndarray, corrected: np.ndarray) -> dict[str, float]:
    """Count what was changed in a crop.

    Parameters
    ----------
    predicted, corrected : int (height, width)
        0 is background; pixels where `corrected` is below 0 do not count.

    Returns
    -------
    dict
        cells_before and cells_after. Every predicted cell is of one kind, and so is every corrected one: split: predicted
        cells that hold more than half of two or more corrected ones; merged: corrected cells in which two or more predicted
        ones lie for the most part; of all others, added and removed have no partner of IoU 0.5 or more, outlined_anew
        have one that differs, unchanged one that does not. ap50: of the prediction, against the corrected cells.

    >>> changes(np.array([[1, 1, 0, 2, 2, 0, 3]]), np.array([[1, 2, 0, 4, 4, 0, 0]]))["split"]
    1
    """
    cells = match_cells(corrected, predicted)
    of_before, of_after = len(cells.predicted_ids), len(cells.truth_ids)
    holds = np.bincount(cells.column[cells.covers], minlength=of_before)
    held = np.bincount(cells.row[cells.covered], minlength=of_after)
    split, merged = holds > 1, held > 1
    of_split, of_merged = np.zeros(of_after, bool), np.zeros(of_before, bool)
    of_split[cells.row[cells.covers & split[cells.column]]] = True
    of_merged[cells.column[cells.covered & merged[cells.row]]] = True
    left = ~(split | of_merged)[cells.column] & ~(merged | of_split)[cells.row]
    pairs = cells.matched(0.5) & left
    same = pairs & (cells.iou == 1)
    found = int(np.count_nonzero(pairs))
    return {
        "cells_before": of_before,
        "cells_after": of_after,
        "added": int(np.count_nonzero(~(merged | of_split))) - found,
        "removed": int(np.count_nonzero(~(split | of_merged))) - found,
        "split": int(np.count_nonzero(split)),
        "merged": int(np.count_nonzero(merged)),
        "outlined_anew": found - int(np.count_nonzero(same)),
        "unchanged": int(np.count_nonzero(same)),
        "ap50": objects.average_precision(objects.count_cells(cells), 0.5),
    }


COUNTS = ("added", "removed", "split", "merged", "outlined_anew", "unchanged")
COLUMNS = ("cells_before", "cells_after", *COUNTS, "ap50")


def in_words(table: pd.DataFrame) -> str:
    """Say what was changed in all crops together; table : the rows of `changes`.

    >>> row = {"added": 2, "removed": 0, "split": 1, "merged": 0, "outlined_anew": 3, "unchanged": 40}
    >>> in_words(pd.DataFrame([row]))
    'cells added: 2, removed: 0, split: 1, merged: 0, outlined anew: 3, unchanged: 40'
    """
    return "cells " + ", ".join(f"{name.replace('_', ' ')}: {int(table[name].sum())}" for name in COUNTS)
