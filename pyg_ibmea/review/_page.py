"""The page of a review: its structure, style and script."""

from __future__ import annotations


def page(nonce: str) -> str:
    """The page as HTML.

    Args:
        nonce (str): What style and script are allowed by.
    """
    return (
        "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        "<title>Are these the same?</title><link rel='icon' href='data:,'>"
        f"<style nonce='{nonce}'>{_STYLE}</style></head>"
        f"<body>{_BODY}<script nonce='{nonce}'>{_SCRIPT}</script></body></html>\n"
    )


_BODY = """
<header>
<h1 id="title" tabindex="-1">Are these the same?</h1>
<progress id="bar" max="1" value="0" aria-label="questions answered"></progress>
<p id="said" role="status"></p>
</header>
<main id="main" hidden>
<p id="sure"></p>
<div class="two">
<section id="source" aria-labelledby="source-name"></section>
<section id="target" aria-labelledby="target-name"></section>
</div>
</main>
<main id="over" hidden><h2>All questions are answered</h2><p id="farewell"></p></main>
<p id="wrong" role="alert"></p>
<footer>
<button id="same" class="same">Same <kbd>s</kbd></button>
<button id="different" class="different">Different <kbd>d</kbd></button>
<button id="skip">Skip <kbd>k</kbd></button>
<button id="undo">Undo <kbd>u</kbd></button>
</footer>
<noscript><p>The page needs JavaScript. Without it, use
<code>pyg-ibmea review RUN --terminal</code>.</p></noscript>
"""

_STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--line:#8c959f;--soft:#f3f5f7;
--same:#116329;--different:#a40e26;--dim:#57606a}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--line:#6e7681;
--soft:#161b22;--same:#2ea043;--different:#e5534b;--dim:#9da7b1}}
*{box-sizing:border-box}[hidden]{display:none!important}
body{font:16px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);
margin:0 auto;max-width:64rem;padding:.8rem .8rem 6.5rem}
h1{font-size:1.25rem;margin:0 0 .4rem}h1:focus{outline:none}
h2{font-size:1.05rem;margin:.2rem 0;overflow-wrap:anywhere}
h3{font-size:.8rem;margin:.8rem 0 .1rem;color:var(--dim);overflow-wrap:anywhere}
progress{width:100%;height:.6rem}
p{margin:.3rem 0}#said,#sure{color:var(--dim)}
#wrong:not(:empty){border:2px solid var(--different);border-radius:.4rem;padding:.5rem}
.two{display:grid;grid-template-columns:1fr 1fr;gap:.8rem}
section{border:1px solid var(--line);border-radius:.5rem;padding:.7rem;min-width:0;
background:var(--soft)}
.graph{font-size:.8rem;color:var(--dim)}
.uri{font-size:.8rem;color:var(--dim);overflow-wrap:anywhere}
img{width:100%;max-width:12rem;height:auto;max-height:12rem;object-fit:contain;
background:#fff;border-radius:.3rem;display:block;margin:.4rem 0}
ul{margin:0;padding-left:1.1rem}li{overflow-wrap:anywhere}
footer{position:fixed;inset:auto 0 0;background:var(--paper);
border-top:1px solid var(--line);padding:.6rem;display:grid;gap:.5rem;
grid-template-columns:2fr 2fr 1fr 1fr;max-width:64rem;margin:auto}
button{font:inherit;font-weight:600;min-height:3.4rem;border-radius:.5rem;
border:2px solid var(--line);background:var(--soft);color:var(--ink);cursor:pointer;
padding:.2rem}
button.same{border-color:var(--same)}button.different{border-color:var(--different)}
button:focus-visible{outline:3px solid #0969da;outline-offset:2px}
button:disabled{opacity:.45;cursor:default}
kbd{font:.8em ui-monospace,monospace;border:1px solid var(--line);border-radius:.2rem;
padding:0 .3em}
@media(max-width:30rem){kbd{display:none}.two{gap:.5rem}section{padding:.5rem}}
"""

_SCRIPT = """
"use strict";
const $ = id => document.getElementById(id);
let state = null, busy = false;
function make(kind, text, name) {
  const one = document.createElement(kind);
  if (text !== undefined) one.textContent = text;
  if (name) one.className = name;
  return one;
}
function listed(title, items) {
  const list = make("ul");
  for (const item of items) {
    const li = make("li", item);
    li.dir = "auto";
    list.append(li);
  }
  const parts = title ? [make("h3", title)] : [];
  return [...parts, list];
}
function show(side, entity) {
  const parts = [make("div", entity.graph, "graph")];
  const name = make("h2", entity.name || entity.uri);
  name.id = side + "-name"; name.dir = "auto";
  parts.push(name);
  if (entity.name) parts.push(make("div", entity.uri, "uri"));
  if ((entity.image || "").startsWith("data:image/png;base64,")) {
    const picture = make("img");
    picture.src = entity.image;
    picture.alt = "picture of " + (entity.name || entity.uri);
    parts.push(picture);
  }
  for (const one of entity.relations) {
    const more = one.more ? ["and " + one.more + " more"] : [];
    const to = one.arrow === "→" ? "" : " (of)";
    parts.push(...listed((one.name || "next to") + " " + one.arrow + to,
      [...one.others, ...more]));
  }
  if (entity.values.length)
    parts.push(...listed("values", entity.values.map(v => v[0] + ": " + v[1])));
  $(side).replaceChildren(...parts);
}
function draw(moved) {
  const q = state.question, p = state.progress;
  $("bar").max = Math.max(1, p.questions);
  $("bar").value = p.done;
  $("said").textContent = p.done + " of " + p.questions + " answered. " + p.said;
  $("title").textContent = q ? "Question " + (q.number + 1) + " of " + p.questions +
    ": are these the same?" : "Done";
  $("main").hidden = !q; $("over").hidden = !!q;
  $("farewell").textContent = state.farewell + ". You can close this page.";
  for (const id of ["same", "different", "skip"]) $(id).disabled = !q;
  $("undo").disabled = p.done === 0;
  if (q) {
    $("sure").textContent = "The model's confidence is " + q.confidence.toFixed(2) +
      ", the score " + q.score.toFixed(2) + ".";
    show("source", q.source); show("target", q.target);
  }
  if (moved) { $("title").focus({preventScroll: true}); window.scrollTo(0, 0); }
}
async function ask(path, body) {
  if (busy) return;
  busy = true;
  try {
    const reply = await fetch(path, body === undefined ? {} : {method: "POST",
      headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
    if (reply.ok) { state = await reply.json(); $("wrong").textContent = ""; }
    else {
      $("wrong").textContent = await reply.text();
      if (reply.status === 409) state = await (await fetch("state")).json();
    }
    if (state) draw(body !== undefined);
  } catch (error) {
    $("wrong").textContent = "The review is not running any more. What was answered " +
      "is kept; start pyg-ibmea review again.";
  } finally { busy = false; }
}
const keys = {s: "same", d: "different", k: "skip", u: "undo"};
function act(id) {
  if (!state || $(id).disabled) return;
  if (id === "undo") ask("undo", {});
  else ask("answer", {number: state.question.number, answer: id});
}
for (const id of Object.values(keys)) $(id).addEventListener("click", () => act(id));
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const id = keys[event.key.toLowerCase()];
  if (id) { event.preventDefault(); act(id); }
});
ask("state");
"""
