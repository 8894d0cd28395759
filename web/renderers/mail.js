// Draws a mail as a mail program shows plain text: the subject, then the text with its line breaks and its addresses linked.

import { element, link } from "./element.js";
import css from "./mail.css";

export function drawMail({ subject, text }) {
  const mail = element("article", "frame mail", element("h2", "subject", subject));
  mail.append(element("p", "text", ...linked(text)));
  return { element: mail, css: [css] };
}

/** As mail programs do: whatever looks like an address becomes a link. */
function linked(text) {
  return text.split(/(https?:\/\/\S+)/).map((part, index) => (index % 2 ? link(part, part) : part));
}
