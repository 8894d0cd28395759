// Bundles the pages and renderers of web/ into web/built/, which git ignores: `npm run build`, or `make web`.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

// One line for each page: its script is self-contained, styles included, so that it can be inlined under a strict CSP.
const pages = {
  preview: here("preview.js"),
  inbox: here("inbox/inbox.js"),
};

await build({
  entryPoints: pages,
  outdir: here("built"),
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  loader: { ".css": "text" },
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "eof",
  logLevel: "warning",
});
