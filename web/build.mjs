// Bundles the pages and renderers of web/ into web/built/, which git ignores: `npm run build`, or `make web`.

import { build } from "esbuild";
import { fileURLToPath } from "node:url";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const usual = {
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "utf8",
  loader: { ".css": "text" },
  define: { "process.env.NODE_ENV": '"production"' },
  legalComments: "eof",
  logLevel: "warning",
};

// This page's script is self-contained, styles included, so that it can be inlined under a strict CSP.
await build({ ...usual, entryPoints: { preview: here("preview.js") }, outdir: here("built"), format: "iife" });

// The inbox lists its cards before the renderers, which are a hundred times its size, are there.
const inbox = { inbox: here("inbox/inbox.js"), renderers: here("renderers.js") };
await build({ ...usual, entryPoints: inbox, outdir: here("built/inbox"), format: "esm", splitting: true });
