"use strict";
// The table of debates: search, filters, sorting, pages; and which debate of the file is shown. Rows are made of text
// nodes and of links to numbers only.
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const at = Object.fromEntries(data.columns.map((name, place) => [name, place]));
  const PAGE = 25;
  const verdict = (row) => {
    const right = row[at.right];
    return right === null ? "" : right === 1 ? "right" : right === 0 ? "wrong" : "tied";
  };
  const rows = data.rows.map((cells) => ({
    cells,
    verdict: verdict(cells),
    text: [cells[at.question], cells[at.tags], cells[at.result], cells[at.condition]].join("\n").toLowerCase(),
  }));
  const fields = { query: byId("query"), condition: byId("condition"), outcome: byId("outcome"), right: byId("right") };
  const body = byId("rows");
  const buttons = [...document.querySelectorAll("[data-sort]")];
  let shown = rows, page = 0, sort = "number", down = false;

  const fill = (select, values) => {
    for (const value of [...new Set(values)]) select.append(new Option(value, value));
  };
  fill(fields.condition, rows.map((row) => row.cells[at.condition]));
  fill(fields.outcome, rows.map((row) => row.cells[at.state]).sort());

  const element = (name, text, kind) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const cell = (content, kind) => {
    const made = element("td", undefined, kind);
    made.append(content);
    return made;
  };
  const line = ({ cells, verdict }) => {
    const made = document.createElement("tr");
    const question = element("bdi", cells[at.question]);
    const finished = cells[at.state] !== "open" && cells[at.state] !== "failed";
    const holder = finished ? element("a") : element("span");
    if (finished) holder.href = data.address.replace("{}", String(Number(cells[at.number])));
    holder.append(question);
    const first = cell(holder, "question");
    const id = cells[at.tags].split(" ")[0] + (cells[at.repeat] ? ` · repeat ${cells[at.repeat]}` : "");
    first.append(element("bdi", id, "id"));
    made.append(
      first, cell(element("bdi", cells[at.condition])), cell(element("bdi", cells[at.result] || cells[at.state])),
      cell(verdict, verdict), cell(cells[at.rounds] ?? "–", "number"), cell(cells[at.changes], "number"));
    return made;
  };

  const draw = () => {
    const last = Math.max(0, Math.ceil(shown.length / PAGE) - 1);
    page = Math.min(page, last);
    body.replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map(line));
    byId("found").textContent = `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} debates`;
    byId("place").textContent = `page ${page + 1} of ${last + 1}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page === last;
  };
  const order = () => {
    const column = at[sort];
    const value = (row) => row.cells[column];
    shown.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (a === b) return one.cells[at.number] - other.cells[at.number];
      if (a === null || b === null) return a === null ? 1 : -1;
      return (a < b ? -1 : 1) * (down ? -1 : 1);
    });
    for (const button of buttons) {
      const head = button.closest("th");
      if (button.dataset.sort === sort) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };
  const filter = () => {
    const words = fields.query.value.toLowerCase().split(/\s+/).filter(Boolean);
    const [condition, outcome, right] = [fields.condition.value, fields.outcome.value, fields.right.value];
    shown = rows.filter((row) =>
      (!condition || row.cells[at.condition] === condition) && (!outcome || row.cells[at.state] === outcome) &&
      (!right || row.verdict === right) && words.every((word) => row.text.includes(word)));
    page = 0;
    order();
    draw();
  };

  for (const field of Object.values(fields)) field.addEventListener("input", filter);
  for (const button of buttons)
    button.addEventListener("click", () => {
      down = sort === button.dataset.sort ? !down : false;
      sort = button.dataset.sort;
      page = 0;
      order();
      draw();
    });
  byId("previous").addEventListener("click", () => { page -= 1; draw(); });
  byId("next").addEventListener("click", () => { page += 1; draw(); });
  byId("finder").hidden = false;
  filter();

  // Debates of the same file: the one that the address names is shown in the index's place.
  const index = document.querySelector(".index");
  const route = () => {
    const target = byId(location.hash.slice(1));
    const debate = target && target.closest(".debate");
    for (const open of document.querySelectorAll(".debate.open")) open.classList.remove("open");
    index.classList.toggle("closed", Boolean(debate));
    if (debate) {
      debate.classList.add("open");
      debate.focus({ preventScroll: true });
    }
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", route);
  addEventListener("DOMContentLoaded", route);
})();
