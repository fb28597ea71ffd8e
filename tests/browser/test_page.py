"""The report of a study with known errors, in a real browser: what a reader sees, and what answers to mouse and keyboard."""

import csv
import io
import os
import re
from pathlib import Path

import looks
import pytest
from playwright.sync_api import expect
from study import make_study
from trainings import IMAGE
from window import WIDTHS, open_file


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    made = make_study(tmp_path_factory.mktemp("study"), schemes=("grouped", "random"))
    made.page = made.build()
    return made


@pytest.fixture(scope="module")
def opened(browser, study):
    tab = open_file(browser, study.page)
    tab.scroll_through()
    return tab


@pytest.fixture
def page(opened):
    """The one page of this module, brought back to its beginning; a test that broke it shows here."""
    opened.show("screen", "light")
    opened.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    yield opened.page
    assert opened.problems == []
    assert opened.asked == []


def test_it_opens_without_an_error_and_asks_for_nothing(page, study):
    assert page.title().strip()
    assert page.locator("main h2").count() >= 6
    assert page.evaluate("performance.getEntriesByType('resource').map((entry) => entry.name)") == []


def test_every_chart_is_drawn_and_says_what_it_shows(page):
    drawn = looks.marks(page)
    assert len(drawn) >= 8
    assert {name: number for name, number in drawn.items() if number == 0} == {}
    for chart in page.locator(".chart").all():
        assert len(chart.get_attribute("aria-label") or chart.get_attribute("aria-labelledby") or "") > 5


def test_the_best_network_is_named_first(page):
    verdict = page.locator("#verdict").inner_text()
    assert "Use the residual attention U-Net" in verdict.split(".\n")[0].split(". ")[0]


def test_the_images_of_the_trainings_stand_among_the_facts(page):
    facts = page.locator("#provenance > dl").inner_text()
    assert IMAGE in facts.split("container images")[1]


def test_the_errors_that_were_made_are_counted(page, study):
    """The best network misses one cell of every frame and makes no other error (see `scenes.ERRORS`)."""
    table = page.locator("table:has(th:has-text('Missed'))").first
    row = table.locator("tbody tr", has_text="residual attention U-Net").locator("th, td").all_inner_texts()
    titles = [title.strip("↕↑↓ \n") for title in table.locator("thead th").all_inner_texts()]
    shown = dict(zip(titles, row, strict=True))
    missed = 100 * len(study.samples) / study.samples["cells"].sum()
    assert [shown[name] for name in ("False", "Split", "Merged")] == ["0.0"] * 3
    assert shown["Missed"] == f"{missed:.1f}"


def test_pointing_at_a_frame_tells_its_name(page, study):
    chart = page.locator(".chart[id^='frames']").first
    chart.scroll_into_view_if_needed()
    seen = set()
    for point in chart.locator(".points path").all()[:4]:
        point.hover(force=True)
        page.wait_for_timeout(80)
        seen |= {
            name for name in study.samples["sample"] if name in chart.locator(".hoverlayer").inner_html()
        }
    assert seen


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_sticks_out_or_overlaps(page, opened, width):
    opened.show(width)
    opened.scroll_through()
    assert looks.sticking_out(page) == []
    assert looks.crowded(page) == []


@pytest.mark.parametrize(("width", "scheme"), [("screen", "light"), ("screen", "dark"), ("phone", "light")])
def test_all_can_read_it(page, opened, width, scheme):
    opened.show(width, scheme)
    assert opened.violations() == []
    assert looks.pale(page) == []


def test_the_theme_changes_by_mouse_and_by_keyboard(page, opened):
    background = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.querySelector('.chart svg .xtick text')).fill"
    button = page.locator("#theme")
    first, drawn = page.evaluate(background), page.evaluate(ink)
    button.click()
    page.wait_for_timeout(300)
    assert page.evaluate(background) != first
    assert page.evaluate(ink) != drawn
    assert looks.pale(page) == []
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)
    assert page.evaluate(background) == first
    assert page.evaluate(ink) == drawn


def test_another_score_and_another_group_redraw_their_charts(page):
    for chooser, chart in (
        ("#score", ".chart[data-chooser=score]"),
        ("#group", ".chart[data-chooser=group]"),
    ):
        select, drawn = page.locator(chooser), page.locator(chart).first
        drawn.scroll_into_view_if_needed()
        before = drawn.locator("svg").first.inner_html()
        select.focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_timeout(200)
        assert drawn.locator("svg").first.inner_html() != before
        page.keyboard.press("ArrowUp")


def test_the_tables_behind_the_figures_lie_beside_the_page(page, study):
    named = set(page.eval_on_selector_all("main code", "(all) => all.map((code) => code.textContent)"))
    named = {name for name in named if name.startswith("figures/")}
    assert len(named) >= 8
    assert [name for name in sorted(named) if not (study.page.parent / name).is_file()] == []


def test_the_focus_is_seen(page):
    page.locator("#theme").focus()
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outline")
    assert "none" not in outline and not outline.endswith(" 0px")


def column(table, number):
    """The texts of a column of a table's body."""
    return table.evaluate(
        "(table, number) => [...table.tBodies[0].rows].map((row) => row.cells[number].innerText)", number
    )


def numbers(texts):
    return [
        float(re.search(r"[\d.]+", text.replace(",", "")).group()) for text in texts if re.search(r"\d", text)
    ]


def test_a_table_sorts_by_mouse_and_by_keyboard(page):
    table = page.locator("#gallery table").first
    header = table.locator("thead th").nth(1)
    place = header.evaluate("(cell) => cell.cellIndex")
    header.locator("button").click()
    once = numbers(column(table, place))
    assert header.get_attribute("aria-sort") in ("ascending", "descending")
    assert len(once) > 2
    assert once in (sorted(once), sorted(once, reverse=True))
    before = header.get_attribute("aria-sort")
    header.locator("button").focus()
    page.keyboard.press("Space")
    twice = numbers(column(table, place))
    assert header.get_attribute("aria-sort") != before
    assert twice == once[::-1] or sorted(twice) == twice != once


def test_a_table_is_copied_as_numbers(page, study):
    page.evaluate(
        """() => {
          window.copied = null;
          const keep = (text) => { window.copied = text; return Promise.resolve(); };
          if (navigator.clipboard) navigator.clipboard.writeText = keep;
          document.addEventListener("copy", () => { window.copied = String(getSelection()) || document.activeElement.value; });
        }"""
    )
    button = page.locator("button.copy").first
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("window.copied")
    rows = list(csv.reader(io.StringIO(page.evaluate("window.copied"))))
    assert len(rows) >= 3
    assert len({len(row) for row in rows}) == 1
    of_best = dict(
        zip(rows[0], next(row for row in rows if row[0] == "residual attention U-Net"), strict=True)
    )
    low, mean, high = (float(of_best[name]) for name in ("Cell IoU low", "Cell IoU", "Cell IoU high"))
    assert low <= mean <= high
    assert mean == pytest.approx(study.mean("residual_attention", "cell_iou"), abs=5e-4)


def test_the_picker_shows_another_frame(page):
    picker, shown = page.locator("#frame"), page.locator("#viewers")
    names = picker.locator("option").all_inner_texts()
    assert len(names) >= 3
    seen = []
    for number in (0, 1):
        picker.select_option(index=number)
        seen.append(shown.inner_html())
        assert names[number].split(" · ")[-1] in page.locator("#about-frame").inner_text()
    assert seen[0] != seen[1]
    page.locator("#previous").click()
    assert shown.inner_html() == seen[0]
    shown.focus()
    page.keyboard.press("n")
    assert shown.inner_html() == seen[1]
    picker.focus()
    page.keyboard.press("ArrowDown")
    assert shown.inner_html() not in seen
    picker.select_option(index=0)


def test_every_picture_is_described(page, study):
    labels = page.eval_on_selector_all(
        "#viewers svg[role=img]", "(all) => all.map((svg) => svg.getAttribute('aria-label'))"
    )
    assert len(labels) == 1 + len(study.networks)
    for network, label in zip(study.networks, labels[1:], strict=True):
        assert f"{network.replace('_', ' ')} U-Net" in label
        assert "cell IoU" in label


def hidden_layers(page):
    return page.eval_on_selector_all(
        "#viewers [class*=layer-]",
        "(all) => all.filter((part) => !part.checkVisibility()).map((part) => part.getAttribute('class').split('layer-')[1])",
    )


def test_layers_are_switched_by_mouse_and_by_keyboard(page):
    boxes = page.locator("input[type=checkbox][data-layer]")
    names = [box.get_attribute("data-layer") for box in boxes.all()]
    assert {"image", "truth", "found", "missed", "false", "split", "merged"} <= set(names)
    box = page.locator("[data-layer=found]")
    assert "found" not in hidden_layers(page)
    box.click()
    assert "found" in hidden_layers(page)
    page.keyboard.press("Space")
    assert "found" not in hidden_layers(page)


def test_zoom_is_the_same_in_all_pictures_of_a_frame(page):
    shown = page.locator("#viewers")

    def views():
        return page.eval_on_selector_all(
            "#viewers svg[role=img]", "(all) => all.map((svg) => svg.getAttribute('viewBox'))"
        )

    whole = views()
    assert len(whole) >= 4
    assert len(set(whole)) == 1
    shown.scroll_into_view_if_needed()
    shown.focus()
    page.keyboard.press("+")
    closer = views()
    assert len(set(closer)) == 1
    assert closer != whole
    page.keyboard.press("ArrowRight")
    moved = views()
    assert len(set(moved)) == 1
    assert moved != closer
    first = page.locator("#viewers svg[role=img]").first
    box = first.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 3, steps=3)
    page.mouse.up()
    dragged = views()
    assert len(set(dragged)) == 1
    assert dragged != moved
    shown.focus()
    page.keyboard.press("0")
    assert views() == whole


def test_all_controls_are_reached_by_the_tab_key(page):
    out_of_reach = page.eval_on_selector_all(
        "main button, main select, main input, main summary, nav a, #theme",
        """(all) => all.filter((control) => control.tabIndex < 0 && control.checkVisibility() && !control.closest(".modebar"))
          .map((control) => control.outerHTML.slice(0, 120))""",
    )
    assert out_of_reach == []


def test_it_prints_without_its_controls(page, opened):
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.wait_for_timeout(300)
    try:
        expect(page.locator("nav")).to_be_hidden()
        expect(page.locator("#theme")).to_be_hidden()
        assert page.locator("details:not([open])").count() == 0
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert page.locator("main table:visible").count() == page.locator("main table").count()
        assert len(page.pdf(format="A4")) > 50_000
    finally:
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")


def test_without_scripts_the_tables_stay(browser, study):
    plain = open_file(browser, study.page, javascript=False)
    try:
        assert "need JavaScript" in plain.page.locator("body").inner_text()
        first = plain.page.locator("#verdict table").first
        assert (
            "residual attention U-Net" in first.inner_text()
            and "residual_attention" not in first.inner_text()
        )
        assert numbers(column(first, 1))
        assert plain.problems == []
    finally:
        plain.page.context.close()


@pytest.mark.skipif(
    "BRIGHTCELL_SCREENSHOTS" not in os.environ,
    reason="BRIGHTCELL_SCREENSHOTS=folder writes pictures to look at",
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", ["screen", "phone"])
def test_pictures_to_look_at(browser, study, width, scheme):
    tab = open_file(browser, study.page)
    tab.show(width, scheme)
    folder = Path(os.environ["BRIGHTCELL_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    tab.page.screenshot(path=folder / f"{width}-{scheme}-opening.png")
    tab.scroll_through()
    tab.page.screenshot(path=folder / f"{width}-{scheme}.png", full_page=True)
    tab.page.context.close()
