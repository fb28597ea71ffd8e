"""The page of a segmented recording in a real browser: slider, keys, colours, cells, and names that try to run."""

import looks
import pytest
from segmented import make_recording
from window import open_file

HOSTILE = "<img src=x onerror=\"window.hacked='sample'\">{number}"


@pytest.fixture(scope="module")
def tab(browser, tmp_path_factory):
    made = make_recording(
        tmp_path_factory.mktemp("recording"),
        frames=7,
        name="</script><script>hacked=1</script>",
        sample=HOSTILE,
    )
    made.follow()
    made.judge()
    return open_file(browser, made.preview())


@pytest.fixture
def page(tab):
    """The one page of this module, at its first frame."""
    tab.show("screen", "light")
    tab.page.locator("#slider").fill("0")
    yield tab.page
    assert tab.problems == []
    assert tab.asked == []


def test_slider_and_keys_change_the_frame(page):
    about, box = page.locator("#about-frame"), page.locator("#viewers")
    assert about.inner_text().startswith("Frame 0")
    page.locator("#slider").focus()
    page.keyboard.press("ArrowRight")
    assert about.inner_text().startswith("Frame 1")
    box.focus()
    for key, frame in (("n", 2), ("ArrowLeft", 1), ("End", 6), ("n", 6), ("Home", 0)):
        page.keyboard.press(key)
        assert about.inner_text().startswith(f"Frame {frame}"), key
        assert page.locator("#slider").input_value() == str(frame)


def test_flags_stand_beside_their_frame(page):
    assert page.locator("#about-frame .flags").count() == 0
    link = page.locator("#flagged button.goto").first
    link.click()
    assert page.locator("#about-frame").inner_text().startswith("Frame 2")
    assert "sharpness" in page.locator("#about-frame .flags").inner_text()


def test_a_cell_tells_of_itself_and_keeps_its_colour_over_frames(page):
    cell = page.locator(".view .cell").first
    colour = cell.get_attribute("stroke")
    cell.dispatch_event("click")
    told = page.locator("#about-cell").inner_text()
    assert all(word in told for word in ("Cell 1", "track 1", "µm²", "confidence", "disagreement"))
    page.locator("#next").click()
    chosen = page.locator(".view .cell.chosen")
    assert chosen.count() == 1
    assert chosen.get_attribute("stroke") == colour
    chosen.dispatch_event("click")
    page.locator("#colour").select_option("doubt")
    assert page.locator(".view .cell").first.get_attribute("stroke") != colour
    page.locator("#colour").select_option("track")


def test_outlines_are_hidden_and_shown(page):
    cell = page.locator(".view .cell").first
    page.locator("#outlines").uncheck()
    assert cell.is_hidden()
    page.locator("#viewers").focus()
    page.keyboard.press("o")
    assert cell.is_visible()
    page.keyboard.press("+")
    assert page.locator("#viewers").get_attribute("data-zoom") == "1.5"
    page.keyboard.press("0")
    assert page.locator("#viewers").get_attribute("data-zoom") == "1"


def test_a_click_on_a_chart_goes_to_its_frame(page):
    plot = page.locator(".plot").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.click(box["x"] + box["width"] - 14, box["y"] + 60)
    assert page.locator("#about-frame").inner_text().startswith("Frame 6")


def test_names_that_try_to_run_are_text(page):
    assert page.evaluate("window.hacked") is None
    assert "</script>" in page.locator("h1").inner_text()
    assert page.locator("img").count() == 0
    assert "<img src=x" in page.locator("#about-frame").inner_text()


@pytest.mark.parametrize(("width", "scheme"), [("screen", "light"), ("screen", "dark"), ("phone", "light")])
def test_all_can_read_it(tab, page, width, scheme):
    tab.show(width, scheme)
    assert tab.violations() == []
    assert looks.sticking_out(page) == []
