// Draws a mail as mail programs show plain text: the subject, then the text with its line breaks, its addresses linked.

import { element, link } from "./element.js";
import css from "./mail.css";

export function drawMail({ subject, text }, { theme }) {
  const mail = element("article", `frame mail ${theme}`);
  mail.append(element("h2", "subject", subject));
  mail.append(element("p", "from", "AWS Notifications <no-reply@sns.amazonaws.com>"));
  mail.append(element("p", "text", ...linked(text)));
  return { element: mail, css: [css] };
}

/** As mail programs do: whatever looks like an address becomes a link. */
function linked(text) {
  return text.split(/(https?:\/\/\S+)/).map((part, index) => (index % 2 ? link(part, part) : part));
}
