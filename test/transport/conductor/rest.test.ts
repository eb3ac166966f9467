// What the REST surface answers to whom: codes, reasons, headers, and what hostile input comes to. Not here: the commands that clients
// are used to, see commands.test.ts.
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { IncomingMessage } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readJson } from "../../../src/transport/conductor/body.ts";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { clientOf } from "./client.ts";
import type { Answer, Ask } from "./client.ts";

let server: TestServer;
let ask: Ask;
const RUN = { name: "check", owner: "devops@example.com" };
const ENDED = { status: "succeeded" };

beforeAll(async () => {
  server = await startServer();
  ask = clientOf(server.widePort);
});
afterAll(() => server.end());

async function make(collection: string, body: object): Promise<string> {
  const { status, json, text } = await ask("POST", `/maestro/${collection}`, body);
  expect(status, text).toBe(201);
  return (json as { readonly id: string }).id;
}

const reasonOf = ({ json }: Answer): unknown =>
  (json as { refusal?: { reason: unknown } } | undefined)?.refusal?.reason;

describe("what is made", () => {
  test("has an address, which answers the same", async () => {
    const made = await ask("POST", "/maestro/runs", RUN);
    expect(made.status).toBe(201);
    const { status, json } = await ask("GET", made.headers.location ?? "");
    expect({ status, json }).toEqual({ status: 200, json: made.json });
  });

  test("once under a key stays one, and the key is nobody else's", async () => {
    const key = { "idempotency-key": "one-run" };
    const first = await ask("POST", "/maestro/runs", RUN, key);
    const again = await ask("POST", "/maestro/runs", RUN, key);
    expect(again).toMatchObject({ status: 201, json: first.json });
    const other = await ask("POST", "/maestro/runs", { ...RUN, name: "other" }, key);
    expect([other.status, reasonOf(other)]).toEqual([409, "IDEMPOTENCY_CONFLICT"]);
    const long = await ask("POST", "/maestro/runs", RUN, { "idempotency-key": "k".repeat(129) });
    expect(long).toMatchObject({ status: 422, json: { detail: [{ loc: ["header", "Idempotency-Key"] }] } });
  });

  test("is what every rpc sees, too", async () => {
    const id = await make("runs", { ...RUN, metadata: { a: [1, null] } });
    const answer = await ask("POST", "/maestro.conductor.v1.ConductorService/GetRun", { id });
    expect(answer).toMatchObject({ status: 200, json: { run: { id, ...RUN, metadata: { a: [1, null] } } } });
  });
});

describe("a refusal", () => {
  test("of what the state of things forbids is 409 with its reason, rule and record", async () => {
    const id = await make("runs", { ...RUN, ...ENDED });
    const answer = await ask("PATCH", `/maestro/runs/${id}`, { status: "running" });
    expect(answer).toMatchObject({
      status: 409,
      json: {
        detail: expect.stringContaining("only moves forward") as string,
        refusal: {
          reason: "STATE_CONFLICT",
          rule: "run.status",
          metadata: { kind: "run", id },
          record_uri: expect.stringMatching(/^max:\/\/record\//) as string,
        },
      },
    });
  });

  test("of a body names every place that is wrong", async () => {
    const answer = await ask("POST", "/maestro/runs", { owner: 5, cost_estimate: -1, status: "done" });
    expect(answer.status).toBe(422);
    expect((answer.json as { detail: readonly { loc: unknown; type: unknown }[] }).detail).toEqual(
      [
        [["body", "name"], "missing"],
        [["body", "owner"], "string_type"],
        [["body", "status"], "enum"],
        [["body", "cost_estimate"], "greater_than_equal"],
      ].map(([loc, type]) => expect.objectContaining({ loc, type }) as unknown),
    );
    expect(reasonOf(answer)).toBe("INVALID_REQUEST");
  });

  test("of an artifact of another run in a pack is 400, of the same pack again 409", async () => {
    const [one, other] = [await make("runs", RUN), await make("runs", RUN)];
    const artifact = await make("artifacts", { run_id: other, kind: "sbom", path_or_uri: "sbom.json" });
    const pack = { run_id: one, summary: "s", artifact_ids: [artifact] };
    expect(await ask("POST", "/maestro/disclosure-packs", pack)).toMatchObject({ status: 400 });
    await make("disclosure-packs", { ...pack, run_id: other });
    const twice = await ask("POST", "/maestro/disclosure-packs", { ...pack, run_id: other });
    expect([twice.status, reasonOf(twice)]).toEqual([409, "ALREADY_EXISTS"]);
    const unknown = await ask("POST", "/maestro/disclosure-packs", { ...pack, artifact_ids: ["abc"] });
    expect(unknown.status).toBe(404);
  });

  test.each([
    ["a query", "GET", "/maestro/runs?status=done", ["query", "status"], "enum"],
    ["a kind", "GET", "/maestro/artifacts?kind=zip", ["query", "kind"], "enum"],
    ["a limit", "GET", "/maestro/runs?limit=ten", ["query", "limit"], "int_parsing"],
    ["a limit of nothing", "GET", "/maestro/runs?limit=0", ["query", "limit"], "greater_than_equal"],
    ["a limit of too much", "GET", "/maestro/runs?limit=10001", ["query", "limit"], "less_than_equal"],
    ["a page token", "GET", "/maestro/runs?page_token=x", ["query", "page_token"], "value_error"],
    ["a mode", "GET", "/maestro/runs/x/release-gate?mode=strict", ["query", "mode"], "enum"],
  ])("of %s says where in the query", async (_, method, path, loc, type) => {
    expect(await ask(method, path)).toMatchObject({ status: 422, json: { detail: [{ loc, type }] } });
  });
});

describe("ids of any shape", () => {
  const odd = ["abc", "run_", "%00", "%ff", "a%2Fb", encodeURIComponent("ü ö"), "x".repeat(3_000), "..%2f"];

  test.each([
    "/maestro/runs/{id}",
    "/maestro/runs/{id}/manifest",
    "/maestro/runs/{id}/release-gate",
    "/maestro/artifacts/{id}",
    "/maestro/disclosure-packs/{id}",
    "/maestro/disclosure-packs/{id}/export",
    "/maestro/workflows/{id}",
  ])("are looked up at %s", async (path) => {
    for (const id of odd) {
      const answer = await ask("GET", path.replace("{id}", id));
      expect([answer.status, reasonOf(answer)], id).toEqual([404, "NOT_FOUND"]);
      expect((answer.json as { detail: unknown }).detail).toBeTypeOf("string");
    }
  });

  test("are looked up in bodies, in lists and where something is changed", async () => {
    for (const id of ["abc", "", "\0", "x".repeat(3_000), "run_01jx0000000000000000000000"]) {
      const artifact = { run_id: id, kind: "sbom", path_or_uri: "x" };
      expect((await ask("POST", "/maestro/artifacts", artifact)).status, id).toBe(404);
      expect((await ask("POST", "/maestro/disclosure-packs", { run_id: id, summary: "s" })).status, id).toBe(404);
      const listed = await ask("GET", `/maestro/artifacts?run_id=${encodeURIComponent(id)}`);
      expect(listed, id).toMatchObject({ status: 200, json: [] });
    }
    expect((await ask("PATCH", "/maestro/runs/abc", ENDED)).status).toBe(404);
    expect((await ask("POST", "/maestro/waivers/abc/revoke")).status).toBe(404);
  });
});

describe("addresses", () => {
  test("may end in a slash; what is not there is 404, in JSON", async () => {
    expect((await ask("GET", "/maestro/runs/")).status).toBe(200);
    for (const path of ["/maestro/", "/maestro/nothing", "/maestro/runs/a/b", "/maestro/runs//manifest", "/docs/x"])
      expect(await ask("GET", path), path).toMatchObject({ status: 404, json: { detail: "Not Found" } });
  });

  test("say what can be done there", async () => {
    expect(await ask("DELETE", "/maestro/runs/abc")).toMatchObject({
      status: 405,
      headers: { allow: "GET, PATCH, HEAD, OPTIONS" },
      json: { detail: "Method Not Allowed" },
    });
    expect(await ask("OPTIONS", "/maestro/runs")).toMatchObject({
      status: 204,
      headers: { allow: "POST, GET, HEAD, OPTIONS" },
    });
    const head = await ask("HEAD", "/maestro/runs");
    expect(head).toMatchObject({ status: 200, text: "" });
    expect(Number(head.headers["content-length"])).toBeGreaterThan(0);
  });

  test("are for this site's pages only, like every other one", async () => {
    const other = await ask("GET", "/maestro/runs", undefined, { origin: "https://evil.example.com" });
    expect(other).toMatchObject({ status: 403, json: { detail: expect.any(String) as string } });
    expect((await ask("GET", "/docs", undefined, { host: "evil.example.com" })).status).toBe(421);
    const form = await ask("POST", "/maestro/runs", "name=x", { "content-type": "application/x-www-form-urlencoded" });
    expect(form).toMatchObject({ status: 415, json: { detail: expect.any(String) as string } });
  });

  test("are served over HTTP/2 alike", async () => {
    const session = connectHttp2(server.wideUrl);
    const stream = session.request({ ":method": "POST", ":path": "/maestro/runs", "content-type": "application/json" });
    stream.end(JSON.stringify(RUN));
    const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
    let text = "";
    for await (const chunk of stream.setEncoding("utf8")) text += String(chunk);
    session.close();
    expect(headers[":status"]).toBe(201);
    expect(JSON.parse(text)).toMatchObject(RUN);
  });
});

describe("a body", () => {
  const post = (body: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer> =>
    ask("POST", "/maestro/runs", body, headers);

  test.each([
    ["that is no JSON", "{", "json_invalid"],
    ["that is half a JSON", '{"name": "x"', "json_invalid"],
    ["that is not UTF-8", Buffer.from([0x22, 0xff, 0x22]), "json_invalid"],
    ["that is empty", "", "missing"],
    ["that is a list", "[]", "model_attributes_type"],
    ["that is null", "null", "model_attributes_type"],
  ])("%s is 422", async (_, body, type) => {
    const answer = await post(body, { "content-type": "application/json" });
    expect(answer).toMatchObject({ status: 422, json: { detail: [{ type }] } });
    expect((answer.json as { detail: readonly { loc: unknown }[] }).detail[0]?.loc).toContain("body");
  });

  test("of another kind, in other characters, or packed, is 415", async () => {
    for (const type of ["application/xml", "application/json; charset=latin1", ""])
      expect((await post("{}", { "content-type": type })).status, type).toBe(415);
    expect((await post(gzipSync("{}"), { "content-encoding": "gzip" })).status).toBe(415);
    expect((await post(JSON.stringify(RUN), { "content-type": "application/vnd.x+json;charset=UTF-8" })).status).toBe(
      201,
    );
  });

  test("that is too large is 413, whether it says so or not", async () => {
    const large = Buffer.alloc(4 * 1024 * 1024 + 1, " ");
    expect(await post(large)).toMatchObject({ status: 413, json: { refusal: { reason: "TOO_LARGE" } } });
    const call = request({ host: "127.0.0.1", port: server.widePort, method: "POST", path: "/maestro/runs" });
    call.setHeader("content-type", "application/json").on("error", () => undefined);
    for (let i = 0; i < 5; i++) call.write(large.subarray(0, 1024 * 1024));
    call.end();
    const [response] = (await once(call, "response")) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(413);
  });

  test("that is deeper than anybody reads is refused, and hurts nobody", async () => {
    const deep = `{"name":"n","owner":"o","metadata":{"a":${"[".repeat(500_000)}${"]".repeat(500_000)}}}`;
    expect((await post(deep)).status).toBe(422);
    const bare = "[".repeat(1_000_000) + "]".repeat(1_000_000);
    expect((await post(bare)).status).toBe(422);
  });

  test("that does not come is waited for so long and no longer", async () => {
    const slow = createServer((incoming, response) => {
      void readJson(incoming, false, 50).then((body) => {
        response.end(JSON.stringify(body.ok ? {} : { status: body.why.status, rule: body.why.refusal.rule }));
      });
    }).listen(0, "127.0.0.1");
    await once(slow, "listening");
    const { port } = slow.address() as { readonly port: number };
    const call = request({ host: "127.0.0.1", port, method: "POST", headers: { "content-length": 10 } });
    call.on("error", () => undefined).write("{");
    const [response] = (await once(call, "response")) as [IncomingMessage];
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += String(chunk);
    expect(JSON.parse(text)).toEqual({ status: 408, rule: "http.patience" });
    call.destroy();
    slow.close();
  });

  test("that breaks off leaves nothing behind", async () => {
    const before = (await ask("GET", "/maestro/runs")).text;
    const socket = connect(server.widePort, "127.0.0.1");
    await once(socket, "connect");
    socket.write("POST /maestro/runs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n");
    await new Promise((done) => socket.write('Content-Length: 100\r\n\r\n{"name":"half"', done));
    socket.destroy();
    await once(socket, "close");
    expect((await ask("GET", "/maestro/runs")).text).toBe(before);
  });

  test("may have members that nobody knows, and names that objects inherit", async () => {
    const answer = await post('{"name":"n","owner":"o","__proto__":{"status":"failed"},"more":1,"toString":2}');
    expect(answer).toMatchObject({ status: 201, json: { status: "pending" } });
  });

  test("with a digest that names no algorithm is refused, with one that is short is not", async () => {
    const run_id = await make("runs", RUN);
    const artifact = { run_id, kind: "other", path_or_uri: "x" };
    expect((await ask("POST", "/maestro/artifacts", { ...artifact, content_hash: "abc" })).status).toBe(422);
    await make("artifacts", { ...artifact, content_hash: "md5:whatever" });
  });
});

describe("workflows", () => {
  test("are made, read and listed; one whose tasks wait for each other is refused", async () => {
    const workflow = {
      name: "build",
      tasks: [
        { name: "a", agent_type: "builder" },
        { name: "b", agent_type: "builder" },
      ],
      dependencies: [{ task: "b", depends_on: "a" }],
    };
    const id = await make("workflows", workflow);
    const read = await ask("GET", `/maestro/workflows/${id}`);
    expect(read).toMatchObject({ status: 200, json: { id, ...workflow } });
    expect((await ask("GET", "/maestro/workflows")).json).toEqual([read.json]);
    const circle = [...workflow.dependencies, { task: "a", depends_on: "b" }];
    const answer = await ask("POST", "/maestro/workflows", { ...workflow, dependencies: circle });
    expect(answer).toMatchObject({ status: 422, json: { detail: [{ loc: ["body", "dependencies"], type: "cycle" }] } });
  });

  test("become runs, which are plans: their tasks are told, and nobody sets what the plan says", async () => {
    const tasks = [{ name: "lone", agent_type: "nobody-has-this" }];
    const workflow_id = await make("workflows", { name: "alone", tasks });
    const run = await ask("POST", "/maestro/runs", { ...RUN, workflow_id });
    expect(run).toMatchObject({
      status: 201,
      json: {
        ...RUN,
        workflow_id,
        plan_id: expect.stringMatching(/^plan_/) as string,
        task_runs: [
          { name: "lone", agent_type: "nobody-has-this", status: "pending", started_at: null, finished_at: null },
        ],
      },
    });
    const { id, plan_id } = run.json as { readonly id: string; readonly plan_id: string };
    const changed = await ask("PATCH", `/maestro/runs/${id}`, ENDED);
    expect([changed.status, reasonOf(changed)]).toEqual([409, "STATE_CONFLICT"]);
    expect(await ask("PATCH", `/maestro/runs/${id}`, { name: "renamed" })).toMatchObject({ status: 200 });
    expect(await ask("GET", `/maestro/runs/${plan_id}`)).toMatchObject({ status: 200, json: { id, name: "renamed" } });
    expect((await ask("POST", "/maestro/runs", { ...RUN, workflow_id: "abc" })).status).toBe(404);
  });
});
