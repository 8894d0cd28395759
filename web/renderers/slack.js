// Draws Block Kit by slack-blocks-to-jsx; the colour bar of an attachment, which it leaves out, is drawn here.

import { createElement } from "react";
import { flushSync } from "react-dom";
import { createRoot } from "react-dom/client";
import { Message } from "slack-blocks-to-jsx";
import blockKit from "slack-blocks-to-jsx/dist/style.css";
import { element, opensApart, sender } from "./element.js";
import css from "./slack.css";
import { slackDate } from "./slackdate.js";

export function drawSlack({ blocks = [], attachments = [] }, { theme }) {
  const message = element("article", `frame slack ${theme}`, sender("WorkSpaces login bot", element("span", "app", "APP")));
  if (blocks.length) message.append(drawBlocks(blocks, theme));
  for (const attachment of attachments) message.append(drawAttachment(attachment, theme));
  message.querySelectorAll("a").forEach(opensApart);
  return { element: message, css: [blockKit, css] };
}

function drawAttachment({ color = "", blocks = [] }, theme) {
  const drawn = element("div", "attachment", drawBlocks(blocks, theme));
  if (/^#[0-9a-f]{6}$/i.test(color)) drawn.style.borderLeftColor = color;
  return drawn;
}

function drawBlocks(blocks, theme) {
  const place = element("div", "blocks");
  const props = { blocks, theme, logo: "", name: "", withoutWrapper: true, hooks: { date: slackDate } };
  flushSync(() => createRoot(place).render(createElement(Message, props)));
  return place;
}
