// The columns side by side; on a phone one at a time, by the buttons above them.

import { element } from "../renderers/element.js";
import { get } from "./api.js";
import { Column } from "./column.js";

const MOST_CHANGES = 200; // the server answers no more at once

const place = document.getElementById("columns");
const picker = document.getElementById("picker");
const news = document.getElementById("news");
const columns = new Map();
let rev = null;

/** Show what is new since the last time; the first time, all there is. */
export async function follow(state) {
  const fresh = arrange(state.columns);
  const behind = rev !== null && state.rev > rev;
  const changes = behind ? await get(`/changes?since=${rev}`) : { rev: state.rev, cards: [] };
  const lost = state.rev < rev || changes.cards.length >= MOST_CHANGES; // another state file than before, or too much
  rev = changes.rev;
  if (!lost) apply(changes.cards.filter(({ destination }) => !fresh.includes(columns.get(destination))));
  await Promise.all((lost ? [...columns.values()] : fresh).map((column) => column.reload()));
}

function apply(cards) {
  const said = cards.map((card) => columns.get(card.destination)?.change(card)).filter(Boolean);
  if (said.length) news.textContent = said.length > 3 ? `${said.length} new cards` : `New card for ${said.join("; ")}`;
}

/** A column for each destination, in the routing file's order. Those that were not there before. */
function arrange(destinations) {
  const fresh = [];
  const wanted = new Set(destinations.map(({ name }) => name));
  for (const [name, column] of columns) {
    if (!wanted.has(name)) {
      column.element.remove();
      columns.delete(name);
    }
  }
  for (const destination of destinations) {
    if (!columns.has(destination.name)) {
      fresh.push(new Column(destination.name));
      columns.set(destination.name, fresh.at(-1));
    }
    columns.get(destination.name).show(destination);
  }
  const names = destinations.map(({ name }) => name);
  if (names.join("\n") !== [...picker.children].map((button) => button.textContent).join("\n")) lay(names);
  return fresh;
}

function lay(names) {
  const chosen = names.find((name) => columns.get(name).element.classList.contains("chosen")) ?? names[0];
  place.append(...names.map((name) => columns.get(name).element));
  picker.replaceChildren(...names.map(pick));
  choose(chosen);
}

function pick(name) {
  const button = element("button", "", name);
  button.type = "button";
  button.addEventListener("click", () => choose(name));
  return button;
}

function choose(name) {
  for (const column of columns.values()) column.element.classList.toggle("chosen", column.name === name);
  for (const button of picker.children) button.setAttribute("aria-pressed", button.textContent === name);
}
