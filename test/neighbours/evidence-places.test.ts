// Where evidence is fetched from, and where it is not: folders, hosts, and a store that speaks S3. Not here: what is read of it.
import { createHash, createHmac } from "node:crypto";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { RequestListener, Server } from "node:http";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { files } from "../../src/neighbours/evidence/file.ts";
import { web } from "../../src/neighbours/evidence/http.ts";
import type { Resolve } from "../../src/neighbours/evidence/http.ts";
import { ownContent } from "../../src/neighbours/evidence/own.ts";
import { FetchError } from "../../src/neighbours/evidence/port.ts";
import type { EvidenceSource } from "../../src/neighbours/evidence/port.ts";
import { s3Store } from "../../src/neighbours/evidence/s3.ts";
import { ORG, sha256Of } from "../support/gate.ts";

const NEVER = new AbortController().signal;

async function fetched(source: EvidenceSource, uri: string, signal = NEVER): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source.fetch(ORG, uri, signal)) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

async function problemOf(source: EvidenceSource, uri: string): Promise<string> {
  try {
    return `fetched ${await fetched(source, uri)}`;
  } catch (error) {
    if (error instanceof FetchError) return error.problem;
    throw error;
  }
}

describe("files", () => {
  let folder: string;
  let root: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "maestro-evidence-"));
    root = join(folder, "evidence");
    await mkdir(join(root, "deep"), { recursive: true });
    await mkdir(join(folder, "evidence-of-others"));
    await writeFile(join(root, "deep", "sbom.json"), "inside");
    await writeFile(join(folder, "secret"), "outside");
    await writeFile(join(folder, "evidence-of-others", "secret"), "outside");
    await symlink(join(folder, "secret"), join(root, "link"));
    await symlink(folder, join(root, "up"));
    await symlink(join(root, "deep", "sbom.json"), join(root, "alias.json"));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("are read below the folder, by address, by path, and by a path below it", async () => {
    const source = files([root]);
    const path = join(root, "deep", "sbom.json");
    expect(await fetched(source, path)).toBe("inside");
    expect(await fetched(source, pathToFileURL(path).href)).toBe("inside");
    expect(await fetched(source, "deep/sbom.json")).toBe("inside");
    expect(await fetched(source, "alias.json")).toBe("inside");
    expect(await fetched(files([join(folder, "nowhere"), root]), "deep/sbom.json")).toBe("inside");
  });

  it.each([
    ["a path that climbs", () => "../secret", "NOT_ALLOWED"],
    ["an absolute path", () => join(folder, "secret"), "NOT_ALLOWED"],
    ["an absolute path to nothing", () => join(folder, "not-there"), "NOT_ALLOWED"],
    ["an address", () => pathToFileURL(join(folder, "secret")).href, "NOT_ALLOWED"],
    ["an address whose path is encoded", () => `${pathToFileURL(root).href}/%2e%2e/secret`, "NOT_ALLOWED"],
    ["an address of another machine", () => "file://example.test/secret", "NOT_ALLOWED"],
    ["a link", () => "link", "NOT_ALLOWED"],
    ["a folder that is a link", () => "up/secret", "NOT_ALLOWED"],
    ["a folder whose name begins alike", () => "../evidence-of-others/secret", "NOT_ALLOWED"],
    ["a folder", () => "deep", "NOT_FOUND"],
    ["nothing", () => "not-there", "NOT_FOUND"],
    ["a path with a NUL", () => "deep/sbom.json\0.txt", "NOT_FOUND"],
  ])("%s leads nowhere", async (_, path, problem) => {
    expect(await problemOf(files([root]), path())).toBe(problem);
  });

  it("without a folder nothing is a file, and other addresses never are", () => {
    expect(files([]).takes("deep/sbom.json")).toBe(false);
    expect(files([root]).takes("https://example.test/a")).toBe(false);
  });
});

const open: Server[] = [];
async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  open.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
}
afterEach(async () => {
  for (const server of open.splice(0)) {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  }
});

describe("hosts", () => {
  it("that are listed are asked, without anything of ours", async () => {
    const asked: Record<string, unknown>[] = [];
    const host = await serve(({ headers }, response) => {
      asked.push(headers);
      response.end("content");
    });
    expect(await fetched(web([host]), `http://${host}/sbom.json?v=1`)).toBe("content");
    expect(Object.keys(asked[0] ?? {}).toSorted()).toEqual([
      "accept",
      "accept-encoding",
      "connection",
      "host",
      "user-agent",
    ]);
  });

  it("that are not listed are not asked", async () => {
    let asked = 0;
    const host = await serve((_, response) => {
      asked++;
      response.end("content");
    });
    const port = host.split(":")[1] ?? "";
    expect(await problemOf(web(["builds.example.test"]), `http://${host}/`)).toBe("NOT_ALLOWED");
    // Another port is another host.
    expect(await problemOf(web(["127.0.0.1"]), `http://${host}/`)).toBe("NOT_ALLOWED");
    expect(await problemOf(web([host]), `http://user:secret@${host}/`)).toBe("NOT_ALLOWED");
    expect(await problemOf(web([host]), `http://${host}@example.test:${port}/`)).toBe("NOT_ALLOWED");
    expect(await problemOf(web([host]), "http://")).toBe("NOT_ALLOWED");
    expect(web([]).takes(`http://${host}/`)).toBe(false);
    expect(asked).toBe(0);
  });

  it("redirect to listed hosts only, and not for ever", async () => {
    const good = await serve((_, response) => response.end("content"));
    const other = await serve((_, response) => response.end("secret"));
    const host = await serve(({ url = "" }, response) => {
      const location =
        url === "/good"
          ? `http://${good}/`
          : url === "/other"
            ? `http://${other}/`
            : url === "/file"
              ? "file:///etc/hostname"
              : url;
      response.writeHead(302, { location }).end();
    });
    const source = web([host, good]);
    expect(await fetched(source, `http://${host}/good`)).toBe("content");
    expect(await problemOf(source, `http://${host}/other`)).toBe("NOT_ALLOWED");
    expect(await problemOf(source, `http://${host}/file`)).toBe("NOT_ALLOWED");
    expect(await problemOf(source, `http://${host}/again`)).toBe("UNREACHABLE");
  });

  it("that answer something else, break off, or are not there are told by what became of it", async () => {
    const host = await serve(({ url }, response) => {
      if (url === "/none") response.writeHead(404).end("secret words");
      else if (url === "/bug") response.writeHead(500).end();
      else if (url === "/packed") response.writeHead(200, { "content-encoding": "gzip" }).end();
      else {
        response.writeHead(200, { "content-length": "100" });
        response.write("a part", () => response.destroy());
      }
    });
    const source = web([host, "127.0.0.1:1"]);
    expect(await problemOf(source, `http://${host}/none`)).toBe("NOT_FOUND");
    expect(await problemOf(source, `http://${host}/bug`)).toBe("UNREACHABLE");
    expect(await problemOf(source, `http://${host}/packed`)).toBe("UNREADABLE");
    expect(await problemOf(source, `http://${host}/broken`)).toBe("UNREACHABLE");
    expect(await problemOf(source, "http://127.0.0.1:1/")).toBe("UNREACHABLE");
    await expect(fetched(source, `http://${host}/none`)).rejects.toThrow("its host answers 404");
  });

  it("whose content ends with its connection send a part of it, not all, when the call is over first", async () => {
    const sockets: Socket[] = [];
    const server = createTcpServer((socket) => {
      sockets.push(socket.on("error", () => undefined));
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\na part"));
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const host = `127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    const store = s3Store({ url: `http://${host}`, keyId: "id", secret: "secret", region: "x" });
    try {
      for (const [source, uri] of [
        [web([host]), `http://${host}/`],
        [store, "s3://artifacts/a"],
      ] as const) {
        const abort = new AbortController();
        const read = async (): Promise<void> => {
          for await (const piece of source.fetch(ORG, uri, abort.signal)) {
            expect(Buffer.from(piece).toString()).toBe("a part");
            abort.abort(new Error("it takes too long"));
          }
        };
        await expect(read()).rejects.toThrow("it takes too long");
      }
    } finally {
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    }
  });

  it("whose names lead to this machine or beside it lead nowhere, whatever they led to before", async () => {
    let asked = 0;
    const host = await serve((_, response) => {
      asked++;
      response.end("secret");
    });
    const port = host.split(":")[1] ?? "";
    const named = `rebound.example.test:${port}`;
    for (const address of [
      "127.0.0.1",
      "169.254.169.254",
      "::1",
      "::ffff:127.0.0.1",
      "fe80::1",
      "0.0.0.0",
      "fd00:ec2::254",
      "64:ff9b::7f00:1",
      "100.100.100.200",
      "168.63.129.16",
      "192.0.0.192",
    ]) {
      let looked = 0;
      const resolve: Resolve = (_, done) => {
        looked++;
        done(null, [{ address, family: address.includes(":") ? 6 : 4 }]);
      };
      expect(await problemOf(web([named], resolve), `http://${named}/`), address).toBe("NOT_ALLOWED");
      // It is asked once: what was looked at is what would have been dialled.
      expect(looked, address).toBe(1);
    }
    expect(asked).toBe(0);
  });

  it("that say nothing are given up with the call", async () => {
    const arrived = Promise.withResolvers<void>();
    const host = await serve(() => {
      arrived.resolve();
    });
    const abort = new AbortController();
    const call = fetched(web([host]), `http://${host}/`, abort.signal);
    await arrived.promise;
    abort.abort(new Error("no longer wanted"));
    await expect(call).rejects.toThrow("no longer wanted");
  });
});

/** Answers like S3 where the signature is that of the key: computed here from the request alone. */
function s3Like(objects: Readonly<Record<string, string>>, keyId: string, secret: string): RequestListener {
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
  return ({ method, url = "", headers }, response) => {
    const parts =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(.+)$/.exec(
        headers.authorization ?? "",
      );
    const [, id, day = "", region = "", signed = "", signature] = parts ?? [];
    const time = String(headers["x-amz-date"]);
    const [path = "", query = ""] = url.split("?");
    const canonical = [
      method,
      path,
      query,
      ...signed.split(";").map((name) => `${name}:${String(headers[name])}`),
      "",
      signed,
      String(headers["x-amz-content-sha256"]),
    ].join("\n");
    const scope = `${day}/${region}/s3/aws4_request`;
    const text = ["AWS4-HMAC-SHA256", time, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
    const signing = hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), "s3"), "aws4_request");
    const isSigned = id === keyId && signed.includes("host") && hmac(signing, text).toString("hex") === signature;
    const object = objects[decodeURIComponent(path)];
    if (!isSigned) response.writeHead(403).end("<Error/>");
    else if (object === undefined) response.writeHead(404).end("<Error/>");
    else response.end(object);
  };
}

describe("a store that speaks S3", () => {
  const objects = { "/artifacts/sbom (1)+ü.json": "an object", "/artifacts/a/b": "deeper" };
  it("is asked with a signature, path style", async () => {
    const host = await serve(s3Like(objects, "id", "secret"));
    const store = s3Store({ url: `http://${host}`, keyId: "id", secret: "secret", region: "eu-central-1" });
    expect(await fetched(store, "s3://artifacts/sbom (1)+ü.json")).toBe("an object");
    expect(await fetched(store, "s3://artifacts/a/b")).toBe("deeper");
    expect(await problemOf(store, "s3://artifacts/none")).toBe("NOT_FOUND");
    const stranger = s3Store({ url: `http://${host}`, keyId: "id", secret: "wrong", region: "eu-central-1" });
    expect(await problemOf(stranger, "s3://artifacts/a/b")).toBe("UNREACHABLE");
  });

  it("is asked for listed buckets alone, when some are listed", async () => {
    const host = await serve(s3Like({ ...objects, "/secrets/a": "a secret" }, "id", "secret"));
    const options = { url: `http://${host}`, keyId: "id", secret: "secret", region: "eu-central-1" };
    expect(await fetched(s3Store(options), "s3://secrets/a")).toBe("a secret");
    const store = s3Store({ ...options, buckets: ["artifacts"] });
    expect(await fetched(store, "s3://artifacts/a/b")).toBe("deeper");
    expect(await problemOf(store, "s3://secrets/a")).toBe("NOT_ALLOWED");
  });

  it.each([
    "s3://artifacts",
    "s3://artifacts/",
    "s3:///a",
    "s3://artifacts/../other/secret",
    "s3://artifacts/a/./b",
    "s3://a@b/c",
  ])("%s is no address of an object", async (uri) => {
    const store = s3Store({ url: "http://127.0.0.1:1", keyId: "id", secret: "secret", region: "x" });
    expect(await problemOf(store, uri)).toBe("NOT_ALLOWED");
  });
});

it("what is kept here is found by its digest, in the caller's org", async () => {
  const digest = `sha256:${sha256Of("kept")}`;
  const source = ownContent(async (orgId, asked) =>
    orgId === ORG && asked === digest
      ? (async function* () {
          yield Buffer.from("kept");
        })()
      : undefined,
  );
  expect(await fetched(source, `max://artifact/${digest}`)).toBe("kept");
  expect(await problemOf(source, `max://artifact/sha256:${sha256Of("other")}`)).toBe("NOT_FOUND");
  expect(await problemOf(source, "max://artifact/none")).toBe("NOT_FOUND");
});
