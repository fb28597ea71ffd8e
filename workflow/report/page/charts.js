/* Charts: drawn when they come near the view, anew when a chooser or the theme changes. */
(() => {
  const charts = dataOf("charts");
  const library = byId("plotly");
  const places = [...document.querySelectorAll(".chart")];
  const touch = matchMedia("(pointer: coarse)").matches;
  const probe = document.createElement("i");
  document.body.append(probe);
  probe.hidden = true;
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };

  const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
  const merged = (base, patch) => {
    if (base === undefined || !isObject(patch)) return patch;
    const result = Array.isArray(base) ? [...base] : { ...base };
    for (const [key, value] of Object.entries(patch)) result[key] = merged(base[key], value);
    return result;
  };

  const themed = (layout) => {
    const axis = { gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--soft") };
    return {
      ...layout,
      // a name that stands over a line stays legible
      annotations: (layout.annotations || []).map((each) => ({ ...each, bgcolor: colour("--page"), borderpad: 0 })),
      xaxis: { zeroline: false, ...axis, ...layout.xaxis, fixedrange: touch },
      yaxis: { zeroline: false, ...axis, ...layout.yaxis, fixedrange: touch || Boolean(layout.yaxis.fixedrange) },
      colorway: [colour("--ink")],
      modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("--soft"), activecolor: colour("--ink") },
      dragmode: touch ? false : "zoom",
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("--ink") },
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--line"), font: { color: colour("--ink") } },
    };
  };

  // plotly.js is large: it runs when the page stands and a chart is near, not before
  const load = () => {
    const script = document.createElement("script");
    script.textContent = library.textContent;
    document.head.append(script);
    library.remove();
  };

  const draw = (place) => {
    if (library.isConnected) load();
    const { base, choices } = charts[place.id];
    const chooser = byId(place.dataset.chooser);
    const choice = chooser ? chooser.value : "";
    const here = Object.hasOwn(choices, choice);
    place.hidden = !here;
    const figureBox = place.closest("figure");
    const note = figureBox.querySelector(".absent");
    if (note) note.hidden = [...figureBox.querySelectorAll(".chart")].some((other) => !other.hidden);
    if (!here) return;
    const figure = merged(base, choices[choice]);
    place.style.height = `${figure.layout.height}px`;
    Plotly.react(place, figure.data, themed(figure.layout), {
      responsive: true,
      displaylogo: false,
      displayModeBar: touch ? false : "hover",
      modeBarButtons: [["resetScale2d", "toImage"]],
      toImageButtonOptions: { format: "svg", filename: choice ? `${place.id}-${choice}` : place.id },
    });
    place.classList.add("drawn");
  };

  // a hidden chart is never seen: the ones whose choice is missing are asked again with every change
  const seen = new Set();
  const redraw = (which = () => true) => places.filter((place) => which(place) && (seen.has(place) || place.hidden)).forEach(draw);
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting || seen.has(target)) continue;
      seen.add(target);
      watch.unobserve(target);
      draw(target);
    }
  }, { rootMargin: "300px" });
  requestAnimationFrame(() => setTimeout(() => places.forEach((place) => watch.observe(place))));

  // The rest one by one while nothing else is to do, so that a page that is captured or saved has all of them.
  const whenIdle = window.requestIdleCallback ?? ((call) => setTimeout(call, 200));
  const drawNext = () => {
    const next = places.find((place) => !seen.has(place) && !place.hidden && place.offsetParent);
    if (!next) return;
    seen.add(next);
    watch.unobserve(next);
    draw(next);
    whenIdle(drawNext);
  };
  addEventListener("load", () => setTimeout(() => whenIdle(drawNext), 300));

  const score = byId("score");
  const tell = () => { byId("about-score").textContent = score.selectedOptions[0].dataset.about; };
  for (const chooser of [score, byId("group")].filter(Boolean)) {
    chooser.addEventListener("change", () => redraw((place) => place.dataset.chooser === chooser.id));
  }
  if (score) {
    score.addEventListener("change", tell);
    tell();
  }
  theme.onChange(() => redraw());

  let opened = [];
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    opened = [...document.querySelectorAll("details:not([open])")];
    opened.forEach((details) => { details.open = true; });
    places.forEach((place) => { seen.add(place); draw(place); });
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    opened.forEach((details) => { details.open = false; });
    redraw();
  });
})();
