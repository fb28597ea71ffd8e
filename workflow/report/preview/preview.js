/* A segmented recording: one frame at a time, its cells as paths above the picture, and charts over time. */
(() => {
  const { frames, followed, times, flagged, series } = dataOf("content");
  const box = byId("viewers");
  const slider = byId("slider");
  const colour = byId("colour");
  const svgElement = (name, attributes = {}, text = "") => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  let now = 0;
  let view = { x: 0, y: 0, zoom: 1 };
  let chosen = null; // what the reader clicked: a track keeps its mark over frames, a cell only within its own

  // neighbours in number lie far apart in hue: steps of the golden angle
  const hue = (number) => `hsl(${(number * 137.508) % 360} 90% 68%)`;
  const doubt = (value) => (value === null ? "#c9d1d6" : `hsl(${190 - 170 * Math.min(1, value / 0.25)} 95% 66%)`);
  const paint = ([cell, track, , , , disagreement]) => {
    if (colour.value === "doubt") return doubt(disagreement);
    return hue(colour.value === "track" ? track : cell);
  };
  const tell = ([cell, track, parent, area, confidence, disagreement]) => [
    `Cell ${cell}`,
    followed ? `track ${track}${parent ? `, daughter of ${parent}` : ""}` : "",
    `area ${area}`,
    confidence === null ? "" : `confidence ${confidence.toFixed(2)}`,
    disagreement === null ? "" : `disagreement ${disagreement.toFixed(3)}`,
  ].filter(Boolean).join(" · ");
  const isChosen = (frame, [cell, track]) => chosen !== null
    && (followed ? chosen.track === track : chosen.cell === cell && chosen.place === frame.place);

  const aim = () => {
    const frame = frames[now];
    const [width, height] = [frame.width / view.zoom, frame.height / view.zoom];
    view.x = Math.min(Math.max(0, view.x), frame.width - width);
    view.y = Math.min(Math.max(0, view.y), frame.height - height);
    box.querySelector("svg").setAttribute("viewBox", `${view.x} ${view.y} ${width} ${height}`);
    box.dataset.zoom = String(Math.round(100 * view.zoom) / 100);
  };
  const zoom = (factor, x = null, y = null) => {
    const frame = frames[now];
    const at = [x ?? view.x + frame.width / view.zoom / 2, y ?? view.y + frame.height / view.zoom / 2];
    const after = Math.min(16, Math.max(1, view.zoom * factor));
    view = { x: at[0] - (at[0] - view.x) * view.zoom / after, y: at[1] - (at[1] - view.y) * view.zoom / after, zoom: after };
    aim();
  };

  const show = (index) => {
    now = Math.min(frames.length - 1, Math.max(0, index));
    const frame = frames[now];
    slider.value = String(now);
    slider.setAttribute("aria-valuetext", `frame ${frame.frame}, ${frame.sample}`);
    const figure = document.createElement("figure");
    figure.className = "view";
    figure.style.maxWidth = `calc(80vh * ${frame.width / frame.height})`;
    const svg = svgElement("svg", { role: "img", "aria-label": `${frame.sample} with ${frame.cells.length} cells` });
    svg.append(svgElement("image", { href: frame.image, width: frame.width, height: frame.height, preserveAspectRatio: "none" }));
    for (const cell of frame.cells) {
      const path = svgElement("path", { d: cell[6], class: "cell", stroke: paint(cell), "data-cell": cell[0] });
      path.classList.toggle("chosen", isChosen(frame, cell));
      path.addEventListener("pointerenter", () => { byId("about-cell").textContent = tell(cell); });
      path.addEventListener("click", () => {
        chosen = isChosen(frame, cell) ? null : { cell: cell[0], track: cell[1], place: frame.place };
        show(now);
        byId("about-cell").textContent = tell(cell);
      });
      svg.append(path);
    }
    figure.append(svg);
    box.replaceChildren(figure);
    const about = byId("about-frame");
    about.textContent = `Frame ${frame.frame} · ${frame.sample} · ${frame.cells.length} cells`;
    if (frame.flags) {
      const words = document.createElement("span");
      words.className = "flags";
      words.textContent = ` · ${frame.flags}`;
      about.append(words);
    }
    aim();
    for (const line of document.querySelectorAll(".plot .now")) {
      const x = Number(line.dataset.left) + frame.place * Number(line.dataset.step);
      line.setAttribute("d", `M${x} ${line.dataset.top}V${line.dataset.bottom}`);
    }
  };

  /* Charts: drawn anew when their width changes, so that the letters keep their size. */
  const nearest = (place) => frames.reduce((best, frame, index) =>
    (Math.abs(frame.place - place) < Math.abs(frames[best].place - place) ? index : best), 0);
  const path = (values, x, y) => values.map((value, index) => (value === null ? "" : `${
    index === 0 || values[index - 1] === null ? "M" : "L"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`)).join("");
  const short = (value) => String(Number(value.toPrecision(3)));
  const draw = (svg, { title, values, expected }) => {
    const [width, height] = [svg.clientWidth, svg.clientHeight];
    const [left, right, top, bottom] = [58, width - 12, 30, height - 26];
    const given = [...values, ...expected].filter((value) => value !== null);
    const high = Math.max(...given) || 1;
    const step = times.length > 1 ? (right - left) / (times.length - 1) : 0;
    const x = (index) => left + index * step;
    const y = (value) => bottom - (bottom - top) * value / high;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren(
      svgElement("text", { class: "title", x: 4, y: 15 }, title),
      svgElement("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }),
      ...[0, high].map((value) => svgElement("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, short(value))),
      svgElement("text", { x: left, y: height - 6 }, `frame ${times[0]}`),
      svgElement("text", { x: right, y: height - 6, "text-anchor": "end" }, String(times[times.length - 1])),
      svgElement("path", { class: "line expected", d: path(expected, x, y) }),
      svgElement("path", { class: "line", d: path(values, x, y) }),
      ...values.flatMap((value, index) => (flagged[index]
        ? [svgElement("path", { class: "flag", d: `M${x(index)} ${top - 10}l5 9h-10z` })] : [])),
      svgElement("path", { class: "now", "data-left": left, "data-step": step, "data-top": top, "data-bottom": bottom }),
    );
    svg.onclick = (event) => {
      const at = event.clientX - svg.getBoundingClientRect().left;
      show(nearest(step ? Math.round((at - left) / step) : 0));
    };
  };
  const charts = Object.values(series).map((one) => {
    const number = flagged.filter(Boolean).length;
    const known = one.values.filter((value) => value !== null);
    const words = `${one.title}: ${short(Math.min(...known))} to ${short(Math.max(...known))}, ${number} frames flagged`;
    const svg = byId("charts").appendChild(svgElement("svg", { class: "plot", role: "img", "aria-label": words }));
    return () => draw(svg, one);
  });
  const drawAll = () => {
    charts.forEach((each) => each());
    show(now);
  };

  const outlines = () => box.classList.toggle("hide-outlines", !byId("outlines").checked);
  const keys = {
    ArrowLeft: () => show(now - 1), ArrowRight: () => show(now + 1), p: () => show(now - 1), n: () => show(now + 1),
    Home: () => show(0), End: () => show(frames.length - 1),
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: () => zoom(1 / 16),
    o: () => { byId("outlines").checked = !byId("outlines").checked; outlines(); },
  };
  box.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    keys[event.key]();
    event.preventDefault();
  });
  box.addEventListener("dblclick", (event) => {
    const frame = frames[now];
    const side = box.querySelector("svg").getBoundingClientRect();
    zoom(event.shiftKey ? 0.5 : 2, view.x + (event.clientX - side.left) / side.width * frame.width / view.zoom,
      view.y + (event.clientY - side.top) / side.height * frame.height / view.zoom);
  });
  for (const link of document.querySelectorAll(".goto")) {
    link.addEventListener("click", () => {
      show(nearest(Number(link.dataset.place)));
      byId("pictures").scrollIntoView();
      slider.focus({ preventScroll: true });
    });
  }
  slider.addEventListener("input", () => show(Number(slider.value)));
  byId("previous").addEventListener("click", () => show(now - 1));
  byId("next").addEventListener("click", () => show(now + 1));
  byId("outlines").addEventListener("change", outlines);
  colour.addEventListener("change", () => show(now));
  addEventListener("resize", drawAll);
  drawAll();
})();
root.dataset.ready = "true";
