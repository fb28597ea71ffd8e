"""Choose samples by their role in a fold.

Apart from `folds`, so that an edit of how folds are made trains no network anew whose frames stay the same.
"""

import pandas as pd


def rows_in_role(
    samples: pd.DataFrame, folds: pd.DataFrame, scheme: str, fold: int, role: str
) -> pd.DataFrame:
    """Choose the rows of `samples` that have a role in a fold of a scheme."""
    chosen = (folds["scheme"] == scheme) & (folds["fold"] == fold) & (folds["role"] == role)
    return samples[samples["sample"].isin(folds.loc[chosen, "sample"])]
