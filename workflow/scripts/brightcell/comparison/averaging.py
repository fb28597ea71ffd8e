"""Average scores as every mean and figure here does: seeds within a frame, frames within a group, then the groups.

The group (a time-lapse, a field, an experiment) is the unit: frames of one group resemble each other, and seeds are
repetitions of one training. A score that is NaN is left out at every step. Rows keep the order in which they first
appear, unless sorted. `of` names the columns that are never averaged over.
"""

from collections.abc import Iterable

import pandas as pd

NETWORK = ("scheme", "network")


def average_seeds(scores: pd.DataFrame, columns: Iterable[str], of: Iterable[str] = NETWORK) -> pd.DataFrame:
    """Average seeds, and folds where a frame is tested in several: a row for each of `of`, sample and group."""
    return _average(scores, columns, [*of, "sample", "group"])


def average_frames(
    frames: pd.DataFrame, columns: Iterable[str], of: Iterable[str] = NETWORK, sort: bool = False
) -> pd.DataFrame:
    """Average the frames of `average_seeds`: a row for each of `of` and group, sorted by them on request."""
    return _average(frames, columns, [*of, "group"], sort)


def average_groups(scores: pd.DataFrame, columns: Iterable[str], of: Iterable[str] = NETWORK) -> pd.DataFrame:
    """Average seeds, then frames, then groups: a row for each of `of`.

    >>> scores = {"seed": [1, 2, 1, 1], "sample": list("aabc"), "group": list("gggh"), "ap50": [0.2, 0.4, 0.5, 1]}
    >>> average_groups(pd.DataFrame(scores).assign(scheme="grouped", network="simple"), ["ap50"])["ap50"].tolist()
    [0.7]
    """
    columns = list(columns)
    groups = average_frames(average_seeds(scores, columns, of), columns, of)
    return _average(groups, columns, [*of])


def _average(
    table: pd.DataFrame, columns: Iterable[str], keys: list[str], sort: bool = False
) -> pd.DataFrame:
    return table.groupby(keys, sort=sort, as_index=False)[list(columns)].mean()


def pair_frames(frames: pd.DataFrame, score: str) -> pd.DataFrame:
    """Lay the frames of `average_seeds` of one scheme side by side: a row a group and sample, a column a network."""
    return frames.pivot(index=["group", "sample"], columns="network", values=score)


def group_differences(paired: pd.DataFrame, a: str, b: str) -> pd.Series:
    """Subtract network `b` from `a` frame by frame and average the frames: a value a group.

    `paired` comes from `pair_frames`. NaN for a group without a frame that has a score of both.
    """
    return (paired[a] - paired[b]).groupby(level="group").mean()
