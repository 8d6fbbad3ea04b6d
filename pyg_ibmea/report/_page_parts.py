"""Style and script of the HTML report."""

STYLE = """
:root{color-scheme:light dark;--line:#8886;--dot:#1f6fb4}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;padding:1rem}
h1{font-size:1.6rem;margin:.5rem 0 0}h2{font-size:1.2rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.3rem .5rem;text-align:left;
vertical-align:top;white-space:nowrap}
.wide{overflow-x:auto}
#rows td,details td{min-width:6rem;max-width:24rem;white-space:normal;
overflow-wrap:anywhere}
.controls{display:flex;flex-wrap:wrap;gap:1rem;align-items:center;margin:.6rem 0}
input,button{font:inherit;padding:.2rem .5rem}
thead button{border:0;background:none;font-weight:bold;cursor:pointer;padding:0;
text-decoration:underline dotted}
.pair{display:grid;grid-template-columns:minmax(14rem,20rem) 1fr;gap:1rem}
svg{width:100%;max-width:20rem}svg rect{fill:none;stroke:var(--line)}
svg polyline{stroke-width:1.5}svg circle{fill:var(--dot)}
svg line{stroke:var(--line);stroke-dasharray:4}
svg text{fill:currentColor;font-size:12px}
.curves{width:100%;background:#fff}
.cards{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(20rem,1fr))}
article{border:1px solid var(--line);border-radius:.4rem;padding:.6rem}
article p{margin:0 0 .4rem}
.three{display:grid;grid-template-columns:repeat(3,1fr);gap:.6rem}
.three>div{display:flex;flex-direction:column;min-width:0;overflow-wrap:anywhere}
.three img{width:4rem;height:4rem;object-fit:contain;background:#fff}
.three ul{margin:.3rem 0;padding-left:1rem;font-size:.8rem}
.why td{white-space:normal;overflow-wrap:anywhere}.why table{font-size:.85rem}
.why td:nth-child(2){text-align:right;font-variant-numeric:tabular-nums}
.why i{display:block;height:.7rem;background:var(--dot)}.why .less{background:#c8553d}
.why td:nth-child(3){width:8rem}
@media(max-width:40rem){.pair{grid-template-columns:1fr}body{padding:.6rem}}
@media print{.controls,noscript{display:none}section{break-inside:avoid}}
"""

SCRIPT = """
"use strict";
const all = JSON.parse(document.getElementById("data").textContent);
const SIZE = 100;
let shown = all, first = 0, column = -1, falling = true;
const $ = id => document.getElementById(id);
const lower = all.map(r => (r[0] + "\\n" + r[1] + "\\n" + r[4]).toLowerCase());
const index = new Map(all.map((r, i) => [r, i]));
function cell(row, text) {
  const td = document.createElement("td");
  td.textContent = text;
  row.append(td);
}
// Of the evidence nothing is parsed until the first row is opened.
let told = null;
function evidence(r) {
  told = told || JSON.parse($("evidence").textContent);
  return told.rows[index.get(r)];
}
function opener(row, r) {
  const td = document.createElement("td"), button = document.createElement("button");
  button.textContent = "why";
  button.setAttribute("aria-expanded", "false");
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) row.nextSibling.remove(); else row.after(why(r, row.cells.length));
  });
  td.append(button);
  row.append(td);
}
function why(r, width) {
  const row = document.createElement("tr"), td = document.createElement("td");
  const terms = evidence(r) || [];
  row.className = "why";
  td.colSpan = width;
  row.append(td);
  if (!terms.length) {
    td.textContent = "Not in this page: pyg-ibmea explain RUN SOURCE says why.";
    return row;
  }
  const table = document.createElement("table");
  const most = Math.max(...terms.map(term => Math.abs(term[1])), 1e-9);
  for (const [name, value, text] of terms) {
    const line = document.createElement("tr"), bar = document.createElement("i");
    cell(line, told.texts[name]);
    cell(line, (value < 0 ? "" : "+") + value.toFixed(3));
    const third = document.createElement("td");
    bar.style.width = 100 * Math.abs(value) / most + "%";
    if (value < 0) bar.className = "less";
    third.append(bar);
    line.append(third);
    cell(line, told.texts[text]);
    table.append(line);
  }
  const last = document.createElement("tr");
  cell(last, "score"); cell(last, r[3].toFixed(3)); cell(last, ""); cell(last, "");
  table.append(last);
  td.append(table);
  return row;
}
function draw() {
  const body = document.createDocumentFragment();
  for (const r of shown.slice(first, first + SIZE)) {
    const row = document.createElement("tr");
    cell(row, r[0]); cell(row, r[1]);
    cell(row, r[2].toFixed(3)); cell(row, r[3].toFixed(3)); cell(row, r[4]);
    if (r.length > 5) cell(row, r[5]);
    if ($("evidence")) opener(row, r);
    body.append(row);
  }
  $("rows").replaceChildren(body);
  const last = Math.min(first + SIZE, shown.length);
  $("count").value = shown.length
    ? `${first + 1} to ${last} of ${shown.length}` : "none";
  $("back").disabled = first === 0;
  $("next").disabled = last >= shown.length;
}
function select() {
  const words = $("search").value.toLowerCase().split(/\\s+/).filter(w => w);
  const least = Number($("least").value) || 0;
  const graphs = $("graphs") ? $("graphs").value : "";
  shown = all.filter(r => r[2] >= least && (!graphs || r[5] === graphs) &&
    words.every(w => lower[index.get(r)].includes(w)));
  if (column >= 0) {
    const sign = falling ? -1 : 1;
    shown.sort((a, b) => sign * (a[column] < b[column] ? -1
      : a[column] > b[column] ? 1 : 0));
  }
  first = 0;
  draw();
}
$("search").addEventListener("input", select);
$("least").addEventListener("input", select);
if ($("graphs")) $("graphs").addEventListener("change", select);
$("back").addEventListener("click", () => { first -= SIZE; draw(); });
$("next").addEventListener("click", () => { first += SIZE; draw(); });
for (const button of document.querySelectorAll("[data-column]"))
  button.addEventListener("click", () => {
    const chosen = Number(button.dataset.column);
    falling = chosen === column ? !falling : chosen > 1;
    column = chosen;
    select();
  });
draw();
"""
