"""Draw studies whose truth is known, and count what the comparison says of them.

    python benchmarks/comparison/error_rates.py                  # 400 studies a row, about 15 minutes of one core
    python benchmarks/comparison/error_rates.py --studies 2000 --kinds null power

null : three equal networks; the share of studies in which one is called better than another. A training has luck of
standard deviation st, a network likes or dislikes a group by sg = 0.01; phi is the luck of a fold's training data.
power : network a is better by 0.02; the share of studies in which it is called better than b.
coverage : how often the interval of the difference holds the true mean, by the shape of the groups' differences.
pairs FILE : a table of scores of one network with many seeds (columns of scores.tsv); seeds against seeds, two by two.

"groups alone" is the rule that takes the groups for independent: the bootstrap interval over groups leaves out zero and
the sign-flip test, corrected by Holm, is below 0.05.
"""

import argparse
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import special

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from brightcell.comparison.differences import compare  # noqa: E402
from brightcell.comparison.sentences import judge  # noqa: E402
from brightcell.comparison.significance import holm, sign_flip_test  # noqa: E402

SPREAD = 0.01  # sg
DRAWS = 2000
NULL = (
    *((8, 4, 1, luck, 0.0) for luck in (0.5, 1, 2)),
    *((24, 3, 1, luck, 0.0) for luck in (0.5, 1)),
    *((12, 1, 1, luck, 0.0) for luck in (0.5, 1)),
    *((12, 1, 3, luck, 0.0) for luck in (0.5, 1)),
    *((24, 3, 3, luck, 0.0) for luck in (0.5, 1, 2)),
    *((8, 4, 3, luck, 0.0) for luck in (0.5, 1)),
    *((12, 3, 3, luck, 0.0) for luck in (0.5, 1)),
    *((groups, folds, 3, 0.5, 0.5) for groups, folds in ((24, 3), (8, 4), (12, 3))),
)
POWER = ((24, 3, 3, 0.5, 0.0), (8, 4, 3, 0.0, 0.0), (12, 3, 3, 1, 0.0), (24, 3, 3, 0.5, 0.5))
KINDS = {
    "normal": lambda rng, size: rng.normal(0, 1, size),
    "uniform": lambda rng, size: rng.uniform(-1, 1, size),
    "heavy tails (t with 3 degrees of freedom)": lambda rng, size: rng.standard_t(3, size),
    "one group in ten fails (10 times the spread lower)": lambda rng, size: (
        rng.normal(0, 1, size) - 10 * (rng.random(size) < 0.1) + 1
    ),
}


def draw(
    rng, groups: int, folds: int, seeds: int, luck: float, of_folds: float, effect: float = 0.0
) -> pd.DataFrame:
    """Return the scores of a study of three networks, one frame a group; `luck` and `of_folds` in units of SPREAD."""
    fold = np.arange(groups) % folds
    lucky = rng.normal(0, luck * SPREAD, (3, folds, seeds)) + rng.normal(0, of_folds * SPREAD, (3, folds, 1))
    liked = rng.normal(0, SPREAD, (3, groups))
    scores = 0.7 + lucky[:, fold, :] + liked[..., None] + effect * (np.arange(3) == 0)[:, None, None]
    index = pd.MultiIndex.from_product(
        [list("abc"), range(groups), range(1, seeds + 1)], names=["network", "group", "seed"]
    )
    table = pd.DataFrame({"cell_iou": scores.ravel()}, index=index).reset_index()
    name = "g" + table["group"].astype(str)
    return table.assign(scheme="grouped", fold=fold[table["group"]] + 1, sample=name, group=name)


def groups_alone(scores: pd.DataFrame) -> list[bool]:
    """Return of every pair whether the rule over groups alone calls one better."""
    wide = scores.groupby(["network", "group"])["cell_iou"].mean().unstack("network")
    values = [(wide[a] - wide[b]).to_numpy() for a, b in combinations(wide, 2)]
    size = len(wide)
    tail = special.ndtr(np.sqrt(size / (size - 1)) * special.stdtrit(size - 1, 0.025))
    drawn = np.random.default_rng(1).multinomial(size, np.full(size, 1 / size), DRAWS) / size
    clear = [bool(np.prod(np.sign(np.quantile(drawn @ each, [tail, 1 - tail]))) > 0) for each in values]
    p = holm(np.array([sign_flip_test(each, DRAWS) for each in values]))
    return [one and other <= 0.05 for one, other in zip(clear, p, strict=True)]


def two_levels(scores: pd.DataFrame) -> list[bool]:
    """Return of every pair whether the comparison calls one better."""
    return [judge(row) == "better" for _, row in compare(scores, ["cell_iou"], draws=100).iterrows()]


def error_rates(rows: tuple, studies: int, effect: float) -> None:
    """Print a row a kind of study: the share that says "is better" (of any pair; with an effect, of a over b)."""
    print(
        "| groups | folds | seeds | st / sg | phi / sg | groups alone | two levels |\n|---:|---:|---:|---:|---:|---:|---:|"
    )
    for number, (groups, folds, seeds, luck, of_folds) in enumerate(rows):
        counts = np.zeros(2)
        for study in range(studies):
            scores = draw(
                np.random.default_rng([number, study]), groups, folds, seeds, luck, of_folds, effect
            )
            for place, rule in enumerate((groups_alone, two_levels)):
                said = rule(scores)
                counts[place] += said[0] if effect else any(said)
        shown = " | ".join(f"{share:.3f}" for share in counts / studies)
        print(f"| {groups} | {folds} | {seeds} | {luck:g} | {of_folds:g} | {shown} |", flush=True)


def coverage(studies: int) -> None:
    """Print how often the interval holds the true mean of 0, and how often a network is called better, by kind."""
    print("| differences of the groups | groups | interval holds | called better |\n|---|---:|---:|---:|")
    for kind, make in KINDS.items():
        for groups in (6, 8, 12, 24):
            held = better = 0
            for study in range(studies):
                rng = np.random.default_rng([groups, study])
                scores = draw(rng, groups, min(4, groups), 3, 0.0, 0.0)
                own = scores["network"] == "a"
                scores = scores[own | (scores["network"] == "b")].assign(cell_iou=0.7)
                values = SPREAD * make(rng, groups)
                places = scores["group"].str[1:].astype(int).to_numpy()
                scores["cell_iou"] += values[places] * (scores["network"] == "a")
                row = compare(scores, ["cell_iou"], draws=100).iloc[0]
                held += row["low"] <= 0 <= row["high"]
                better += judge(row) == "better"
            print(f"| {kind} | {groups} | {held / studies:.3f} | {better / studies:.3f} |", flush=True)


def real_pairs(path: Path) -> None:
    """Print how often a network is called better than itself: seeds in halves, all ways to choose them."""
    scores = pd.read_csv(path, sep="\t")
    for network, own in scores.groupby("network"):
        seeds = sorted(own["seed"].unique())
        size, said = len(seeds) // 2, []
        for half in combinations(seeds, size):
            for other in combinations([seed for seed in seeds if seed not in half], size):
                if half > other:
                    continue
                parts = [
                    own[own["seed"].isin(chosen)].assign(network=name)
                    for name, chosen in (("a", half), ("b", other))
                ]
                for part in parts:
                    part["seed"] = part["seed"].rank(method="dense").astype(int)
                said.append((any(groups_alone(pd.concat(parts))), any(two_levels(pd.concat(parts)))))
        alone, both = np.mean(said, axis=0)
        print(
            f"{network}: {len(said)} pairs of {size} seeds: groups alone {alone:.2f}, two levels {both:.2f}"
        )


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument(
        "--kinds", nargs="+", choices=("null", "power", "coverage"), default=("null", "power", "coverage")
    )
    parser.add_argument("--pairs", type=Path)
    options = parser.parse_args()
    start = time.perf_counter()
    if options.pairs:
        real_pairs(options.pairs)
        return
    for kind in options.kinds:
        print(f"\n{kind}, {options.studies} studies a row\n")
        if kind == "coverage":
            coverage(options.studies)
        else:
            error_rates(NULL if kind == "null" else POWER, options.studies, 0.02 if kind == "power" else 0.0)
    print(f"\n{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
