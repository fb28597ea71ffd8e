"""Compare the watersheds: means over groups, and paired differences."""

import pandas as pd

from brightcell.instances.variants import SCORES, VARIANTS

from . import differences

COLUMNS = (
    *("scheme", "network", "score", "variant", "minus", "mean", "low", "high", "p", "p_holm"),
    *("groups", "frames"),
)


def compare_watersheds(
    scored: pd.DataFrame, draws: int = 10000, confidence: float = 0.95, seed: int = 1
) -> pd.DataFrame:
    """Return each variant's mean of every score over groups, and the paired differences between variants.

    Parameters
    ----------
    scored : DataFrame
        Those of `variants.score_watersheds` of all trainings, with the columns scheme, network, fold and seed.
    draws, confidence, seed
        Of the intervals, see `comparison.summarise`.

    Returns
    -------
    DataFrame
        `COLUMNS`. `minus` is empty where `mean` is that of a variant, else it names the variant that was subtracted,
        frame by frame and then group by group. `low` to `high` is its interval and p its test, as in
        `comparison.compare` for ways to use the same trainings; p_holm is corrected for the pairs of variants of the same
        network and score.
    """
    found = [pd.DataFrame(columns=list(COLUMNS))]
    for network, own in scored.groupby("network", sort=False):
        variants = own.drop(columns="network").rename(columns={"variant": "network"})
        # the last variant comes first, so that differences are its gains over the earlier ones
        variants = variants.sort_values("network", key=_rank, ascending=False, kind="stable")
        means = differences.summarise(variants, SCORES, draws, confidence, seed)
        means = means.rename(columns={"network": "variant"})
        pairs = differences.compare(variants, SCORES, draws, confidence, seed, same_trainings=True).rename(
            columns={"network_a": "variant", "network_b": "minus", "difference": "mean"}
        )
        pairs = pairs.merge(means[["scheme", "score", "variant", "frames"]], how="left")
        found += [part.assign(network=network) for part in (means.assign(minus=""), pairs) if len(part)]
    table = pd.concat(found[1:] or found, ignore_index=True)
    return table.reindex(columns=list(COLUMNS)).sort_values(
        ["scheme", "network", "score", "minus", "variant"],
        key=lambda names: names if names.name in ("scheme", "network") else _rank(names),
        kind="stable",
        ignore_index=True,
    )


def _rank(names: pd.Series) -> pd.Series:
    """Return the positions of scores and variants in their lists; names in neither come first."""
    return names.map({name: rank for rank, name in enumerate((*SCORES, *VARIANTS))}).fillna(-1)
