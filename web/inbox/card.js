// One card of a column: what it says, what became of it, which route sent it and why, its size, the JSON behind it.

import { element } from "../renderers/element.js";
import { drawn } from "./drawn.js";
import { count, size, time } from "./words.js";

const OUTCOMES = {
  sent: () => "sent",
  again: ({ until }) => `waiting${until ? ` until ${time(until)}` : ""}`,
  unsure: ({ until }) => `unsure${until ? `, told again at ${time(until)}` : ""}`,
  dead: () => "given up",
};

export function cardElement(card) {
  const made = element("article", "card", heading(card));
  made.dataset.outcome = card.outcome;
  made.dataset.id = card.id;
  made.append(drawn(card.kind, card.payload), footer(card));
  return made;
}

/** Who a card is about: its person, or how many and the first of them. */
export function about({ logins, who }) {
  if (logins === 1) return who[0] ?? "a login";
  const rest = logins - who.length;
  return `${count(logins, "login")}: ${who.map((each) => each.split(" · ")[0]).join(", ")}${rest > 0 ? ", …" : ""}`;
}

function heading(card) {
  const at = element("time", "", time(card.told_at));
  at.dateTime = new Date(card.told_at * 1000).toISOString();
  const outcome = element("span", "outcome", OUTCOMES[card.outcome](card));
  const title = element("h3", "", about(card));
  title.title = title.textContent; // a long one is cut
  const made = element("header", "", title, element("p", "told", outcome, " ", at));
  if (card.reason) made.append(element("p", "reason", card.reason));
  return made;
}

function footer(card) {
  const made = element("footer", "", because(card));
  if (card.used !== null) made.append(weight(card));
  if (card.payload !== null) made.append(json(card.payload));
  return made;
}

function because({ why }) {
  const lines = why.map((each) => {
    const line = element("li", "", "because of ", element("code", "", each.why), `: ${each.because}`);
    if (why.length > 1) line.append(` (${count(each.logins, "login")})`);
    return line;
  });
  return element("ul", "why", ...lines);
}

export function weight(card) {
  const meter = element("meter");
  Object.assign(meter, { max: card.room, high: card.room * 0.9, value: card.used, ariaLabel: "Size against the limit" });
  return element("p", "size", meter, " ", size(card));
}

export function json(payload) {
  const text = element("pre");
  text.tabIndex = 0;
  text.setAttribute("aria-label", "JSON");
  text.role = "region";
  const details = element("details", "json", element("summary", "", "JSON"), text);
  details.addEventListener("toggle", () => {
    text.textContent = details.open ? JSON.stringify(payload, null, 2) : "";
  });
  return details;
}
