// What a browser, a prober and a socket can do to the wide port: DNS rebinding, cross-site posts, preflights, health, half a connection.
import { connect } from "node:net";
import type { Socket } from "node:net";
import { request } from "node:http";
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { operationTable } from "../../src/transport/operation-table.ts";
import { startServer } from "./server.ts";
import type { TestServer } from "./server.ts";

let server: TestServer;
const LISTED = "https://console.example.org";

beforeAll(async () => {
  server = await startServer({ allowedOrigins: [LISTED], allowedHosts: ["maestro.example.org"] });
});
afterAll(() => server.end());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function ask(method: string, path: string, headers: OutgoingHttpHeaders, body = ""): Promise<Answer> {
  const call = request({ host: "127.0.0.1", port: server.widePort, method, path, headers });
  call.end(body);
  const [response] = (await once(call, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body: text };
}

const WHO = "/maestro.v1.IdentityService/WhoAmI";
const JSON_TYPE = { "content-type": "application/json" };
const who = (headers: OutgoingHttpHeaders): Promise<Answer> => ask("POST", WHO, { ...JSON_TYPE, ...headers }, "{}");

describe("Host", () => {
  test("of a name that was rebound to this address is refused", async () => {
    const answer = await who({ host: `evil.example.com:${server.widePort}` });
    expect(answer.status).toBe(421);
  });

  test("that only begins or ends like localhost is refused", async () => {
    for (const host of [
      "localhost.evil.example.com",
      "evil-localhost",
      "127.0.0.1.evil.example.com",
      "localhost:80:80",
      "user@localhost",
    ]) {
      expect((await who({ host })).status, host).toBeGreaterThanOrEqual(400);
    }
  });

  test("that is named twice is refused", async () => {
    const twice = ["content-type", "application/json", "host", "localhost", "host", "evil.example.com"];
    const call = request({ host: "127.0.0.1", port: server.widePort, method: "POST", path: WHO, headers: twice });
    call.end("{}");
    const [response] = (await once(call, "response")) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(400);
  });

  test("of loopback, an address or a listed name is served", async () => {
    for (const host of ["localhost", `127.0.0.1:${server.widePort}`, "[::1]:8001", "10.1.2.3", "MAESTRO.example.org"])
      expect((await who({ host })).status, host).toBe(200);
  });
});

describe("Origin", () => {
  test("of another site is refused, whatever it posts", async () => {
    const answer = await who({ origin: "https://evil.example.com" });
    expect(answer.status).toBe(403);
    expect(answer.headers["access-control-allow-origin"]).toBeUndefined();
  });

  test("that hides itself is refused", async () => {
    expect((await who({ origin: "null" })).status).toBe(403);
  });

  test("of this server's own pages is served", async () => {
    expect((await who({ host: "localhost:8001", origin: "http://localhost:8001" })).status).toBe(200);
  });

  test("that is listed may ask first, and call with a credential and a key", async () => {
    const preflight = await ask("OPTIONS", WHO, {
      origin: LISTED,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,idempotency-key",
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers["access-control-allow-origin"]).toBe(LISTED);
    expect(preflight.headers["access-control-allow-headers"]).toMatch(/Authorization.*Idempotency-Key/);
    const answer = await who({ origin: LISTED });
    expect(answer).toMatchObject({ status: 200, headers: { "access-control-allow-origin": LISTED } });
    expect(answer.headers["access-control-expose-headers"]).toMatch(/grpc-status/i);
  });

  test("that is not listed gets no answer to its preflight", async () => {
    const preflight = await ask("OPTIONS", WHO, {
      origin: "https://evil.example.com",
      "access-control-request-method": "POST",
    });
    expect(preflight.status).toBe(403);
  });
});

describe("what a browser fetches for another site", () => {
  test("is refused although it says no origin, and although it only reads", async () => {
    const site = { "sec-fetch-site": "cross-site" };
    expect((await ask("GET", `${WHO}?connect=v1&encoding=json&message=%7B%7D`, site)).status).toBe(403);
    expect((await who({ ...site, origin: "https://evil.example.com" })).status).toBe(403);
    expect((await who({ ...site, origin: LISTED })).status).toBe(200);
  });

  test("is served when it is this server's own, or the user's wish", async () => {
    for (const site of ["same-origin", "none"]) expect((await who({ "sec-fetch-site": site })).status, site).toBe(200);
  });
});

describe("bodies that a form could post", () => {
  test.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "Text/Plain;charset=utf-8",
  ])("%s is refused", async (type) => {
    expect((await ask("POST", WHO, { "content-type": type }, "{}")).status).toBe(415);
  });
});

describe("every rpc of the contract", () => {
  test("is served: none is unknown or unimplemented", async () => {
    const answers = await Promise.all(
      [...operationTable().keys()].map(async (name) => ({ name, ...(await ask("POST", `/${name}`, JSON_TYPE, "{}")) })),
    );
    for (const { name, body } of answers) {
      expect(body, name).not.toContain("There is nothing here");
      expect(body, name).not.toContain("unimplemented");
    }
  });
});

describe("probes", () => {
  test("find the server alive and ready", async () => {
    expect(await ask("GET", "/healthz", {})).toMatchObject({ status: 200, body: "ok\n" });
    expect(await ask("GET", "/readyz", {})).toMatchObject({ status: 200, body: "ok\n" });
  });

  test("find nothing elsewhere", async () => {
    expect((await ask("GET", "/nothing", {})).status).toBe(404);
  });
});

describe("a connection", () => {
  const open = async (): Promise<Socket> => {
    const socket = connect(server.widePort, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  };

  test("whose first bytes trickle in is still understood", async () => {
    const socket = await open();
    socket.setNoDelay(true);
    let answered = "";
    socket.on("data", (chunk) => (answered += String(chunk)));
    for (const part of ["G", "E", "T /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"])
      await new Promise<void>((resolve) => socket.write(part, () => setImmediate(resolve)));
    await once(socket, "close");
    expect(answered).toMatch(/^HTTP\/1\.1 200/);
  });

  test("that breaks off, or talks nonsense, hurts nobody", async () => {
    const half = await open();
    half.write("PR");
    half.destroy();
    const nonsense = await open();
    nonsense.on("error", () => undefined);
    nonsense.write(Buffer.from([0x16, 0x03, 0x01, 0x00, 0x00]));
    nonsense.resume();
    await once(nonsense, "close");
    expect((await ask("GET", "/healthz", {})).status).toBe(200);
  });
});
