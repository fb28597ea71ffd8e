"use strict";
(() => {
  const charts = JSON.parse(document.getElementById("charts").textContent);
  const places = [...document.querySelectorAll(".chart")];
  const chooser = document.getElementById("score");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const touch = matchMedia("(pointer: coarse)").matches;

  const themed = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = {
      gridcolor: colour("--line"), linecolor: colour("--line"), zerolinecolor: colour("--soft"),
    };
    return {
      ...layout,
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

  const draw = () => {
    const score = chooser ? chooser.value : "";
    for (const place of places) {
      const figures = charts[place.id];
      const figure = figures[score] || figures[""];
      const note = place.parentElement.querySelector(".absent");
      if (note) note.hidden = Boolean(figure);
      place.hidden = !figure;
      if (!figure) continue;
      Plotly.react(place, figure.data, themed(figure.layout), {
        responsive: true,
        displaylogo: false,
        displayModeBar: touch ? false : "hover",
        modeBarButtons: [["resetScale2d", "toImage"]],
        toImageButtonOptions: { format: "svg", filename: score ? place.id + "-" + score : place.id },
      });
    }
    const about = document.getElementById("about-score");
    if (about) about.textContent = chooser.selectedOptions[0].dataset.about;
  };

  const folded = () => [...document.querySelectorAll("details:not([open])")];
  let opened = [];
  addEventListener("beforeprint", () => {
    document.documentElement.classList.add("printing");
    opened = folded();
    opened.forEach((details) => { details.open = true; });
    draw();
  });
  addEventListener("afterprint", () => {
    document.documentElement.classList.remove("printing");
    opened.forEach((details) => { details.open = false; });
    draw();
  });
  dark.addEventListener("change", draw);
  if (chooser) chooser.addEventListener("change", draw);
  draw();
})();
