"""What `snakemake --report` makes of a finished study: every declared result, told apart and explained."""

import json
import re
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from project import ROOT, Project
from study import make_study
from window import open_file

from brightcell.compute import accounting

pytestmark = pytest.mark.pipeline
FORMS = ("report.zip", "report.html")
LARGEST_MB = 20  # what a mail takes


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A project whose results lie there, untrained, and both forms of its report."""
    project = Project(tmp_path_factory.mktemp("finished") / "project")
    place = project.folder / "results/study"
    study = make_study(place, ["simple", "attention"], folds=2, seeds=2, groups=4, size=96, distinct=4)
    rows = [
        [row.sample, f"images/{row.sample}.tif", f"masks/{row.sample}.tif", row.group]
        for row in study.samples.itertuples()
    ]
    for row in rows:
        for name in row[1:3]:
            (project.folder / "data" / name).touch()
    project.write_sheet(rows=rows)
    project.write_config(dataset="study", seeds=study.config["seeds"])
    study.build(place / "report.html")
    (place / "check/check.html").write_text("<p>Nothing was found.</p>")
    (place / "accounting.tsv").write_text("\t".join(accounting.COLUMNS) + "\n")
    with ThreadPoolExecutor(len(FORMS)) as together:
        for run in together.map(lambda form: project.snakemake("--report", form), FORMS):
            assert run.returncode == 0, run.stdout[-3000:]
    with zipfile.ZipFile(project.folder / "report.zip") as archive:
        archive.extractall(project.folder / "unpacked")
    return project, study


def page_of(form: str, project: Project) -> Path:
    return project.folder / ("report.html" if form == "report.html" else "unpacked/report/report.html")


def parsed(page: Path, name: str) -> dict:
    """A variable that the page's script holds as JSON."""
    text = page.read_text(encoding="utf-8")
    return json.JSONDecoder().raw_decode(text, re.search(rf"\bvar {name} = (?=\{{)", text).end())[0]


@pytest.fixture(scope="module")
def results(finished):
    """File name with its place below results/study → what the report says of it."""
    found = parsed(page_of("report.zip", finished[0]), "results")
    return {path.removeprefix("results/study/"): entry for path, entry in found.items()}


def test_every_declared_result_is_there(finished, results):
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    declared = re.findall(r'report\(\s*"<(results|model|network)>/([^"]+)"', rules)
    on_demand = ("films/", "suggest/", "correct/", "retrained/")
    own = [name for kind, name in declared if kind == "results" and not name.startswith(on_demand)]
    expected = {name for name in own if "{" not in name}
    for run in finished[1].runs:
        place = "models/{scheme}/{network}/fold{fold}-seed{seed}".format(**run)
        expected |= {f"{place}/{name}" for kind, name in declared if kind == "model"}
        expected |= {f"{place.rpartition('/')[0]}/{name}" for kind, name in declared if kind == "network"}
    expected |= {f"figures/{path.name}" for path in (finished[1].folder / "figures").glob("*.tsv")}
    assert len(declared) > 8
    assert expected == set(results)


def test_every_result_is_explained_and_sorted(finished, results):
    for path, entry in results.items():
        assert len(re.sub("<[^>]*>", "", entry["caption"])) > 20, path
        assert "{{" not in entry["caption"], path
        assert entry["labels"], path
    for run in finished[1].runs:
        place = "models/{scheme}/{network}/fold{fold}-seed{seed}/".format(**run)
        for path in (path for path in results if path.startswith(place)):
            labels = results[path]["labels"]
            for name in ("fold", "seed"):
                assert labels[name] == str(run[name]), path
            assert run["network"] in results[path]["caption"], path
    in_categories = parsed(page_of("report.zip", finished[0]), "categories")
    listed = [
        path
        for category in in_categories.values()
        for subcategory in category.values()
        for path in subcategory
    ]
    assert len(listed) == len(results)
    assert "" not in in_categories and "Other" not in in_categories


@pytest.mark.parametrize("form", FORMS)
def test_it_is_small_enough_to_mail(finished, form):
    assert 0.1 < (finished[0].folder / form).stat().st_size / 1e6 < LARGEST_MB


@pytest.mark.parametrize("form", FORMS)
def test_it_opens_without_an_error(finished, browser, form):
    tab = open_file(browser, page_of(form, finished[0]))
    tab.page.get_by_text("Comparison", exact=True).first.click()
    tab.page.wait_for_selector("text=differences")
    assert [problem for problem in tab.problems if "should not be used in production" not in problem] == []
    assert [url for url in tab.asked if not url.startswith("file:")] == []
    tab.page.context.close()
