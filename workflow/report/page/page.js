"use strict";
const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const dataOf = (id) => JSON.parse(byId(id).textContent);
const announce = (text) => { byId("status").textContent = text; };

/* Light or dark: the system's choice until the reader makes one. */
const theme = (() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => {
    byId("theme").setAttribute("aria-pressed", String(isDark()));
    listeners.forEach((listener) => listener());
  };
  byId("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    tell();
  });
  system.addEventListener("change", tell);
  byId("theme").setAttribute("aria-pressed", String(isDark()));
  return { onChange: (listener) => listeners.push(listener) };
})();

/* Tables: a button in each column's header sorts, one below the caption copies. */
(() => {
  // the cell's own value, without the interval beside it
  const value = (cell) => [...cell.childNodes].filter((node) => !(node.classList && node.classList.contains("interval")))
    .map((node) => node.textContent).join("").trim();
  const plainNumber = (text) => text.replace(/^[−-]/, "-").replace(/^\+/, "").replace(/,(?=\d{3})/g, "");
  const asNumber = (text) => (/^[+−-]?[\d,]*\.?\d+(e[+-]?\d+)?$/.test(text) ? Number(plainNumber(text)) : NaN);
  const compare = (a, b) => {
    const [x, y] = [asNumber(a), asNumber(b)];
    if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    if (Number.isNaN(x) !== Number.isNaN(y)) return Number.isNaN(x) ? 1 : -1;
    return a.localeCompare(b, undefined, { numeric: true });
  };
  const sort = (table, header) => {
    const upwards = header.getAttribute("aria-sort") !== "ascending";
    const column = header.cellIndex;
    const body = table.tBodies[0];
    const missing = (row) => ["–", ""].includes(value(row.cells[column]));
    const rows = [...body.rows].filter((row) => !row.classList.contains("baseline"));
    rows.sort((a, b) => missing(a) - missing(b)
      || (upwards ? 1 : -1) * compare(value(a.cells[column]), value(b.cells[column])));
    body.prepend(...rows);
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", upwards ? "ascending" : "descending");
  };
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const asText = (text) => {
    if (!Number.isNaN(asNumber(text))) return plainNumber(text);
    if (text === "–") return "";
    return /^[=+@-]/.test(text) ? `'${text}` : text; // a spreadsheet would run it
  };
  const words = (cell) => asText(value(cell).replace(/\s+/g, " ").replace("↕", "").trim());
  const interval = (cell) => {
    const ends = cell.querySelector(".interval");
    return ends ? ends.textContent.split(" to ").map((end) => asText(end.trim())) : ["", ""];
  };
  // a column of numbers holds numbers alone, and its intervals become two columns more
  const csv = (table) => {
    const header = table.tHead.rows[0];
    const body = [...table.tBodies[0].rows];
    const numeric = [...header.cells].map((cell) => cell.classList.contains("number"));
    const ranged = [...header.cells].map((_, column) => body.some((row) => row.cells[column].querySelector(".interval")));
    const named = [...header.cells].flatMap((cell, column) => {
      const name = words(cell);
      return ranged[column] ? [name, `${name} low`, `${name} high`] : [name];
    });
    const rows = body.map((row) => [...row.cells].flatMap((cell, column) => {
      const text = words(cell);
      const own = numeric[column] && Number.isNaN(asNumber(text)) ? "" : text;
      return ranged[column] ? [own, ...interval(cell)] : [own];
    }));
    return [named, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = text;
      area.className = "hidden";
      area.select();
      const done = document.execCommand("copy");
      area.remove();
      if (!done) return announce("The browser does not allow copying.");
    }
    announce("Table copied as CSV.");
  };
  for (const table of document.querySelectorAll("table.data")) {
    const line = document.createElement("span");
    line.className = "words";
    const text = document.createElement("span");
    text.append(...table.caption.childNodes);
    line.append(text);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy as CSV";
    button.addEventListener("click", async () => {
      const from = document.activeElement;
      await copy(csv(table));
      if (from) from.focus();
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy as CSV"; }, 2000);
    });
    line.append(button);
    table.caption.append(line);
    for (const header of table.tHead.rows[0].cells) {
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.append(...header.childNodes);
      sorter.addEventListener("click", () => sort(table, header));
      header.append(sorter);
    }
  }
})();
