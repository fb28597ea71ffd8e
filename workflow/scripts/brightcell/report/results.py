"""Read the results of a study: what the rule `report` is given, brought into one `page.ReportData`."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from brightcell import files
from brightcell.comparison.averaging import average_groups
from brightcell.comparison.sentences import verdict_by_scheme
from brightcell.compute import accounting
from brightcell.contestants import every_run
from brightcell.folds import missing_trainings
from brightcell.instances import regionprops
from brightcell.io import stacks
from brightcell.metrics.registry import METRICS

from .figure_tables import RUN, TRUTH
from .gallery import GalleryFrame, choose_frames
from .page import BASELINE, ReportData
from .record import describe

OPTIONAL = ("curves", "reliability", "published", "leakage", "jobs", "accounting", "watersheds")
CELL_COLUMNS = ["sample", "truth_area_px", "predicted_area_px"]
# This many true cells show the distribution of shapes; measuring all would take longest of all steps.
SHAPE_CELLS = 500


def read_results(inputs: Any, config: dict, dataset: str) -> ReportData:
    """Read the files that `inputs` names, as the rule `report` does; those of OPTIONAL, `preflight` and `expected` may be absent."""
    summary, differences, scores, findings, folds, samples, baseline = (
        files.read_table(path)
        for path in (
            *(inputs.summary, inputs.differences, inputs.scores),
            *(inputs.findings, inputs.folds, inputs.samples, inputs.baseline),
        )
    )
    optional = {
        name: files.read_table(path) if (path := getattr(inputs, name, None)) else pd.DataFrame()
        for name in OPTIONAL
    }
    jobs, accounts = optional.pop("jobs"), optional.pop("accounting")
    found = files.read_json(path) if (path := getattr(inputs, "preflight", None)) else None
    recipes = [files.read_json(path) | run_of(path) for path in inputs.recipes]
    speeds = [run_of(path) | files.read_json(path)["test"] for path in inputs.speeds]
    frames, truth = (stacks.listed_groups(inputs.prepared, kind) for kind in ("frames", "truth"))
    settings, comparison = config["report"], config["comparison"]
    left_out = missing_trainings(every_run(config), scores)
    titles = {network: f"{network.replace('_', ' ')} U-Net" for network in config["networks"]}
    tools = {recipe["network"]: recipe["title"] for recipe in recipes if "title" in recipe}
    said, more, others = verdict_by_scheme(
        differences,
        summary,
        comparison["confidence"],
        optional["leakage"],
        comparison.get("primary"),
        {network: f"the {title}" for network, title in titles.items()} | tools,
        left_out,
        config["contestants"],
    )
    return ReportData(
        dataset=dataset,
        title=settings["title"],
        titles=titles | _single(tools),
        summary=summary,
        scores=scores,
        verdict=said,
        details=more,
        verdicts=others,
        missing=left_out,
        differences=differences,
        history=read_runs(inputs.histories),
        recipes=recipes,
        speeds=pd.DataFrame(speeds),
        calibrations=read_runs(inputs.calibrations),
        cells=read_runs(inputs.cells, CELL_COLUMNS),
        shapes=measure_shapes(scores, samples, inputs.labels, truth),
        findings=findings,
        folds=folds,
        expected=files.read_tables(paths) if (paths := getattr(inputs, "expected", [])) else pd.DataFrame(),
        samples=samples,
        jobs=accounting.summarise_jobs(jobs),
        accounting=accounting.summarise(accounts) if len(accounts) else accounts,
        gallery=read_gallery(scores, samples, inputs.labels, frames, truth, settings["frames"]),
        baseline=average_baseline(baseline, scores),
        config=config,
        provenance=describe(recipes, scores, found),
        **optional,
    )


def _single(titles: dict[str, str]) -> dict[str, str]:
    """Leave out titles that several have, which would not tell them apart."""
    number = Counter(titles.values())
    return {name: title for name, title in titles.items() if number[title] == 1}


def run_of(path: str | Path) -> dict:
    """Read scheme, network, fold and seed off `…/models/{scheme}/{network}/fold{fold}-seed{seed}/…`.

    >>> run_of("results/d/models/grouped/simple/fold2-seed1/predictions/speed.json")
    {'scheme': 'grouped', 'network': 'simple', 'fold': 2, 'seed': 1}
    """
    parts = Path(path).parts
    scheme, network, run = parts[(at := len(parts) - parts[::-1].index("models")) : at + 3]
    fold, seed = run.removeprefix("fold").split("-seed")
    return {"scheme": scheme, "network": network, "fold": int(fold), "seed": int(seed)}


def read_runs(paths: list, columns: list[str] | None = None) -> pd.DataFrame:
    """Read one table a run into one, with the run in front."""
    tables = [files.read_table(path) for path in paths]
    tables = [
        (table if columns is None else table[columns]).assign(**run_of(path))
        for path, table in zip(paths, tables, strict=True)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=[*RUN, *(columns or [])])


def average_baseline(baseline: pd.DataFrame, scores: pd.DataFrame) -> dict[str, float]:
    """Average the scores of the untrained threshold on the frames that were tested, as those of networks are."""
    tested = baseline[baseline["sample"].isin(scores["sample"])].assign(network=BASELINE)
    known = [score for score in METRICS if score in tested]
    return next(iter(average_groups(tested, known, ["network"])[known].to_dict("records")), {})


def read_gallery(
    scores: pd.DataFrame, samples: pd.DataFrame, labels: list, frames: list, truth: list, number: int
) -> list[GalleryFrame]:
    """Read the frames to show of every scheme, as the first run of each network that tested them."""
    path_of = {tuple(run_of(path).values()): path for path in labels}
    scores = scores.sort_values(["seed", "fold"], kind="stable")
    chosen = {scheme: choose_frames(part, number) for scheme, part in scores.groupby("scheme", sort=False)}
    rows = samples[samples["sample"].isin([sample for named in chosen.values() for _, sample in named])]
    pictures, truths = (stacks.read_named(paths, rows) for paths in (frames, truth))
    rows = rows.set_index("sample")
    shown = []
    for scheme, named in chosen.items():
        tested = scores[scores["scheme"] == scheme].drop_duplicates(["sample", "network"])
        tested = tested[tested["sample"].isin([sample for _, sample in named])]
        predictions = read_labels(path_of, tested)
        for rank, sample in named:
            own = tested[tested["sample"] == sample]
            shown.append(
                GalleryFrame(
                    rank=rank,
                    scheme=scheme,
                    sample=sample,
                    group=rows.at[sample, "group"],
                    image=pictures[sample],
                    truth=truths[sample][..., 0],
                    predictions={network: predictions[network, sample] for network in own["network"]},
                    scores=own.set_index("network")["cell_iou"].to_dict(),
                    run=f"fold {own['fold'].iloc[0]}, seed {own['seed'].iloc[0]}",
                    instances="mask_type" not in rows or rows.at[sample, "mask_type"] == "instances",
                )
            )
    return shown


def read_labels(path_of: dict, tested: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Read the label images of the frames tested, by (network, sample); each file once."""
    pages: dict[tuple[str, str], np.ndarray] = {}
    for run, part in tested.groupby(RUN, sort=False):
        stack = stacks.read_stack(path_of[run], part["sample"])
        pages |= {(run[1], sample): labels for sample, labels in stack.items()}
    return pages


def measure_shapes(scores: pd.DataFrame, samples: pd.DataFrame, labels: list, truth: list) -> pd.DataFrame:
    """Measure cells of test frames at even distances, in the truth and in the first run of each network.

    Columns scheme, network or TRUTH, sample, eccentricity, solidity. As many frames of a scheme as hold SHAPE_CELLS
    true cells; frames without instance truth are left out.
    """
    path_of = {tuple(run_of(path).values()): path for path in labels}
    if "mask_type" in samples:
        samples = samples[samples["mask_type"] == "instances"]
    found = []
    for scheme, part in scores.sort_values(["seed", "fold"], kind="stable").groupby("scheme", sort=False):
        rows = samples[samples["sample"].isin(part["sample"])]
        number = int(np.ceil(SHAPE_CELLS / max(1.0, rows["cells"].mean()))) if len(rows) else 0
        rows = rows.iloc[np.unique(np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(int))]
        tested = part[part["sample"].isin(rows["sample"])].drop_duplicates(["sample", "network"])
        pages = {
            (TRUTH, name): np.maximum(page[..., 0], 0) for name, page in stacks.iterate_named(truth, rows)
        }
        for (network, sample), page in (pages | read_labels(path_of, tested)).items():
            found.append(regionprops.shapes(page).assign(scheme=scheme, network=network, sample=sample))
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()
