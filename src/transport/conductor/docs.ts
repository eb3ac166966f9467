// The OpenAPI document at `/openapi.json`, and Swagger UI over it at `/docs`: from files that are here, without a script or a fetch of
// anybody else's. Not here: what the document says, see openapi.ts.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isoTime, systemClock } from "../../support/clock.ts";
import { JSON_HEADERS, plainReply } from "./codes.ts";
import type { Reply } from "./codes.ts";
import { IN_A_MONTH } from "./examples.ts";
import { openApiDocument } from "./openapi.ts";

const require = createRequire(import.meta.url);

/** Files of Swagger UI, beside this one in a package and in its own package in a checkout, where nothing is built. */
const ASSETS: Readonly<Record<string, string>> = {
  "swagger-ui.css": "text/css; charset=utf-8",
  "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
  "favicon-32x32.png": "image/png",
};

// Swagger UI writes style attributes; scripts are files of ours and nothing else.
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");
const HEADERS = { "content-security-policy": POLICY, "x-content-type-options": "nosniff", "cache-control": "no-cache" };

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Maestro Conductor - Swagger UI</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;
const START = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });\n`;

const MONTH_MS = 30 * 86_400_000;
let document: string | undefined;

/** Undefined when the path is none of these. */
export async function docsReply(path: string): Promise<Reply | undefined> {
  switch (path) {
    case "/openapi.json":
      document ??= JSON.stringify(openApiDocument((require("maestro/package.json") as { version: string }).version));
      return {
        status: 200,
        headers: { ...JSON_HEADERS, "cache-control": "no-cache" },
        body: document.replace(IN_A_MONTH, isoTime(systemClock.nowMs() + MONTH_MS)),
      };
    case "/docs":
    case "/docs/":
      return { status: 200, headers: { ...HEADERS, "content-type": "text/html; charset=utf-8" }, body: PAGE };
    case "/docs/start.js":
      return { status: 200, headers: { ...HEADERS, "content-type": "text/javascript; charset=utf-8" }, body: START };
  }
  const name = path.startsWith("/docs/") ? path.slice("/docs/".length) : "";
  const type = Object.hasOwn(ASSETS, name) ? ASSETS[name] : undefined;
  if (type === undefined) return undefined;
  const folder = assetFolder();
  if (folder === undefined) return plainReply(404, "This server was built without its interactive documents.");
  return { status: 200, headers: { ...HEADERS, "content-type": type }, body: await readFile(join(folder, name)) };
}

function assetFolder(): string | undefined {
  const beside = fileURLToPath(new URL("swagger-ui", import.meta.url));
  if (existsSync(beside)) return beside;
  try {
    return dirname(require.resolve("swagger-ui-dist/package.json"));
  } catch {
    return undefined;
  }
}
