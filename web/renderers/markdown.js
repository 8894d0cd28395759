// Reads Markdown as Teams' cards do: links, emphasis and lists; neither HTML nor images.

import MarkdownIt from "markdown-it";

// Bare addresses are linked: some of Teams' programs do, and text that is to stay text must stand that. Mail addresses
// are not: many a user's name is one.
const reader = new MarkdownIt({ html: false, linkify: true, breaks: true }).disable("image");
reader.linkify.set({ fuzzyEmail: false }).add("mailto:", null);

/** HTML of a text; its markup is all the reader's own. */
export function markdown(text) {
  return reader.render(text);
}
