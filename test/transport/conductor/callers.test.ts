// Who may do what over REST: without a key, with one that grants too little, with somebody else's; and that refusals before any
// decision are counted. Not here: what keys grant, see wire.test.ts.
import postgres from "postgres";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { isoTime, systemClock } from "../../../src/support/clock.ts";
import { makeDatabase } from "../../support/database.ts";
import type { TestDatabase } from "../../support/database.ts";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { clientOf } from "./client.ts";
import type { Answer, Ask } from "./client.ts";

const FIRST = "0123456789abcdef0123456789abcdef";
const LISTED = "https://console.example.org";
const DAY_MS = 86_400_000;
let database: TestDatabase;
let server: TestServer;
let ask: Ask;

const RUN = { name: "check", owner: "devops@example.com" };

beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({
    databaseUrl: database.url,
    requireAuth: true,
    bootstrapKey: FIRST,
    allowedOrigins: [LISTED],
  });
  ask = clientOf(server.widePort);
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const by = (secret: string) => ({ authorization: `Bearer ${secret}` });

async function keyOf(principal: string, ...grants: readonly string[]): Promise<string> {
  const path = "/maestro.v1.IdentityService/CreateApiKey";
  const { json, text } = await ask("POST", path, { principal, grants }, by(FIRST));
  const { secret } = json as { readonly secret?: string };
  if (secret === undefined) throw new Error(text);
  return secret;
}

const idOf = ({ json, text }: Answer): string => (json as { readonly id?: string }).id ?? text;

test("nobody without a key, whatever they send, and however wrong it is", async () => {
  for (const [method, path, body] of [
    ["GET", "/maestro/runs", undefined],
    ["GET", "/maestro/runs?limit=x", undefined],
    ["GET", "/maestro/artifacts?run_id=", undefined],
    ["GET", "/maestro/runs/abc", undefined],
    ["GET", "/maestro/disclosure-packs/abc/export", undefined],
    ["POST", "/maestro/runs", RUN],
    ["POST", "/maestro/runs", {}],
    ["POST", "/maestro/runs", "{"],
  ] as const) {
    const answer = await ask(method, path, body);
    expect(answer, `${method} ${path}`).toMatchObject({
      status: 401,
      headers: { "www-authenticate": "Bearer" },
      json: { detail: expect.any(String) as string, refusal: { reason: "UNAUTHENTICATED" } },
    });
  }
  expect((await ask("GET", "/maestro/runs", undefined, by("nonsense"))).status).toBe(401);
});

test("a key that grants too little reads and does not write", async () => {
  const reader = by(await keyOf("reader", "map.maestro.conductor.run.read"));
  expect((await ask("GET", "/maestro/runs", undefined, reader)).status).toBe(200);
  const answer = await ask("POST", "/maestro/runs", RUN, reader);
  expect(answer).toMatchObject({
    status: 403,
    json: { refusal: { reason: "CAPABILITY_MISSING", metadata: { capability: "map.maestro.conductor.run.write" } } },
  });
});

test("a rule is waived by whoever neither owns nor made the run, and the waiver taken back", async () => {
  const auditor = by(await keyOf("auditor", "map.maestro.conductor.*"));
  const run_id = idOf(await ask("POST", "/maestro/runs", RUN, by(FIRST)));
  const waiver = {
    run_id,
    rule: "risk.present",
    reason: "told by mouth",
    expires_at: isoTime(systemClock.nowMs() + DAY_MS),
  };
  expect(await ask("POST", "/maestro/waivers", waiver, by(FIRST))).toMatchObject({
    status: 403,
    json: { refusal: { reason: "APPROVAL_REQUIRED" } },
  });
  const granted = await ask("POST", "/maestro/waivers", waiver, auditor);
  expect(granted).toMatchObject({
    status: 201,
    json: {
      run_id,
      rule: "risk.present",
      artifact_id: null,
      granted_by: "auditor",
      revoked_at: null,
      revoked_by: null,
    },
  });
  const path = `/maestro/waivers/${idOf(granted)}/revoke`;
  expect(await ask("POST", path, undefined, auditor)).toMatchObject({ status: 200, json: { revoked_by: "auditor" } });
  expect((await ask("GET", `/maestro/waivers?run_id=${run_id}`, undefined, auditor)).json).toMatchObject([
    { id: idOf(granted), revoked_by: "auditor" },
  ]);
  const keys = (await ask("GET", "/maestro/signing-keys", undefined, auditor)).json;
  expect(keys).toMatchObject([{ public_key_pem: expect.stringContaining("PUBLIC KEY") as string }]);
});

test("the verified gate tells its mode and its verdicts", async () => {
  const id = idOf(await ask("POST", "/maestro/runs", { ...RUN, status: "succeeded" }, by(FIRST)));
  const { status, json } = await ask("GET", `/maestro/runs/${id}/release-gate?mode=verified`, undefined, by(FIRST));
  expect(status).toBe(200);
  expect(json).toMatchObject({ run_id: id, passed: false, mode: "verified" });
  const { verdicts } = json as { readonly verdicts: readonly { readonly rule: string; readonly state: string }[] };
  expect(verdicts).toContainEqual(
    expect.objectContaining({ rule: "run.succeeded", state: "passed", artifact_id: null }),
  );
});

test("a site that is listed may change things, and reads where lists go on", async () => {
  const preflight = await ask("OPTIONS", "/maestro/runs/abc", undefined, {
    origin: LISTED,
    "access-control-request-method": "PATCH",
    "access-control-request-headers": "authorization,content-type",
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers["access-control-allow-methods"]).toContain("PATCH");
  const listed = await ask("GET", "/maestro/runs", undefined, { ...by(FIRST), origin: LISTED });
  expect(listed.headers["access-control-expose-headers"]).toMatch(/Link, Location/);
});

test("what was refused before any decision is counted, whoever sent it", async () => {
  const counter = by(await keyOf("counter", "map.maestro.conductor.*"));
  await ask("POST", "/maestro/artifacts", "{", counter);
  await ask("GET", "/maestro/artifacts?limit=0", undefined, counter);
  const sql = postgres(database.adminUrl, { max: 1 });
  try {
    await vi.waitFor(
      async () => {
        const rows = await sql<{ header: string; body: string }[]>`
          SELECT header, body FROM maestro.journal WHERE kind = 'admission.refused'`;
        const bodies = rows.filter(({ header }) => header.includes("counter")).map(({ body }) => body);
        expect(bodies.join("\n")).toContain("conductor.artifact.create");
        expect(bodies.join("\n")).toContain("conductor.artifact.list");
      },
      { timeout: 20_000, interval: 200 },
    );
  } finally {
    await sql.end();
  }
});
