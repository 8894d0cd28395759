// Asks the inbox's own server; its token makes a post this page's own.

let token = tokenOf(document);

/** What the server has at `path`. Throws with its reason. */
export async function get(path) {
  return read(await fetch(path));
}

/** Posts `body` as JSON. Throws with the server's reason. */
export async function post(path, body) {
  const answer = await send(path, body);
  if (answer.status !== 403) return read(answer);
  const page = await (await fetch("/")).text(); // the bot was started anew: its page has a new token
  token = tokenOf(new DOMParser().parseFromString(page, "text/html"));
  return read(await send(path, body));
}

function send(path, body) {
  const headers = { "Content-Type": "application/json", "X-Inbox-Token": token };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
}

function tokenOf(page) {
  return page.querySelector("meta[name=token]").content;
}

async function read(answer) {
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error ?? `the server said ${answer.status}`);
  return said;
}
