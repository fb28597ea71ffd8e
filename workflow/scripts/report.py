"""Write the report and the tables behind its figures."""

import logging
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from brightcell import files, images, provenance, report, stats
from brightcell.jobs import job

logger = logging.getLogger("brightcell")

NAMES = ("scheme", "network", "sample", "group")
# One score of pixels and one of cells say enough in words; the tables hold the others.
IN_WORDS = ("cell_iou", "ap50")


def run_of(path: str | Path) -> dict:
    """Read scheme, network, fold and seed off `…/models/{scheme}/{network}/fold{fold}-seed{seed}/file`.

    >>> run_of("results/d/models/grouped/simple/fold2-seed1/history.csv")
    {'scheme': 'grouped', 'network': 'simple', 'fold': 2, 'seed': 1}
    """
    scheme, network, run = Path(path).parts[-4:-1]
    fold, seed = run.removeprefix("fold").split("-seed")
    return {"scheme": scheme, "network": network, "fold": int(fold), "seed": int(seed)}


def mean_over_groups(table: pd.DataFrame) -> dict[str, float]:
    """Average the scores of frames to groups, and the groups, as the networks' scores are averaged."""
    numbers = table.select_dtypes("number").columns
    return table.groupby("group")[list(numbers)].mean().mean().to_dict()


def read_gallery(
    scores: pd.DataFrame, samples: pd.DataFrame, labels: list, frames: list, truth: list, number: int
) -> list[report.GalleryFrame]:
    """Read the frames to show, in the first scheme, as the first run of each network that tested them."""
    scheme = scores["scheme"].iloc[0]
    scores = scores[scores["scheme"] == scheme].sort_values(["seed", "fold"], kind="stable")
    chosen = report.choose_frames(scores, number)
    rows = samples[samples["sample"].isin([sample for _, sample in chosen])]
    pictures, truths = (images.read_named(paths, rows) for paths in (frames, truth))
    path_of = {tuple(run_of(path).values()): path for path in labels}
    rows = rows.set_index("sample")
    shown = []
    for rank, sample in chosen:
        tested = scores[scores["sample"] == sample].drop_duplicates("network")
        predictions = {}
        for run in tested.itertuples():
            pages = images.read_stack(path_of[scheme, run.network, run.fold, run.seed], [sample])
            predictions[run.network] = pages[sample]
        shown.append(
            report.GalleryFrame(
                rank=rank,
                scheme=scheme,
                sample=sample,
                group=rows.at[sample, "group"],
                image=pictures[sample],
                truth=truths[sample][..., 0],
                predictions=predictions,
                scores=tested.set_index("network")["cell_iou"].to_dict(),
                run=f"fold {tested['fold'].iloc[0]}, seed {tested['seed'].iloc[0]}",
                instances="mask_type" not in rows or rows.at[sample, "mask_type"] == "instances",
            )
        )
    return shown


def describe(recipes: list[dict], scores: pd.DataFrame) -> dict:
    """Tell how the results came to be: when, where, from what, and how to repeat it."""
    trained = recipes[0] if recipes else {}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "repeat it": "Save the config below as config.yaml, then:",
        "command": "snakemake --cores all --configfile config.yaml",
        "seeds": sorted(int(seed) for seed in scores["seed"].unique()),
        "folds": sorted(int(fold) for fold in scores["fold"].unique()),
        "trained on": sorted(
            {
                f"{recipe.get('machine', {}).get('host', 'unknown host')} ({recipe['device']})"
                for recipe in recipes
            }
        ),
        "training, hours": round(sum(recipe["train_seconds"] for recipe in recipes) / 3600, 2),
        "backend": trained.get("backend", "–"),
        "versions, training": trained.get("versions", {}),
        "versions, report": provenance.versions("numpy", "pandas", "plotly"),
        "report made on": {name: value for name, value in provenance.machine().items() if value},
    }


def main(inputs, page: str, figures: str, config: dict, dataset: str) -> None:
    """Read the results, write the page and one table a figure into the folder `figures`."""
    summary, differences, scores, findings, folds, samples, baseline = (
        files.read_table(path, NAMES)
        for path in (
            *(inputs.summary, inputs.differences, inputs.scores),
            *(inputs.findings, inputs.folds, inputs.samples, inputs.baseline),
        )
    )
    recipes = [run_of(path) | files.read_json(path) for path in inputs.recipes]
    settings = config["report"]
    data = report.ReportData(
        dataset=dataset,
        title=settings["title"],
        summary=summary,
        scores=scores,
        verdict=stats.verdict(differences, summary, IN_WORDS, confidence=config["comparison"]["confidence"]),
        differences=differences,
        history=pd.concat([files.read_table(path).assign(**run_of(path)) for path in inputs.histories]),
        recipes=recipes,
        findings=findings,
        folds=folds,
        samples=samples,
        gallery=read_gallery(scores, samples, inputs.labels, inputs.frames, inputs.truth, settings["frames"]),
        baseline=mean_over_groups(baseline[baseline["sample"].isin(scores["sample"])]),
        config=config,
        provenance=describe(recipes, scores),
    )
    html = report.build(data, Path(inputs.template[0]).parent)
    with files.whole(page) as temporary:
        temporary.write_text(html, encoding="utf-8")
    for name, table in report.tables(data).items():
        files.write_table(table, Path(figures) / f"{name}.tsv")
    logger.info("%s: %.1f MB, %d frames shown", page, len(html) / 1e6, len(data.gallery))


if __name__ == "__main__":
    with job(snakemake.log[0]):
        main(
            snakemake.input,
            snakemake.output.page,
            snakemake.output.figures,
            snakemake.params.config,
            snakemake.wildcards.dataset,
        )
