"""Reports of studies that are small, incomplete or hostile: they open, say so, and run nothing."""

import looks
import pytest
from study import HOSTILE_DATASET, HOSTILE_GROUPS, make_study
from window import open_file

STUDIES = {
    "hostile": {"hostile": True, "seeds": 1},
    "alone": {"networks": ["simple"], "schemes": ("sheet",), "seeds": 1, "groups": 3},
    "binary": {"instances": False, "seeds": 1, "networks": ["simple", "attention"], "folds": 2, "groups": 4},
    "failed": {"failed": "attention", "seeds": 1, "folds": 2, "groups": 4},
}
SMALL = {"size": 96, "frames": 2, "distinct": 4}


@pytest.fixture(scope="module")
def tabs(browser, tmp_path_factory):
    """Every study's report in a tab, made when first asked for."""
    made = {}

    def tab(kind):
        if kind not in made:
            study = make_study(tmp_path_factory.mktemp(kind), **SMALL | STUDIES[kind])
            made[kind] = study, open_file(browser, study.build())
            made[kind][1].scroll_through()
        return made[kind]

    return tab


@pytest.mark.parametrize("kind", STUDIES)
def test_it_opens_whole_and_asks_for_nothing(tabs, kind):
    _, tab = tabs(kind)
    drawn = looks.marks(tab.page)
    assert drawn
    assert {name: number for name, number in drawn.items() if number == 0} == {}
    assert tab.problems == []
    assert tab.asked == []
    assert "nan" not in tab.page.locator("main table").first.inner_text().split()


@pytest.mark.parametrize("kind", STUDIES)
def test_it_fits_a_screen_and_a_phone(tabs, kind):
    _, tab = tabs(kind)
    for width in ("screen", "phone"):
        tab.show(width)
        tab.scroll_through()
        assert looks.sticking_out(tab.page) == [], width
        assert looks.crowded(tab.page) == [], width
    tab.show("screen")


def test_names_that_try_to_run_are_text(tabs):
    study, tab = tabs("hostile")
    page = tab.page
    assert page.evaluate("window.hacked") is None
    text = page.locator("body").inner_text()
    assert HOSTILE_DATASET in page.locator("h1").inner_text()
    for group in HOSTILE_GROUPS[: study.samples["group"].nunique()]:
        assert group in text, group
    assert page.locator("img[src='x'], [onerror]").count() == 0
    assert page.locator("select option", has_text="<img src=x").count()
    chart = page.locator(".chart[id^='frames']").first
    chart.scroll_into_view_if_needed()
    seen = ""
    for point in chart.locator(".points path").all()[:4]:
        point.hover(force=True)
        page.wait_for_timeout(80)
        seen += chart.locator(".hoverlayer").text_content()
    assert "<img src=x" in seen
    picker = page.locator("#frame")
    for number in range(min(3, picker.locator("option").count())):
        picker.select_option(index=number)
        assert "<img src=x" in page.locator("#about-frame").inner_text()
    assert page.locator("img[src='x'], [onerror]").count() == 0
    assert page.evaluate("window.hacked") is None
    assert tab.problems == []


def test_one_network_one_fold_and_one_seed_are_named(tabs):
    text = tabs("alone")[1].page.locator("#verdict").inner_text()
    assert "no interval" in text
    assert "one group only" in text
    assert "One seed" in text


def test_masks_without_single_cells_are_named(tabs):
    text = tabs("binary")[1].page.locator("main").inner_text()
    assert "not one cell from another" in text


def test_a_network_without_results_is_named(tabs):
    page = tabs("failed")[1].page
    assert "attention, scheme grouped: all 2 trainings" in page.locator("#verdict .missing").inner_text()
    named = page.locator("#verdict table").first.locator("tbody th").all_inner_texts()
    assert [name.strip() for name in named[:2]] == ["simple U-Net", "residual attention U-Net"]
