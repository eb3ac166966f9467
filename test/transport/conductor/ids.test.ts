// What ids come to that are nobody's, are given twice, or are too many. Not here: ids in addresses, see rest.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { clientOf } from "./client.ts";
import type { Ask } from "./client.ts";

let server: TestServer;
let ask: Ask;
let run_id = "";
let artifact = "";

beforeAll(async () => {
  server = await startServer();
  ask = clientOf(server.widePort);
  run_id = await make("runs", { name: "check", owner: "devops@example.com" });
  artifact = await make("artifacts", { run_id, kind: "sbom", path_or_uri: "sbom.json" });
});
afterAll(() => server.end());

async function make(collection: string, body: object): Promise<string> {
  const { status, json, text } = await ask("POST", `/maestro/${collection}`, body);
  expect(status, text).toBe(201);
  return (json as { readonly id: string }).id;
}

test("an artifact that a pack names twice is refused as that", async () => {
  const answer = await ask("POST", "/maestro/disclosure-packs", {
    run_id,
    summary: "s",
    artifact_ids: [artifact, artifact],
  });
  expect(answer).toMatchObject({
    status: 422,
    json: { detail: [{ loc: ["body", "artifact_ids"] }], refusal: { reason: "INVALID_REQUEST" } },
  });
});

test("more artifacts than a pack may have are too many, whatever their ids", async () => {
  const artifact_ids = Array.from({ length: 20_000 }, (_, i) => `art_${i}`);
  const answer = await ask("POST", "/maestro/disclosure-packs", { run_id, summary: "s", artifact_ids });
  expect(answer).toMatchObject({
    status: 422,
    json: { detail: [{ loc: ["body", "artifact_ids"], type: "too_long", ctx: { max_length: 10_000 } }] },
  });
});

const RECORD = expect.stringMatching(/^max:\/\/record\//) as string;

test.each([["x"], [""], ["\0"], ["\ud800"], ["a".repeat(5_000)]])("that there is no run %j is recorded", async (id) => {
  const calls = [
    await ask("POST", "/maestro/artifacts", { run_id: id, kind: "sbom", path_or_uri: "x" }),
    await ask("POST", "/maestro/disclosure-packs", { run_id: id, summary: "s" }),
    await ask("POST", "/maestro/disclosure-packs", { run_id, summary: "s", artifact_ids: [id] }),
  ];
  for (const call of calls)
    expect(call).toMatchObject({ status: 404, json: { refusal: { reason: "NOT_FOUND", record_uri: RECORD } } });
});

test("an id that is missing is said to be missing, and nothing else", async () => {
  const answer = await ask("POST", "/maestro/artifacts", { kind: "sbom", path_or_uri: "x" });
  expect(answer).toMatchObject({ status: 422 });
  expect((answer.json as { detail: readonly unknown[] }).detail).toEqual([
    { loc: ["body", "run_id"], msg: "Field required", type: "missing" },
  ]);
});
