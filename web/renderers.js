// Draws a payload as its channel's own programs draw it.

import { drawMail } from "./renderers/mail.js";
import { drawMessageCard } from "./renderers/messagecard.js";
import { drawRaw } from "./renderers/raw.js";
import { drawSlack } from "./renderers/slack.js";
import { drawTeams } from "./renderers/teams.js";
import frame from "./renderers/frame.css";

/**
 * A payload as its reader sees it, in an element of its own whose styles neither leave it nor come in.
 *
 * What a payload says is text wherever its channel shows it as text; nothing is loaded from anywhere. Times that a
 * channel shows by the reader's clock are shown by this browser's time zone and language.
 *
 * @param {"slack" | "teams" | "mail" | string} kind  what the formatter makes; any other kind is shown as JSON
 * @param {object} payload  as it is posted
 * @param {object} [how]
 * @param {"light" | "dark"} [how.theme]
 * @param {number} [how.width]  CSS pixels; without, as wide as what is around it
 * @param {(complaint: string) => void} [how.complain]  hears of each thing that the channel's renderer objects to
 * @returns {HTMLElement}
 */
export function draw(kind, payload, { theme = "light", width, complain = () => {} } = {}) {
  const card = document.createElement("div");
  card.dataset.kind = kind;
  card.dataset.theme = theme;
  if (width) card.style.width = `${width}px`;
  const { element, css } = rendererOf(kind, payload)(payload, { theme, complain });
  const shadow = card.attachShadow({ mode: "open" });
  shadow.adoptedStyleSheets = [frame, ...css].map(styleSheet);
  shadow.append(element);
  return card;
}

function rendererOf(kind, payload) {
  if (kind === "slack") return drawSlack;
  if (kind === "teams") return payload["@type"] === "MessageCard" ? drawMessageCard : drawTeams;
  if (kind === "mail") return drawMail;
  return drawRaw;
}

const sheets = new Map();

/** One sheet for all cards: a constructed sheet needs no inline style, which a strict CSP forbids. */
function styleSheet(css) {
  if (!sheets.has(css)) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    sheets.set(css, sheet);
  }
  return sheets.get(css);
}
