// Makes elements, with text that is never anything but text.

export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A link to https, opened apart; any other address is shown as its label alone. */
export function link(url, ...label) {
  if (!isPage(url)) return element("span", "", ...label);
  const made = element("a", "", ...label);
  made.href = url;
  return opensApart(made);
}

export function opensApart(anchor) {
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer";
  return anchor;
}

export function isPage(url) {
  return /^https:\/\//i.test(url);
}

/** Who said it, above what was said. */
export function sender(name, ...marks) {
  const avatar = element("span", "avatar", name[0]);
  avatar.ariaHidden = "true";
  return element("div", "sender", avatar, element("span", "name", name), ...marks);
}
