"""The page of films in a real browser: charts, choosers, widths, contrast."""

import looks
import pytest
from films_made import make
from window import WIDTHS, open_file


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    opened = open_file(browser, make(tmp_path_factory.mktemp("films"), cells=40))
    opened.scroll_through()
    return opened


@pytest.fixture
def page(tab):
    tab.show("screen", "light")
    yield tab.page
    assert tab.problems == []
    assert tab.asked == []


def test_every_chart_is_drawn_and_says_what_it_shows(page):
    drawn = looks.marks(page)
    assert len(drawn) == 7
    assert {name: number for name, number in drawn.items() if number == 0} == {}
    for chart in page.locator(".chart").all():
        assert len(chart.get_attribute("aria-label")) > 5


def test_another_measure_redraws_conditions_and_plate(page):
    before = [page.locator(f"[id='{name}'] svg").first.inner_html() for name in ("measure", "plate-")]
    page.locator("#score").select_option("speed")
    page.wait_for_timeout(300)
    after = [page.locator(f"[id='{name}'] svg").first.inner_html() for name in ("measure", "plate-")]
    assert before[0] != after[0] and before[1] != after[1]
    assert "Speed, µm/h" in page.locator("#measure").inner_text()
    assert "path of a track" in page.locator("#about-score").inner_text()


def test_another_recording_has_other_trees(page):
    chart = page.locator("#tree")
    before = chart.inner_html()
    page.locator("#group").select_option("B03_f1")
    page.wait_for_timeout(300)
    assert chart.inner_html() != before


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_can_read_it(tab, page, width, scheme):
    tab.show(width, scheme)
    tab.scroll_through()
    assert looks.sticking_out(page) == []
    assert looks.crowded(page) == []
    assert looks.pale(page) == []
    assert tab.violations() == []
