"""Looks at a page as a reader would: what sticks out, what is cut, what overlaps, what is too pale."""

from playwright.sync_api import Page

# Elements that reach beyond the window without standing in a region that scrolls, and texts that are cut off.
STICKING_OUT = """() => {
  const width = document.documentElement.clientWidth, found = [];
  const scrolls = (element) => element.closest(".scroll, pre, nav, .chart, .sr-only, .visually-hidden, datalist, option");
  const name = (element) => element.tagName.toLowerCase() + (element.id ? "#" + element.id : "")
    + (typeof element.className === "string" && element.className ? "." + element.className.split(" ")[0] : "");
  if (document.documentElement.scrollWidth > width) found.push("the page scrolls sideways: "
    + document.documentElement.scrollWidth + " px in " + width);
  for (const element of document.body.querySelectorAll("*:not(script, style, noscript, #js-plotly-tester, #js-plotly-tester *)")) {
    if (element.closest("svg svg") || !element.checkVisibility()) continue;
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height || scrolls(element)) continue;
    if (box.right > width + 1 || box.left < -1) found.push(name(element) + " reaches from "
      + Math.round(box.left) + " to " + Math.round(box.right) + " px of " + width);
    else if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth
      && getComputedStyle(element).overflowX !== "visible") found.push(name(element) + " cuts "
      + (element.scrollWidth - element.clientWidth) + " px off: " + element.textContent.trim().slice(0, 60));
  }
  return found;
}"""

# Texts of charts that leave the chart, or lie on each other.
CROWDED = """() => {
  const found = [];
  for (const chart of document.querySelectorAll(".chart")) {
    if (!chart.checkVisibility()) continue;
    const frame = chart.getBoundingClientRect();
    const texts = [...chart.querySelectorAll("svg text")]
      .filter((text) => text.textContent.trim() && !text.closest(".hoverlayer, .modebar") && text.checkVisibility()
        && getComputedStyle(text).opacity > 0.1)
      .map((text) => ({ text: text.textContent, box: text.getBoundingClientRect() }))
      .filter(({ box }) => box.width && box.height);
    for (const { text, box } of texts) {
      const out = Math.max(frame.left - box.left, box.right - frame.right, frame.top - box.top, box.bottom - frame.bottom);
      if (out > 2) found.push(chart.id + ": '" + text + "' leaves the chart by " + Math.round(out) + " px");
    }
    texts.forEach((one, index) => texts.slice(index + 1).forEach((other) => {
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (across > 2 && down > 4) found.push(chart.id + ": '" + one.text + "' and '" + other.text + "' overlap");
    }));
  }
  return found;
}"""

# Texts of charts whose contrast with the page is below 4.5 to 1 (axe does not look into SVG).
PALE = """() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => parse(colour).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, index) => sum + v * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.5) return getComputedStyle(e).backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const found = new Set();
  for (const text of document.querySelectorAll(".chart svg text")) {
    if (!text.textContent.trim() || !text.checkVisibility() || text.closest(".hoverlayer, .modebar")) continue;
    const two = [light(getComputedStyle(text).fill), light(behind(text.closest(".chart")))].sort((a, b) => b - a);
    const contrast = (two[0] + 0.05) / (two[1] + 0.05);
    if (contrast < 4.5) found.add(text.closest(".chart").id + ": '" + text.textContent + "' has a contrast of " + contrast.toFixed(1));
  }
  return [...found];
}"""

# Charts that are in view or could be scrolled to, with the number of marks in each.
MARKS = """() => Object.fromEntries([...document.querySelectorAll(".chart")]
  .filter((chart) => chart.checkVisibility())
  .map((chart) => {
    const shapes = [...chart.querySelectorAll(".overplot path, .overplot image, .overplot text")];
    const seen = shapes.filter((shape) => { const box = shape.getBoundingClientRect(); return box.width + box.height > 1; });
    const canvases = [...chart.querySelectorAll("canvas")].filter((canvas) => canvas.width * canvas.height > 4);
    return [chart.id, seen.length + canvases.length];
  }))"""


def sticking_out(page: Page) -> list[str]:
    """Elements wider than the window, and texts cut off."""
    return page.evaluate(STICKING_OUT)


def crowded(page: Page) -> list[str]:
    """Texts of charts that leave their chart or overlap."""
    return page.evaluate(CROWDED)


def pale(page: Page) -> list[str]:
    """Texts of charts with too little contrast."""
    return page.evaluate(PALE)


def marks(page: Page) -> dict[str, int]:
    """Number of marks drawn in each chart that is not hidden."""
    return page.evaluate(MARKS)
