// Makes elements, with text that is never anything but text.

export function element(name, className = "", ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A link to https, opened apart; any other address is shown as its label alone. */
export function link(url, ...label) {
  if (!/^https:\/\//i.test(url)) return element("span", "", ...label);
  const made = element("a", "", ...label);
  made.href = url;
  made.target = "_blank";
  made.rel = "noopener noreferrer";
  return made;
}
