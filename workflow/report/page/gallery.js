/* Gallery: one picture a network, layers as paths above the same image, zoomed and moved together. */
(() => {
  const box = byId("viewers");
  if (!box) return;
  const { steps, kinds, networks, frames } = dataOf("frames");
  const chips = Object.fromEntries([...document.querySelectorAll("#verdict tbody th")]
    .map((cell) => [cell.textContent.trim(), cell.querySelector(".chip")]).filter(([, chip]) => chip));
  const picker = byId("frame");
  const layers = [...document.querySelectorAll("[data-layer]")];
  const svgElement = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  let frame = frames[0];
  let view = null; // x, y, zoom: the part of the frame that all pictures show

  const aim = () => {
    const [width, height] = [frame.width / view.zoom, frame.height / view.zoom];
    view.x = Math.min(Math.max(0, view.x), frame.width - width);
    view.y = Math.min(Math.max(0, view.y), frame.height - height);
    for (const svg of box.querySelectorAll(".view > svg")) svg.setAttribute("viewBox", `${view.x} ${view.y} ${width} ${height}`);
    box.dataset.zoom = String(Math.round(100 * view.zoom) / 100);
  };
  const zoom = (factor, x = view.x + frame.width / view.zoom / 2, y = view.y + frame.height / view.zoom / 2) => {
    const after = Math.min(16, Math.max(1, view.zoom * factor));
    view.x = x - (x - view.x) * view.zoom / after;
    view.y = y - (y - view.y) * view.zoom / after;
    view.zoom = after;
    aim();
  };
  const move = (x, y) => {
    view.x += x;
    view.y += y;
    aim();
  };
  const whole = () => {
    view = { x: 0, y: 0, zoom: 1 };
    aim();
  };
  const layer = () => {
    for (const { dataset, checked } of layers) {
      for (const part of box.querySelectorAll(`.layer-${dataset.layer}`)) part.style.display = checked ? "" : "none";
    }
  };

  const said = (counts) => kinds.filter((kind) => kind in counts)
    .map((kind) => `${counts[kind]}${frame.instances ? "" : " px"} ${kind}`).join(", ");
  const panel = (title, chip, score, counts, paths) => {
    const figure = document.createElement("figure");
    figure.className = "view";
    const words = [title, score, counts].filter(Boolean).join("; ");
    const svg = svgElement("svg", { role: "img", "aria-label": `${frame.sample}: ${words}` });
    svg.append(svgElement("image", { href: frame.image, width: frame.width, height: frame.height, preserveAspectRatio: "none", class: "layer-image" }));
    for (const [kind, path] of Object.entries(paths)) {
      if (path) svg.append(svgElement("path", { d: path, class: `outline ${kind} layer-${kind}` }));
    }
    const caption = document.createElement("figcaption");
    const name = document.createElement("b");
    if (chip) name.append(chip.cloneNode(true));
    name.append(title);
    caption.append(name);
    for (const text of [score, counts].filter(Boolean)) caption.append(document.createElement("br"), text);
    figure.append(svg, caption);
    return figure;
  };
  const show = (index) => {
    frame = frames[(index + frames.length) % frames.length];
    picker.value = String(frames.indexOf(frame));
    const part = frame.part
      ? ` · shown: the ${frame.part[0]} × ${frame.part[1]} px with the most wrong pixels, of ${frame.part[2]} × ${frame.part[3]} px` : "";
    const pixels = frame.instances ? "" : " · missed and false mark single pixels: the mask has no single cells";
    byId("about-frame").textContent = `${frame.sample} · group ${frame.group} · ${frame.run}${part}${pixels}`;
    box.replaceChildren(
      panel("frame and truth", null, "", "", { truth: frame.truth }),
      ...networks.filter((name) => name in frame.networks).map((name) => {
        const { score, counts, paths } = frame.networks[name];
        return panel(name, chips[name], score === null ? "" : `cell IoU ${score.toFixed(3)}`, said(counts), { truth: frame.truth, ...paths });
      }),
    );
    whole();
    layer();
  };

  const shift = () => [frame.width / view.zoom / 8, frame.height / view.zoom / 8];
  const sideways = (way) => (view.zoom > 1 ? move(way * shift()[0], 0) : show(frames.indexOf(frame) + way));
  const keys = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), 0: whole,
    n: () => show(frames.indexOf(frame) + 1), p: () => show(frames.indexOf(frame) - 1),
    ArrowLeft: () => sideways(-1), ArrowRight: () => sideways(1),
    ArrowUp: () => view.zoom > 1 && move(0, -shift()[1]), ArrowDown: () => view.zoom > 1 && move(0, shift()[1]),
  };
  box.addEventListener("keydown", (event) => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    // at the whole frame the page keeps its own ↑ and ↓
    if (keys[event.key]() !== false) event.preventDefault();
  });

  const place = (svg, event) => {
    const side = svg.getBoundingClientRect();
    return [
      view.x + (event.clientX - side.left) / side.width * frame.width / view.zoom,
      view.y + (event.clientY - side.top) / side.height * frame.height / view.zoom,
    ];
  };
  box.addEventListener("wheel", (event) => {
    const svg = event.target.closest(".view > svg");
    if (!svg || !event.ctrlKey) return;
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 300), ...place(svg, event));
  }, { passive: false });
  box.addEventListener("dblclick", (event) => {
    const svg = event.target.closest(".view > svg");
    if (svg) zoom(event.shiftKey ? 0.5 : 2, ...place(svg, event));
  });
  box.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest(".view > svg");
    if (!svg || event.button) return;
    svg.setPointerCapture(event.pointerId);
    svg.classList.add("held");
    const scale = frame.width / view.zoom / svg.getBoundingClientRect().width;
    const drag = (moved) => move(-moved.movementX * scale, -moved.movementY * scale);
    const drop = () => {
      svg.removeEventListener("pointermove", drag);
      svg.classList.remove("held");
    };
    svg.addEventListener("pointermove", drag);
    svg.addEventListener("pointerup", drop, { once: true });
    svg.addEventListener("pointercancel", drop, { once: true });
  });

  picker.addEventListener("change", () => show(Number(picker.value)));
  byId("previous").addEventListener("click", () => show(frames.indexOf(frame) - 1));
  byId("next").addEventListener("click", () => show(frames.indexOf(frame) + 1));
  byId("closer").addEventListener("click", () => zoom(1.5));
  byId("wider").addEventListener("click", () => zoom(1 / 1.5));
  byId("whole").addEventListener("click", whole);
  layers.forEach((toggle) => toggle.addEventListener("change", layer));
  show(0);
})();
root.dataset.ready = "true";
