"""Tables of scores with known means, as the rule `score` writes them, for tests of the comparison."""

import pandas as pd


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
