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
import pytest

from brightcell import charts, images, report, stats
from brightcell.files import read_table, write_json, write_table
from brightcell.images import outlines
from brightcell.metrics import METRICS

SCRIPT = Path(report.__file__).parents[1] / "report.py"

TEMPLATES = Path(report.__file__).parents[2] / "report"
NETWORKS = ["simple", "attention", "residual_attention"]
HOSTILE = '<img src=x onerror="alert(1)">"\'</script>&'


def build(data):
    """The report of the workflow's own templates."""
    return report.build(data, TEMPLATES)


def discs(shape=(96, 120), seed=0, number=8):
    """Label image of discs of radius 7 at places on a grid, jittered."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for index in range(number):
        centre = np.array([20 + 40 * (index // 4), 15 + 28 * (index % 4)]) + rng.integers(-3, 4, 2)
        labels[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 <= 49] = index + 1
    return labels


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
                        cells = {"truth_cells": 20, "fn50": 3, "fp50": 2} if instances else {}
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
            "p": 0.0625, "p_holm": 0.1875, "smallest_p": 0.0625, "groups": groups,
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
        report.GalleryFrame(
            rank, schemes[0], sample, "g0", image, truth, dict.fromkeys(networks, predicted),
            dict.fromkeys(networks, 0.71), "fold 0, seed 1", instances,
        )
        for rank, sample in [("worst", "s0a"), ("best", "s1b")]
    ]  # fmt: skip
    data = report.ReportData(
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
        samples=scores[["sample", "group"]].drop_duplicates(),
        gallery=gallery,
        baseline={"cell_iou": 0.55, "cell_dice": 0.7},
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
    return Page(build(make_data()))


def test_every_section_stands_in_the_order_of_the_questions(page):
    sections = [attributes["id"] for tag, attributes in page.tags if tag == "section"]
    assert sections == ["verdict", "differences", "failures", "data", "cost", "provenance"]
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
    # plotly.js and the page's own script, each once
    executable = [a for tag, a in page.tags if tag == "script" and "type" not in a]
    assert len(executable) == policy.count("sha256-") == 2


def test_every_picture_has_an_alternative_text_and_every_table_a_caption(page):
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 2 * (2 + len(NETWORKS))
    assert all(len(attributes["alt"]) > 5 for attributes in pictures)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") == tags.count("caption") > 5
    assert all(a["aria-label"] for _, a in page.tags if a.get("role") in ("img", "region"))


def test_every_chart_of_the_page_is_drawn_and_none_is_left_over(page):
    places = {attributes["id"] for _, attributes in page.tags if attributes.get("class") == "chart"}
    assert places == set(json.loads(page.scripts["charts"]))
    assert len(places) == 5


def test_a_network_has_one_colour_everywhere(page):
    colours = {network: charts.network_styles(NETWORKS)[network][0] for network in NETWORKS}
    assert len(set(colours.values())) == 3
    drawn = json.loads(page.scripts["charts"])
    seen = set()
    for place, figures in drawn.items():
        for trace in (trace for figure in figures.values() for trace in figure["data"]):
            if "name" in trace:
                colour = (trace.get("line") or trace.get("marker"))["color"]
                assert colour == colours[trace["name"]], place
                seen.add(trace["name"])
    assert seen == set(NETWORKS)
    html = build(make_data())
    for network, colour in colours.items():
        chips = set(re.findall(rf'background:(#\w+)"></span>{network}<', html))
        assert chips == {colour}


def test_colours_do_not_depend_on_the_order_of_the_tables():
    data = make_data()
    shuffled = replace(data, summary=data.summary[::-1], scores=data.scores[::-1])
    assert report.network_order(shuffled) == NETWORKS


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
    html = build(data)
    hostile = Page(html)
    assert "x" not in {attributes.get("src") for _, attributes in hostile.tags}
    assert not [a for _, a in hostile.tags if any(name.startswith("on") for name in a)]
    assert [tag for tag, _ in hostile.tags].count("script") == 3
    drawn = hostile.scripts["charts"]
    assert "</" not in drawn
    # plotly reads texts as HTML: inside the charts the names are escaped once more
    texts = [text for text in re.findall(r'"(?:[^"\\]|\\.)*"', drawn) if "onerror" in text]
    assert texts
    assert all("<img" not in json.loads(text) and "&lt;img" in json.loads(text) for text in texts)
    assert HOSTILE in hostile.text


def test_tables_beside_the_report_hold_what_is_plotted():
    data = make_data(schemes=("grouped", "random"))
    made = report.tables(data)
    drawn = report.chart_figures(data)
    frames = made["frames"][made["frames"]["scheme"] == "random"]
    for score in ("cell_iou", "hd95_px"):
        points = [t for t in drawn["frames-2"][score]["data"] if t["type"] == "scatter"]
        assert [trace["name"] for trace in points] == NETWORKS
        for trace in points:
            own = frames[frames["network"] == trace["name"]].set_index("sample")[score]
            assert len(own) == len(trace["x"]) == 10
            assert (
                dict(zip((names[0] for names in trace["customdata"]), trace["x"], strict=True))
                == own.to_dict()
            )
    pairs = made["differences"].query("scheme == 'random' and score == 'ap50'")
    (forest,) = drawn["differences-2"]["ap50"]["data"]
    assert forest["x"] == pairs["difference"].tolist()
    assert np.allclose(np.array(forest["x"]) + forest["error_x"]["array"], pairs["high"])
    assert np.allclose(np.array(forest["x"]) - forest["error_x"]["arrayminus"], pairs["low"])
    curves = drawn["curves-1-val_loss"][""]["data"]
    history = made["learning_curves"].query("scheme == 'grouped'")
    assert len(curves) == 3 * 5 * 2
    assert sorted(y for trace in curves for y in trace["y"]) == sorted(history["val_loss"])


def test_frames_average_seeds_and_groups_average_frames():
    scores = pd.DataFrame(
        [("a", "g", 1, 0.2, 10, 1), ("a", "g", 2, 0.4, 10, 2), ("b", "g", 1, 0.9, 30, 7)],
        columns=["sample", "group", "seed", "cell_iou", "truth_cells", "fn50"],
    ).assign(scheme="grouped", network="simple", fold=0)
    summary = pd.DataFrame([("grouped", "cell_iou", "simple", 0.6, np.nan, np.nan, 1)],
        columns=["scheme", "score", "network", "mean", "low", "high", "groups"])  # fmt: skip
    made = report.tables(report.ReportData(dataset="d", summary=summary, scores=scores))
    assert made["frames"]["cell_iou"].tolist() == pytest.approx([0.3, 0.9])
    assert made["groups"]["cell_iou"].tolist() == pytest.approx([0.6])
    assert made["errors"]["missed_per_100_cells"].tolist() == pytest.approx([100 * 10 / 50])


def test_one_network_one_group_one_seed_and_no_optional_part():
    data = make_data(networks=["simple"], groups=1, seeds=(1,))
    bare = report.ReportData(dataset="fake", summary=data.summary, scores=data.scores)
    for one in (data, bare):
        text = Page(build(replace(one, verdict=[]))).text
        assert "one network was trained" in text
        assert "One network alone" in text
        assert "One group gives no interval" in text
        assert "nan" not in text.replace("provenance", "")


def test_two_schemes_have_their_own_tables_and_charts():
    both = Page(build(make_data(schemes=("grouped", "random"))))
    assert both.text.count("Scheme: random") >= 4
    places = {attributes["id"] for _, attributes in both.tags if attributes.get("class") == "chart"}
    assert {"frames-1", "frames-2", "differences-2", "curves-2-loss"} <= places


def test_masks_without_single_cells_say_why_scores_are_missing(page):
    data = make_data(instances=False)
    text = Page(build(data)).text
    assert "not one cell from another" in text
    assert "not one cell from another" not in page.text
    assert not {"ap50", "seg"} & set(report.chart_figures(data)["frames-1"])
    assert "per 100 true cells" not in text


def test_the_baseline_is_no_network():
    data = make_data()
    extra = data.scores[:3].assign(network=report.BASELINE)
    data = replace(data, scores=pd.concat([data.scores, extra]), baseline=None)
    assert report.network_order(data) == NETWORKS
    assert set(report.tables(data)["frames"]["network"]) == set(NETWORKS)


@pytest.mark.parametrize("number", [1, 2, 3, 4, 9, 20])
def test_chosen_frames_are_distinct_and_ranked(number):
    values = np.random.default_rng(3).permutation(np.linspace(0.1, 0.9, 12))
    scores = pd.DataFrame({"sample": [f"s{i}" for i in range(12)] * 2, "cell_iou": [*values, *values]})
    chosen = report.choose_frames(scores, number)
    found = [values[int(name[1:])] for _, name in chosen]
    assert len(set(found)) == len(chosen) == min(number, 12)
    assert found == sorted(found)
    assert found[0] == values.min()
    assert number < 2 or found[-1] == values.max()


def test_frames_without_cell_iou_are_not_chosen():
    assert report.choose_frames(pd.DataFrame({"sample": ["a"], "cell_iou": [np.nan]}), 3) == []


def test_overlay_shows_found_missed_and_false_cells_apart():
    truth = discs()
    predicted = np.where(truth == 1, 0, truth)
    predicted[80:90, 100:112] = 99
    picture = charts.overlay(np.full((*truth.shape, 1), 7.0), truth, predicted)
    assert picture.shape == (*truth.shape, 3) and picture.dtype == np.uint8
    edges = outlines(predicted)
    assert (picture[edges & (truth > 1)] == charts.FOUND).all()
    assert (picture[edges & (predicted == 99)] == charts.FALSE).all()
    assert (picture[outlines(truth) & (truth == 1)] == charts.MISSED).all()
    plain = charts.overlay(np.full((*truth.shape, 1), 7.0))
    inside = (predicted == 0) & (truth == 0)
    assert (picture[inside] == plain[inside]).all()


def test_the_picture_of_a_large_frame_shows_where_the_networks_err():
    truth = np.kron(discs(), np.ones((1, 1), np.int32))
    truth = np.tile(truth, (10, 10))
    predicted = truth.copy()
    predicted[700:760, 300:360] = 0
    rows, columns = charts.wrong_window(truth, [predicted])
    assert rows.start <= 700 and rows.stop >= 760 and columns.start <= 300 and columns.stop >= 360
    picture = charts.overlay(truth.astype(float), truth, predicted, window=(rows, columns))
    assert max(picture.shape) <= charts.PICTURE_SIDE_PX
    small = charts.wrong_window(discs(), [discs()])
    assert small == (slice(0, 96), slice(0, 120))


def write_results(root, data, network_images):
    """Write the files of a run that `data` would come from; give the rule's inputs."""
    groups = data.samples.groupby("group")["sample"]
    inputs = SimpleNamespace(histories=[], recipes=[], labels=[], frames=[], truth=[])
    for name in ("summary", "differences", "scores", "findings", "folds"):
        setattr(inputs, name, root / f"{name}.tsv")
        write_table(getattr(data, name), getattr(inputs, name))
    inputs.samples, inputs.baseline = root / "samples.tsv", root / "baseline.tsv"
    write_table(data.samples.assign(mask_type="instances"), inputs.samples)
    write_table(data.samples.assign(cell_dice=0.7, window_px=9), inputs.baseline)
    for group, members in groups:
        folder = root / "prepared" / group
        images.write_stack(folder / "frames.tif", [(name, network_images[0]) for name in members])
        images.write_stack(folder / "labels.tif", [(name, network_images[1]) for name in members])
        inputs.frames.append(folder / "frames.tif")
        inputs.truth.append(folder / "labels.tif")
    for recipe in data.recipes:
        run = [recipe[key] for key in report.RUN]
        folder = root / "models" / run[0] / run[1] / f"fold{run[2]}-seed{run[3]}"
        write_json({"device": "cpu", **recipe}, folder / "recipe.json")
        history = data.history.set_index(list(report.RUN)).loc[tuple(run)].reset_index(drop=True)
        write_table(history, folder / "history.csv")
        tested = data.scores.set_index(list(report.RUN)).loc[[tuple(run)], "sample"]
        images.write_stack(folder / "labels.tif", [(name, network_images[2]) for name in tested])
        for name, file in (
            ("histories", "history.csv"),
            ("recipes", "recipe.json"),
            ("labels", "labels.tif"),
        ):
            getattr(inputs, name).append(folder / file)
    inputs.template = [TEMPLATES / "report.html.j2"]
    return inputs


def test_the_script_reads_results_and_writes_the_page_and_its_tables(tmp_path):
    spec = importlib.util.spec_from_file_location("report_script", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    data = make_data(groups=3, seeds=(1, 2))
    # names that pandas would take for numbers
    for table in (data.scores, data.samples, data.folds):
        table["sample"] = table["sample"].str.replace("s", "0").str.replace("a", "1").str.replace("b", "2")
    data.summary = stats.summarise(data.scores, draws=50)
    data.differences = stats.compare(data.scores, draws=50)
    truth = discs()
    inputs = write_results(tmp_path, data, (truth.astype(np.float32), truth, np.where(truth > 2, truth, 0)))
    config = data.config | {"report": {"title": None, "frames": 4}}
    script.main(inputs, str(tmp_path / "report.html"), str(tmp_path / "figures"), config, "fake")
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert sum(tag == "img" for tag, _ in page.tags) == 4 * (2 + len(NETWORKS))
    worst = data.scores.groupby("sample")["cell_iou"].mean().idxmin()
    assert f"worst {worst}" in page.text
    assert "snakemake --cores all --configfile config.yaml" in page.text
    assert "reaches cell Dice 0.700" in page.text
    written = {path.stem: read_table(path) for path in (tmp_path / "figures").iterdir()}
    assert set(written) == set(report.tables(data))
    assert len(written["learning_curves"]) == len(data.history)
    assert sorted(written["frames"]["sample"].unique()) == ["001", "002", "011", "012", "021", "022"]
    pd.testing.assert_frame_equal(
        written["frames"][["network", "cell_iou"]], report.tables(data)["frames"][["network", "cell_iou"]]
    )
