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
  const texts = [];
  const props = { blocks: held(blocks, texts), theme, logo: "", name: "", withoutWrapper: true, hooks: { date: slackDate } };
  flushSync(() => createRoot(place).render(createElement(Message, props)));
  putBack(place, texts);
  return place;
}

// In plain_text Slack reads nothing. The renderer does: so such texts wait in `texts`, and a mark stands in for each.
const MARK = /\ue000(\d+)\ue001/;

function held(blocks, texts) {
  const isPlain = (value) => value?.type === "plain_text" && value.emoji === false;
  const hold = (value) => ({ ...value, text: `\ue000${texts.push(value.text) - 1}\ue001` });
  return JSON.parse(JSON.stringify(blocks), (_, value) => (isPlain(value) ? hold(value) : value));
}

function putBack(place, texts) {
  const nodes = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const node = nodes.currentNode;
    node.data = node.data.replace(MARK, (mark, index) => texts[index] ?? mark);
  }
}
