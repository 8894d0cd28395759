// The form: a login chosen or typed, or an event pasted; looked at while it is written, sent by its buttons.

import { element } from "../renderers/element.js";
import { post } from "./api.js";
import { hearers, looked, showLook } from "./look.js";

const PAUSE = 200; // milliseconds without a key until a login is looked at

const form = document.getElementById("login");
const text = document.getElementById("text");
const became = document.getElementById("became");
const lookedAt = document.getElementById("looked");
const tried = document.getElementById("tried");
const scratch = document.getElementById("scratch");
let inForce = "";
let pending = 0;

export function startComposer() {
  form.addEventListener("input", () => soon());
  text.addEventListener("input", () => soon());
  form.addEventListener("submit", send);
  scratch.addEventListener("toggle", () => scratch.open && start());
}

/** What the form offers, and the routing text that the scratch pane starts from. */
export function offer({ directories, platforms, products, routing }) {
  list("directories", directories.map(({ id, name }) => new Option(name, id)));
  list("platforms", platforms.map((name) => new Option(name, name)));
  list("products", products.map((name) => new Option(name, name)));
  const { directory } = form.elements;
  if (!directory.value && directories.length) directory.value = directories[0].id;
  if (inForce !== routing.text) {
    if (text.value === inForce) text.value = routing.text; // untouched: follow the file
    inForce = routing.text;
    soon();
  }
}

function list(id, options) {
  document.getElementById(id).replaceChildren(...options);
}

function start() {
  text.value ||= inForce;
  soon();
}

function soon() {
  clearTimeout(pending);
  pending = setTimeout(look, PAUSE);
}

async function look() {
  const asked = pending;
  const latest = () => asked === pending;
  await attempt(lookedAt, latest, async () => {
    const found = await post("/look", { login: login() });
    if (latest()) showLook(lookedAt, found);
  });
  if (!scratch.open) return;
  await attempt(tried, latest, async () => {
    const found = await post("/look", { login: login(), routes: text.value });
    if (latest()) tried.replaceChildren(...(found.faults ? faults(found.faults) : [hearers(found.hears), looked(found.steps)]));
  });
}

async function send(event) {
  event.preventDefault();
  const count = Number(event.submitter?.value ?? 1);
  became.textContent = "sending …";
  await attempt(became, () => true, async () => {
    const { said } = await post("/send", { login: login(), count });
    became.textContent = said;
  });
}

/** The reason is said where the answer would be. */
async function attempt(place, latest, work) {
  try {
    await work();
  } catch (error) {
    if (latest()) place.replaceChildren(element("span", "reason", error.message));
  }
}

function login() {
  const { event, ...fields } = Object.fromEntries(new FormData(form));
  const time = fields.time && new Date(fields.time).toISOString();
  return event.trim() ? { user: fields.user, event: JSON.parse(event) } : { ...fields, time };
}

/** Each mistake of the scratch text, with a button that leads to its line. */
function faults(found) {
  const lines = found.map(({ line, text: words }) => {
    if (line === null) return element("li", "", words);
    const button = element("button", "line", `line ${line}`);
    button.type = "button";
    button.addEventListener("click", () => goTo(line));
    return element("li", "", button, ` ${words}`);
  });
  return [element("ul", "faults", ...lines)];
}

function goTo(line) {
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  text.scrollTop = ((line - 4) * text.scrollHeight) / lines.length;
}
