"""The report of made-up results: what it shows, where its numbers come from, and that it is safe to open."""

import importlib.util
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from brightcell.comparison import differences
from brightcell.compute import accounting
from brightcell.files import read_table, write_json, write_table
from brightcell.io import stacks
from brightcell.metrics.registry import METRICS
from brightcell.report import charts, figure_tables, html, results, styles, table_rows
from brightcell.report.gallery import GalleryFrame
from brightcell.report.page import (
    BASELINE,
    ReportData,
    build,
    chart_figures,
    floor_sentence,
    make_tables,
    network_order,
    styles_of,
)

SCRIPT = Path(figure_tables.__file__).parents[2] / "report.py"
TEMPLATES = Path(figure_tables.__file__).parents[3] / "report/page"
NETWORKS = ["simple", "attention", "residual_attention"]
HOSTILE = '<img src=x onerror="alert(1)">"\'</script>&'


def built(data):
    """The report of the workflow's own templates."""
    return build(data, make_tables(data), TEMPLATES)


def discs(shape=(96, 120), seed=0, number=8):
    """Label image of discs of radius 7 at places on a grid, jittered."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for index in range(number):
        centre = np.array([20 + 40 * (index // 4), 15 + 28 * (index % 4)]) + rng.integers(-3, 4, 2)
        labels[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= 49] = index + 1
    return labels


def more_parts(networks, schemes, groups, instances):
    """Tables of curves, speeds and cells, one plain value each."""
    runs = pd.DataFrame(
        [(scheme, network) for scheme in schemes for network in networks], columns=["scheme", "network"]
    )
    runs = runs.assign(fold=0, seed=1)
    thresholds = runs.merge(
        pd.DataFrame({"threshold": [0.3, 0.5, 0.7], "value": [0.4, 0.6, 0.5], "round": 0}), how="cross"
    )
    bins = pd.DataFrame({"probability": [0.1, np.nan, 0.9], "cell_share": [0.0, np.nan, 0.8]})
    parts = {
        "speeds": runs.assign(frames=10, seconds=4.0),
        "calibrations": thresholds,
        "curves": thresholds.assign(cell_iou=0.6, cell_precision=0.7, cell_recall=0.8),
        "reliability": runs.merge(bins, how="cross"),
    }
    if instances:
        samples = pd.DataFrame(
            [f"s{group}{frame}" for group in range(groups) for frame in "ab"], columns=["sample"]
        )
        parts["cells"] = runs.merge(samples, how="cross").assign(truth_area_px=100, predicted_area_px=80)
        shapes = pd.DataFrame({"eccentricity": [0.2, 0.8], "solidity": [0.9, 1.0], "sample": "s0a"})
        parts["shapes"] = runs.merge(shapes, how="cross")
    return parts


def make_data(networks=NETWORKS, groups=5, seeds=(1, 2), schemes=("grouped",), instances=True, **changes):
    """Plausible results of networks that get better in the order of their names."""
    rng = np.random.default_rng(1)
    rows, history, recipes, folds = [], [], [], []
    names = [score for score in METRICS if instances or not METRICS[score].needs_instances]
    for scheme in schemes:
        for fold in range(groups):
            for group in range(groups):
                role = "test" if group == fold else "validate" if group == (fold + 1) % groups else "train"
                folds += [(scheme, fold, f"s{group}{frame}", f"g{group}", role) for frame in "ab"]
            for rank, network in enumerate(networks):
                for seed in seeds:
                    run = {"scheme": scheme, "network": network, "fold": fold, "seed": seed}
                    for epoch in range(1, 7):
                        loss = 0.3 / epoch + 0.01 * rng.random()
                        values = {"epoch": epoch, "loss": loss, "val_loss": 1.2 * loss}
                        values |= {"val_cell_iou": 0.8 - loss, "learning_rate": 1e-3, "seconds": 60.0}
                        history.append(run | values)
                    recipes.append(
                        run | {"parameters": 31_402_501 + rank, "trainable_parameters": 31_390_723}
                        | {"train_seconds": 360.0 + rank, "epochs_run": 6, "best_epoch": 5}
                        | {"device": "GPU:0", "precision": "float32"}
                    )  # fmt: skip
                    for frame in "ab":
                        base = 0.7 + 0.03 * rank - 0.02 * fold + 0.02 * rng.random()
                        scores = {name: 10 * (1 - base) if METRICS[name].unit else base for name in names} | {
                            name: np.nan for name in METRICS if name not in names
                        }
                        cells = {"truth_cells": 20, "predicted_cells": 19, "fn50": 3, "fp50": 2}
                        cells = cells if instances else {}
                        sample = {"sample": f"s{fold}{frame}", "group": f"g{fold}"}
                        rows.append(run | sample | scores | cells)
    scores = pd.DataFrame(rows)
    means = scores.groupby(["scheme", "network"], sort=False)[list(METRICS)].mean()
    summary = pd.DataFrame(
        {"scheme": scheme, "score": score, "network": network, "mean": means.loc[(scheme, network), score]}
        for scheme, network in means.index
        for score in METRICS
    )
    spread = 0.02 if groups > 1 else np.nan
    summary = summary.assign(low=summary["mean"] - spread, high=summary["mean"] + spread)
    summary = summary.assign(groups=groups, frames=2 * groups, seeds=len(seeds))
    differences = pd.DataFrame(
        {
            "scheme": scheme, "score": score, "network_a": a, "network_b": b,
            "difference": means.loc[(scheme, a), score] - means.loc[(scheme, b), score],
            "p": 0.0625, "p_holm": 0.1875, "median_difference": 0.01, "won": 0.8, "seeds": 2, "groups": groups,
        }
        for scheme in schemes
        for score in METRICS
        for index, b in enumerate(networks)
        for a in networks[index + 1 :]
    )  # fmt: skip
    if len(differences):
        differences = differences.assign(
            low=differences["difference"] - 0.01, high=differences["difference"] + 0.012
        )
    truth = discs()
    predicted = np.where(truth == 1, 0, truth)
    predicted[80:90, 100:112] = 99
    image = np.random.default_rng(2).normal(100, 10, truth.shape) + 20 * (truth > 0)
    gallery = [
        GalleryFrame(
            rank, schemes[0], sample, "g0", image, truth, dict.fromkeys(networks, predicted),
            dict.fromkeys(networks, 0.71), "fold 0, seed 1", instances,
        )
        for rank, sample in [("worst", "s0a"), ("best", "s1b")]
    ]  # fmt: skip
    data = ReportData(
        dataset="fake",
        summary=summary,
        scores=scores,
        verdict=["residual_attention is better than simple.", "Five groups are few."],
        differences=differences,
        history=pd.DataFrame(history),
        recipes=recipes,
        findings=pd.DataFrame(
            [{"level": "warning", "check": "sharpness", "message": "one frame is blurred"}]
        ),
        folds=pd.DataFrame(folds, columns=["scheme", "fold", "sample", "group", "role"]),
        samples=scores[["sample", "group"]].drop_duplicates().assign(frame=lambda t: range(len(t)), cells=8),
        gallery=gallery,
        baseline={"cell_iou": 0.55, "cell_dice": 0.7},
        **more_parts(networks, schemes, groups, instances),
        config={"dataset": "fake", "networks": list(networks), "comparison": {"confidence": 0.95}},
        provenance={"date": "2024-05-01", "host": "bench", "command": "snakemake --cores all"},
    )
    return replace(data, **changes)


class Page(HTMLParser):
    """Tags with their attributes, and the text that a reader sees."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.scripts, self._inside = [], [], {}, None
        self.feed(html)
        self.text = re.sub(r"\s+", " ", " ".join(self.text))

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self._inside = dict(attributes).get("id", tag)

    def handle_endtag(self, tag):
        if tag in ("script", "style"):
            self._inside = None

    def handle_data(self, data):
        if self._inside is None:
            self.text.append(data)
        else:
            self.scripts[self._inside] = data


@pytest.fixture(scope="module")
def page():
    return Page(built(make_data()))


def test_every_section_stands_in_the_order_of_the_questions(page):
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert sections == ["verdict", "differences", "gallery", "cells", "data", "learning", "provenance"]
    for text in (
        "residual_attention is better than simple. Five groups are few.",
        "local contrast + Otsu",
        "31,402,502",
        "one frame is blurred",
        "2024-05-01",
        "snakemake --cores all",
        "networks: - simple",
        "95 % intervals",
    ):
        assert text in page.text, text


def test_page_fetches_nothing(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data"):
            assert re.match(r"#|data:image/|None", str(attributes.get(name))), (tag, name, attributes)
    assert "@import" not in page.scripts["style"]
    assert "url(" not in page.scripts["style"]
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none';")
    # the page's own script, and plotly.js, which that one runs
    executable = [a for tag, a in page.tags if tag == "script" and "type" not in a]
    assert len(executable) == 1
    assert policy.count("sha256-") == 2
    for script in (page.scripts["plotly"], page.scripts["script"]):
        assert f"'sha256-{html.digest(script)}'" in policy


def test_every_table_has_a_caption_and_every_chart_a_label(page):
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") > 5
    assert all(a["aria-label"] for _, a in page.tags if a.get("role") in ("img", "region", "group"))


def test_every_chart_of_the_page_is_drawn_and_none_is_left_over(page):
    places = {attributes["id"] for _, attributes in page.tags if attributes.get("class") == "chart"}
    assert places == set(json.loads(page.scripts["charts"]))
    kinds = {place.rsplit("-", 1)[0] for place in places}
    assert kinds >= {
        "differences", "frames", "cost-minutes", "cost-parameters", "cost-frames_per_second", "curves-loss",
        "curves-val_loss", "curves-val_cell_iou", "thresholds-cell_iou", "watershed", "reliability", "counts", "cells-areas",
        "cells-eccentricity", "time-cells", "time-area",
    }  # fmt: skip


def test_the_chart_of_watersheds_has_a_row_each_and_a_point_a_network():
    means = pd.DataFrame(
        {
            "network": ["simple", "attention", "simple"],
            "variant": ["learned", "learned", "published"],
            "mean": [0.7, 0.6, 0.3],
            "low": [0.6, 0.5, 0.2],
            "high": [0.9, 0.7, 0.5],
        }
    )
    looks = styles.network_styles(["simple", "attention"])
    names = {"published": "the study's", "foreground": "not there", "learned": "markers <learned>"}
    chart = charts.watersheds_chart(means, looks, "AP50", names)
    assert [note["text"] for note in chart["layout"]["annotations"]] == [
        "<b>the study's</b>",
        "<b>markers &lt;learned&gt;</b>",
    ]
    simple, attention = chart["data"]
    assert simple["x"] == [0.3, 0.7]
    np.testing.assert_allclose(simple["error_x"]["array"], [0.2, 0.2])
    np.testing.assert_allclose(simple["error_x"]["arrayminus"], [0.1, 0.1])
    assert attention["x"][1] == 0.6
    assert np.isnan(attention["x"][0])
    assert [round(y) for y in simple["y"]] == [0, 1]  # below their rows' titles
    assert simple["y"][0] < attention["y"][0]


def drawn_figures(data):
    """Every figure as the page puts it together: (place, choice) → plotly's figure."""
    shared = chart_figures(data, make_tables(data))
    return {
        (place, choice): merged(figures["base"], patch)
        for place, figures in shared.items()
        for choice, patch in figures["choices"].items()
    }


def merged(base, patch):
    """Merge as the page's script does."""
    if base is None or not isinstance(patch, dict):
        return patch
    if isinstance(base, list):
        return [merged(item, patch[str(i)]) if str(i) in patch else item for i, item in enumerate(base)]
    return {
        key: merged(base.get(key), patch[key]) if key in patch else base[key]
        for key in dict.fromkeys([*base, *patch])
    }


def test_plotly_accepts_every_figure():
    for (place, choice), figure in drawn_figures(make_data()).items():
        assert len(go.Figure(figure).data), (place, choice)


def test_a_network_has_one_colour_everywhere():
    colours = {network: styles.network_styles(NETWORKS)[network].colour for network in NETWORKS}
    assert len(set(colours.values())) == 3
    seen = set()
    for place, figure in drawn_figures(make_data()).items():
        for trace in figure["data"]:
            if trace.get("name") in colours:
                own = {part["color"] for key in ("line", "marker") if "color" in (part := trace.get(key, {}))}
                assert own == {colours[trace["name"]]}, place
                seen.add(trace["name"])
    assert seen == set(NETWORKS)
    html = built(make_data())
    for network, colour in colours.items():
        chips = set(re.findall(rf'<path fill="(#\w+)"[^<]*/></svg><span>{network}<', html))
        assert chips == {colour}


def test_colours_do_not_depend_on_the_order_of_the_tables():
    data = make_data()
    shuffled = replace(data, summary=data.summary[::-1], scores=data.scores[::-1])
    assert network_order(shuffled) == NETWORKS


def test_hostile_names_stay_text():
    data = make_data(networks=["simple", HOSTILE], groups=3)
    for table in (data.scores, data.folds, data.samples):
        table["group"] = table["group"].replace("g0", HOSTILE)
        table["sample"] = table["sample"].replace("s0a", HOSTILE)
    data.gallery[0].sample = data.gallery[0].group = HOSTILE
    data.findings["message"] = HOSTILE
    data = replace(
        data, dataset=HOSTILE, title=HOSTILE, verdict=[HOSTILE], provenance={HOSTILE: HOSTILE},
        config=data.config | {"samples": HOSTILE},
    )  # fmt: skip
    html = built(data)
    hostile = Page(html)
    assert "x" not in {attributes.get("src") for _, attributes in hostile.tags}
    assert not [a for _, a in hostile.tags if any(name.startswith("on") for name in a)]
    assert [tag for tag, _ in hostile.tags].count("script") == 4
    drawn = hostile.scripts["charts"]
    assert "</" not in drawn
    assert "</" not in hostile.scripts["frames"]
    assert json.loads(hostile.scripts["frames"])["frames"][0]["sample"] == HOSTILE
    # plotly reads texts as HTML: inside the charts the names are escaped once more
    texts = [text for text in re.findall(r'"(?:[^"\\]|\\.)*"(?!:)', drawn) if "onerror" in text]
    assert texts
    assert all("<img" not in json.loads(text) and "&lt;img" in json.loads(text) for text in texts)
    assert HOSTILE in hostile.text


def test_tables_beside_the_report_hold_what_is_plotted():
    data = make_data(schemes=("grouped", "random"))
    made = make_tables(data)
    drawn = drawn_figures(data)
    frames = made["frames"][made["frames"]["scheme"] == "random"]
    for score in ("cell_iou", "hd95_px"):
        points = [t for t in drawn["frames-2", score]["data"] if t["type"] == "scatter"]
        assert [trace["name"] for trace in points] == NETWORKS
        for trace in points:
            own = frames[frames["network"] == trace["name"]].set_index("sample")[score]
            assert len(own) == len(trace["x"]) == 10
            shown = dict(zip((names[0] for names in trace["customdata"]), trace["x"], strict=True))
            assert shown == pytest.approx(own.to_dict(), rel=1e-5)
    pairs = made["differences"].query("scheme == 'random' and score == 'ap50'")
    groups, forest = drawn["differences-2", "ap50"]["data"]
    assert forest["x"] == pytest.approx(pairs["difference"].tolist(), rel=1e-5)
    assert np.allclose(np.array(forest["x"]) + forest["error_x"]["array"], pairs["high"], atol=1e-5)
    assert np.allclose(np.array(forest["x"]) - forest["error_x"]["arrayminus"], pairs["low"], atol=1e-5)
    own = made["group_differences"].query("scheme == 'random' and score == 'ap50'")
    assert groups["x"] == pytest.approx(own["difference"].tolist(), rel=1e-4)
    curves = [t for t in drawn["curves-val_loss-1", ""]["data"] if t.get("line", {}).get("width") == 0.9]
    history = made["learning_curves"].query("scheme == 'grouped'")
    assert len(curves) == 3 * 5 * 2
    assert np.allclose(
        sorted(y for trace in curves for y in trace["y"]), sorted(history["val_loss"]), rtol=1e-5
    )


def test_frames_average_seeds_and_groups_average_frames():
    scores = pd.DataFrame(
        [("a", "g", 1, 0.2, 10, 1), ("a", "g", 2, 0.4, 10, 2), ("b", "g", 1, 0.9, 30, 7)],
        columns=["sample", "group", "seed", "cell_iou", "truth_cells", "fn50"],
    ).assign(scheme="grouped", network="simple", fold=0)
    summary = pd.DataFrame([("grouped", "cell_iou", "simple", 0.6, np.nan, np.nan, 1)],
        columns=["scheme", "score", "network", "mean", "low", "high", "groups"])  # fmt: skip
    made = make_tables(ReportData(dataset="d", summary=summary, scores=scores))
    assert made["frames"]["cell_iou"].tolist() == pytest.approx([0.3, 0.9])
    assert made["groups"]["cell_iou"].tolist() == pytest.approx([0.6])
    assert made["errors"]["missed_per_100_cells"].tolist() == pytest.approx([100 * 10 / 50])


def test_one_network_one_group_one_seed_and_no_optional_part():
    data = make_data(networks=["simple"], groups=1, seeds=(1,))
    bare = ReportData(dataset="fake", summary=data.summary, scores=data.scores)
    for one in (data, bare):
        text = Page(built(replace(one, verdict=[]))).text
        assert "one network was trained" in text
        assert "only one network" in text
        assert "One group gives no interval" in text
        assert "nan" not in text.replace("provenance", "")


def test_a_short_run_says_what_the_whole_one_takes(page):
    text = Page(built(replace(make_data(), whole_run="27 trainings: about 3 h"))).text
    assert "A short run." in text and "The whole run: 27 trainings: about 3 h." in text
    assert "A short run." not in page.text


def test_two_schemes_have_their_own_tables_and_charts():
    both = Page(built(make_data(schemes=("grouped", "random"))))
    assert both.text.count("Scheme random") >= 4
    places = {attributes["id"] for _, attributes in both.tags if attributes.get("class") == "chart"}
    assert {"frames-1", "frames-2", "differences-2", "curves-loss-2"} <= places


def test_masks_without_single_cells_say_why_scores_are_missing(page):
    data = make_data(instances=False)
    text = Page(built(data)).text
    assert "not one cell from another" in text
    assert "not one cell from another" not in page.text
    assert not {("frames-1", "ap50"), ("frames-1", "seg"), ("counts-1", "")} & set(drawn_figures(data))
    assert "per 100 true cells" not in text
    assert "single cells cannot be scored" in text


def test_the_baseline_is_no_network():
    data = make_data()
    extra = data.scores[:3].assign(network=BASELINE)
    data = replace(data, scores=pd.concat([data.scores, extra]), baseline=None)
    assert network_order(data) == NETWORKS
    assert set(make_tables(data)["frames"]["network"]) == set(NETWORKS)


def test_networks_below_the_floor_are_named():
    data = make_data()
    means = (
        data.summary[data.summary["score"] == "cell_iou"]
        .set_index("network")["mean"]
        .groupby(level=0)
        .first()
    )
    floor = {"cell_iou": float(means.median()), "cell_dice": 0.99}
    text = Page(built(replace(data, baseline=floor))).text
    below = [name for name in NETWORKS if means[name] <= floor["cell_iou"]]
    assert f"Below it: {', '.join(below)}. Do not use them: train longer, or look" in text
    assert "Below it" not in Page(built(replace(data, baseline={"cell_iou": 0.0}))).text


def test_what_is_not_trained_is_not_to_be_trained_longer():
    def said(*names):
        summary = pd.DataFrame({"score": "cell_iou", "network": names, "scheme": "grouped", "mean": 0.1})
        entries = {"gui": {"labels": "a.tif", "epochs": None}, "shot": {"labels": None, "epochs": 0}}
        data = replace(make_data(), summary=summary, baseline={"cell_iou": 0.5})
        return floor_sentence(replace(data, config={"contestants": entries}))

    assert "Below it: gui, shot. Do not use them: look at" in said("gui", "shot")
    assert "Below it: simple, gui. Do not use them: train simple longer, or look at" in said("simple", "gui")


def test_trainings_without_scores_are_named():
    data = make_data(missing=["attention, scheme grouped: all 10 trainings."])
    text = Page(built(data)).text
    assert "Not everything was trained." in text
    assert "attention, scheme grouped: all 10 trainings." in text
    assert "Not everything" not in Page(built(make_data())).text


def test_what_a_cluster_gave_and_what_was_used_has_a_table():
    asked = accounting.parse(
        "7|COMPLETED|2026-01-01T10:00:00|2026-01-01T10:01:30|2026-01-01T12:01:30|7200|03:00:00|cpu=4,gres/gpu=1,mem=8000M||\n"
        "8|TIMEOUT|2026-01-01T10:00:00|2026-01-01T10:00:00|2026-01-01T11:00:00|3600|00:30:00|cpu=4,gres/gpu=1,mem=8000M||\n"
    )
    jobs = pd.DataFrame(
        [
            {
                "rule": "train",
                "network": "simple",
                "fold": 1,
                "seed": 1,
                "seconds": 5400.0,
                "cpu_percent": 90.0,
            }
        ]
    ).assign(memory_mb=3000.0, slurm_job="7", device="gpu")
    table = accounting.account(jobs, asked, {"7": "train", "8": "train"})
    html = built(make_data(accounting=accounting.summarise(table)))
    shown = html[html.index("What the cluster gave") :]
    shown = shown[: shown.index("</table>")]
    for words in (
        *('<th scope="row">train</th>', '<th scope="row">attempts that failed</th>', "GPU hours requested"),
        *(
            "memory MB used",
            '<td class="number">90</td>',
            '<td class="number">1.50</td>',
            '<td class="number">8,000</td>',
        ),
    ):
        assert words in shown
    assert "What the cluster gave" not in built(make_data())


def test_schemes_protocols_and_jobs_have_their_tables():
    row = dict.fromkeys(["cell_iou", "cell_dice", "cell_recall", "cell_precision", "accuracy"], 0.61)
    row |= {f"published_{name}": 0.97 for name in ("iou", "dice", "recall", "precision", "accuracy")}
    data = make_data(
        published=pd.DataFrame([{"scheme": "grouped", "network": "simple", "frames": 8, **row, "all_background_accuracy": 0.93}]),
        leakage=pd.DataFrame([{"network": "simple", "score": "cell_iou", "grouped": 0.7, "random": 0.75,
                               "inflation": 0.05, "low": 0.02, "high": 0.08, "groups": 5}]),
        jobs=pd.DataFrame([{"rule": "train", "image": "train.sif", "fingerprint": "ab12", "jobs": 30, "seconds": 9.0}]),
    )  # fmt: skip
    text = Page(built(data)).text
    for part in (
        "0.970 0.610",
        "0.930",
        "+0.050 0.020 to 0.080",
        "train.sif ab12 30",
        "positive class is the background",
    ):
        assert part in text, part


def test_the_page_says_what_to_expect_of_averaged_trainings():
    data = make_data(schemes=("grouped", "random"))
    one = {
        "scheme": "grouped",
        "low": 0.75,
        "high": 0.91,
        "groups": 5,
        "frames": 10,
        "seeds": 2,
        "trainings": 10,
        "leaky": False,
    }
    rows = [
        one | {"network": network, "score": score, "mean": mean}
        for network, mean in (("simple", 0.832), ("residual_attention", 0.841))
        for score in ("ap50", "mean_ap")
    ]  # fmt: skip
    page = built(replace(data, expected=pd.DataFrame(rows)))
    assert page.count("What to expect of <code>segment</code>") == 1  # of the first scheme
    table = page.split("What to expect of <code>segment</code>")[1].split("</table>")[0]
    assert table.index("residual_attention") > table.index("simple")
    assert table.count("0.832") == table.count("0.841") == 2
    assert "0.750 to 0.910" in table
    assert "best" not in table
    assert "On new groups expect less" not in page
    leaky = built(replace(data, expected=pd.DataFrame(rows).assign(leaky=True)))
    assert "In the scheme grouped the trainings had seen" in leaky
    assert "What to expect of" not in built(data)


def write_results(root, data, network_images):
    """Write the files of a run that `data` would come from; give the rule's inputs."""
    groups = data.samples.groupby("group")["sample"]
    inputs = SimpleNamespace(histories=[], recipes=[], speeds=[], labels=[], calibrations=[], cells=[])
    for name in ("summary", "differences", "scores", "findings", "folds"):
        setattr(inputs, name, root / f"{name}.tsv")
        write_table(getattr(data, name), getattr(inputs, name))
    inputs.samples, inputs.baseline = root / "samples.tsv", root / "baseline.tsv"
    write_table(data.samples.assign(mask_type="instances"), inputs.samples)
    write_table(data.samples.assign(cell_dice=0.7, window_px=9), inputs.baseline)
    for group, members in groups:
        folder = root / "prepared" / group
        stacks.write_stack(folder / "frames.tif", [(name, network_images[0]) for name in members])
        stacks.write_stack(folder / "truth.tif", [(name, network_images[1]) for name in members])
    inputs.prepared = root / stacks.LIST
    folders = [root / "prepared" / group for group, _ in groups]
    stacks.list_groups(
        *([folder / f"{kind}.tif" for folder in folders] for kind in ("frames", "truth")), inputs.prepared
    )
    for recipe in data.recipes:
        run = [recipe[key] for key in figure_tables.RUN]
        folder = root / "models" / run[0] / run[1] / f"fold{run[2]}-seed{run[3]}"
        write_json({"device": "cpu", **recipe}, folder / "recipe.json")
        history = data.history.set_index(list(figure_tables.RUN)).loc[tuple(run)].reset_index(drop=True)
        write_table(history, folder / "history.csv")
        tested = data.scores.set_index(list(figure_tables.RUN)).loc[[tuple(run)], "sample"]
        stacks.write_stack(folder / "labels.tif", [(name, network_images[2]) for name in tested])
        write_json({"test": {"frames": 8, "seconds": 2.0}}, folder / "predictions/speed.json")
        tried = pd.DataFrame({"threshold": [0.5, 0.4], "value": [0.7, 0.6], "round": 0})
        write_table(tried, folder / "calibration.tsv")
        cells = {"truth": 1, "predicted": 2, "truth_area_px": 100, "predicted_area_px": 90}
        write_table(pd.DataFrame({"sample": tested, "group": "g", **cells}), folder / "cells.tsv")
        for name, file in (
            ("histories", "history.csv"),
            ("recipes", "recipe.json"),
            ("speeds", "predictions/speed.json"),
            ("labels", "labels.tif"),
            ("calibrations", "calibration.tsv"),
            ("cells", "cells.tsv"),
        ):
            getattr(inputs, name).append(folder / file)
    return inputs


def test_the_script_reads_results_and_writes_the_page_and_its_tables(tmp_path):
    spec = importlib.util.spec_from_file_location("report_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    data = make_data(groups=3, seeds=(1, 2))
    # names that pandas would take for numbers
    for table in (data.scores, data.samples, data.folds):
        table["sample"] = table["sample"].str.replace("s", "0").str.replace("a", "1").str.replace("b", "2")
    data.summary = differences.summarise(data.scores, draws=50)
    data.differences = differences.compare(data.scores, draws=50)
    truth = discs()
    inputs = write_results(tmp_path, data, (truth.astype(np.float32), truth, np.where(truth > 2, truth, 0)))
    config = data.config | {
        "report": {"title": None, "frames": 4},
        "folds": {"schemes": ["grouped"], "number": 2},
        "seeds": [1, 2, 3],
        "contestants": {},
    }
    script.main(inputs, str(tmp_path / "report.html"), str(tmp_path / "figures"), config, "fake")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    shown = json.loads(page.scripts["frames"])
    assert [frame["rank"] for frame in shown["frames"]] == ["worst", "median", "best", "disputed"]
    worst = data.scores.groupby("sample")["cell_iou"].mean().idxmin()
    assert shown["frames"][0]["sample"] == worst
    assert shown["frames"][0]["networks"]["simple U-Net"]["counts"] == {
        "found": 6, "missed": 2, "false": 0, "split": 0, "merged": 0,
    }  # fmt: skip
    assert "snakemake --cores all --configfile config.yaml" in page.text
    assert "reach Cell Dice 0.700" in page.text
    # folds are 0, 1, 2 here: of the config's two folds and three seeds the runs of fold 1 are there
    assert "simple, scheme grouped: fold 1, seed 3; fold 2, seed 3." in page.text
    written = {path.stem: read_table(path) for path in (tmp_path / "figures").iterdir()}
    assert set(written) >= {
        "summary",
        "frames",
        "group_differences",
        "training",
        "watershed",
        "areas",
        "eccentricity",
        "time",
    }
    assert len(written["learning_curves"]) == len(data.history)
    assert (written["training"]["frames_per_second"] == 4).all()
    assert sorted(written["frames"]["sample"].unique()) == ["001", "002", "011", "012", "021", "022"]
    pd.testing.assert_frame_equal(
        written["frames"][["network", "cell_iou"]],
        make_tables(data)["frames"][["network", "cell_iou"]],
    )


def test_networks_and_tools_keep_their_colours_where_one_is_missing():
    config = {"networks": ["simple", "attention"], "contestants": {"stardist": {}, "gui": {}}}
    whole = styles_of(make_data(networks=("simple", "attention", "stardist", "gui"), config=config))
    part = styles_of(make_data(networks=("attention", "gui"), config=config))
    assert list(part) == ["attention", "gui"]
    assert all(part[name] == whole[name] for name in part)
    assert len({style.colour for style in whole.values()}) == 4


def test_tools_that_say_less_and_labels_that_were_given_have_a_row_of_costs_or_none():
    run = {"scheme": "grouped", "fold": 1, "seed": 1}
    network = {
        "network": "simple",
        "train_seconds": 60.0,
        "device": "cpu",
        "precision": "float32",
        "epochs_run": 4,
    }
    network |= {"parameters": 10, "trainable_parameters": 9, "best_epoch": 3}
    tool = {"network": "stardist", "train_seconds": 120.0, "device": "cpu", "epochs_run": 2}
    recipes = [run | network, run | tool, run | {"network": "gui", "labels": "a.tif"}]
    costs = figure_tables.summarise_training(recipes, pd.DataFrame()).set_index("network")
    assert costs["minutes"].to_dict() == {"simple": 1, "stardist": 2}
    assert costs.at["simple", "parameters"] == 10
    assert np.isnan(costs.at["stardist", "parameters"])
    assert costs.at["stardist", "precision"] == ""
    assert [row["network"] for row in table_rows.run_rows(recipes)] == ["simple", "stardist"]


def test_the_page_shows_titles_and_the_tables_keep_names():
    titles = {name: f"{name.replace('_', ' ')} U-Net" for name in NETWORKS}
    data = make_data(titles=titles, verdict=[])
    made = make_tables(data)
    html = build(data, made, TEMPLATES)
    shown = re.sub(r"<pre.*?</pre>", "", html, flags=re.DOTALL)  # the config and the commands keep names
    assert "residual attention U-Net" in shown and "residual_attention" not in shown
    assert "residual_attention" in html
    assert set(made["frames"]["network"]) == set(NETWORKS)


def test_a_title_that_two_tools_have_would_not_tell_them_apart():
    assert results._single({"a": "Cellpose", "b": "StarDist", "c": "Cellpose"}) == {"b": "StarDist"}
