// Shows what changes. Without it every page is whole, and as old as its last load.
"use strict";

const picture = document.getElementById("picture");
const rows = document.getElementById("rows");
const live = document.getElementById("live");
const SVG = new Set(["svg", "path"]);
const MOST_ROWS = 500;

// Texts become text nodes: nothing that is sent can become markup.
function build(node) {
  if (typeof node === "string") return document.createTextNode(node);
  const [tag, attributes, parts] = node;
  const made = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...parts.map(build));
  return made;
}

// Only sections that differ are replaced, so that what somebody types or selects elsewhere stays; each is there once.
function show(sections) {
  const before = new Map([...picture.children].map((one) => [one.id, one]));
  sections.map(build).forEach((one, at) => {
    const old = before.get(one.id);
    before.delete(one.id);
    const node = old ? renewed(old, one) : one;
    if (picture.children[at] !== node) picture.insertBefore(node, picture.children[at] ?? null);
  });
  before.forEach((one) => one.remove());
  document.dispatchEvent(new Event("shown"));
}

// What somebody has opened stays open, the field they are in stays theirs, and what they slide is left alone.
function renewed(old, one) {
  if (old.isEqualNode(one) || old.querySelector("[data-slides]:active")) return old;
  const opened = [...old.querySelectorAll("details")].map((each) => each.open);
  const field = old.contains(document.activeElement) ? document.activeElement.name : "";
  one.querySelectorAll("details").forEach((each, at) => (each.open = Boolean(opened[at])));
  old.replaceWith(one);
  if (field) one.querySelector(`[name="${CSS.escape(field)}"]`)?.focus();
  return one;
}

function add(row) {
  if (!rows) return;
  rows.prepend(build(row));
  while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
}

function tell(words, state) {
  if (live.textContent !== words) live.textContent = words;
  live.className = state;
}

// The browser comes back by itself, with the number of the last row; only what the server refused needs a new page.
let source = null;
function follow(address) {
  source?.close();
  source = new EventSource(address);
  source.addEventListener("page", (event) => show(JSON.parse(event.data)));
  source.addEventListener("row", (event) => add(JSON.parse(event.data)));
  source.addEventListener("open", () => tell(live.dataset.live, "on"));
  source.addEventListener("error", () => {
    tell(live.dataset.cut, "off");
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  });
}
follow(document.body.dataset.stream);

// A slider shows where it is while it moves; where it stands, the same page is followed at its minute.
document.addEventListener("input", ({ target }) => {
  if (target.dataset.slides === undefined) return;
  const time = new Date((Number(target.value) + 9 * 60) * 60_000).toISOString();
  const told = `${time.slice(5, 10)} ${time.slice(11, 16)} KST`;
  target.setAttribute("aria-valuetext", told);
  target.form.querySelector("output").textContent = told;
});
document.addEventListener("change", ({ target }) => {
  if (target.dataset.slides === undefined) return;
  const asked = new URLSearchParams(new FormData(target.form));
  history.replaceState(null, "", `${target.form.action}?${asked}`);
  const stream = new URL(document.body.dataset.stream, location.href).searchParams;
  for (const name of ["of", "after"]) asked.set(name, stream.get(name));
  follow(`/stream?${asked}`);
});
