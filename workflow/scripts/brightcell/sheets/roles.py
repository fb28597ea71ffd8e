"""Select samples by their role in a fold.

This is not in `folds`, so that an edit of how folds are made retrains no network whose frames stay the same.
"""

import pandas as pd


def rows_in_role(
    samples: pd.DataFrame, folds: pd.DataFrame, scheme: str, fold: int, role: str
) -> pd.DataFrame:
    """Return the rows of `samples` with a role in a fold of a scheme."""
    chosen = (folds["scheme"] == scheme) & (folds["fold"] == fold) & (folds["role"] == role)
    return samples[samples["sample"].isin(folds.loc[chosen, "sample"])]
