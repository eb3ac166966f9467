// Serves one page and, as a browser loads them, the modules that it imports: our TypeScript with its types taken out, packages
// through an import map. No bundler. Not here: what the page does.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { stripTypeScriptTypes } from "node:module";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

export interface PageServer {
  /** Two origins of the same page: a browser takes an address and its name for different sites. */
  readonly origin: string;
  readonly otherOrigin: string;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL("../../..", import.meta.url));
const PACKAGES = ["@bufbuild/protobuf", "@bufbuild/protovalidate", "@connectrpc/connect", "@connectrpc/connect-web"];
const SERVED = /^\/(gen|node_modules|test\/clients\/browser)\/[\w@./-]+\.(ts|js)$/;

export async function servePage(): Promise<PageServer> {
  const page = `<!doctype html><meta charset="utf-8"><title>A page</title><script type="importmap">${await importMap()}</script>`;
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const answer = path === "/" ? Promise.resolve(page) : moduleAt(path);
    answer.then(
      (body) => {
        const type = path === "/" ? "text/html" : "text/javascript";
        response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(body);
      },
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    otherOrigin: `http://localhost:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function moduleAt(path: string): Promise<string> {
  if (!SERVED.test(path) || path.includes("..")) throw new Error(`${path} is not served`);
  const text = await readFile(join(root, path), "utf8");
  return extname(path) === ".ts" ? stripTypeScriptTypes(text) : text;
}

async function importMap(): Promise<string> {
  const imports: Record<string, string> = {};
  for (const name of PACKAGES) {
    const manifest = JSON.parse(await readFile(join(root, "node_modules", name, "package.json"), "utf8")) as {
      readonly exports: Readonly<Record<string, { readonly import: string }>>;
    };
    for (const [subpath, { import: file }] of Object.entries(manifest.exports))
      imports[name + subpath.slice(1)] = `/node_modules/${name}/${file.slice(2)}`;
  }
  return JSON.stringify({ imports });
}
