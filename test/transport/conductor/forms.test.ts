// Forms in which REST takes what people write otherwise than the contract, and what it says where they look in vain. Not here: ids, bodies.
import { afterAll, beforeAll, expect, test } from "vitest";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { clientOf } from "./client.ts";
import type { Ask } from "./client.ts";

let server: TestServer;
let ask: Ask;

beforeAll(async () => {
  server = await startServer();
  ask = clientOf(server.widePort);
});
afterAll(() => server.end());

const tasks = ["collect", "clean", "analyse"].map((name) => ({ name, agent_type: "worker" }));

test.each<[string, unknown]>([
  ["an object by task", { clean: "collect", analyse: ["collect", "clean"] }],
  [
    "a list whose entries name several",
    [
      { task: "clean", depends_on: ["collect"] },
      { task: "analyse", depends_on: ["collect", "clean"] },
    ],
  ],
  [
    "a list of pairs",
    [
      { task: "clean", depends_on: "collect" },
      { task: "analyse", depends_on: "collect" },
      { task: "analyse", depends_on: "clean" },
    ],
  ],
])("dependencies of a workflow may be %s", async (_, dependencies) => {
  const answer = await ask("POST", "/maestro/workflows", { name: "w", tasks, dependencies });
  expect(answer, answer.text).toMatchObject({
    status: 201,
    json: {
      dependencies: [
        { task: "clean", depends_on: "collect" },
        { task: "analyse", depends_on: "collect" },
        { task: "analyse", depends_on: "clean" },
      ],
    },
  });
});

test.each([["collect"], [[{ task: "clean" }]], [{ clean: 5 }], [{ clean: [5] }], [[null]]])(
  "dependencies that are %j are refused",
  async (dependencies) => {
    const answer = await ask("POST", "/maestro/workflows", { name: "w", tasks, dependencies });
    expect(answer).toMatchObject({ status: 422, json: { refusal: { reason: "INVALID_REQUEST" } } });
  },
);

test("what a form could post is refused with what to send, as every body that is no JSON", async () => {
  for (const type of ["application/x-www-form-urlencoded", "application/xml"])
    expect(await ask("POST", "/maestro/runs", "{}", { "content-type": type }), type).toMatchObject({
      status: 415,
      json: {
        detail: expect.stringContaining("send content-type: application/json") as string,
        refusal: { reason: "INVALID_REQUEST", violations: [{ rule: "http.content-type" }] },
      },
    });
});

test("a refusal says states as REST writes them, and digests as people do", async () => {
  const run = await ask("POST", "/maestro/runs", { name: "r", owner: "o", status: "running" });
  const { id } = run.json as { readonly id: string };
  const back = await ask("PATCH", `/maestro/runs/${id}`, { status: "pending" });
  expect(back).toMatchObject({
    status: 409,
    json: { detail: expect.stringContaining("is running and cannot become pending") as string },
  });
  const artifact = { run_id: id, kind: "other", path_or_uri: "x", content_hash: "abc" };
  expect(await ask("POST", "/maestro/artifacts", artifact)).toMatchObject({
    status: 422,
    json: { detail: [{ msg: expect.stringContaining("algorithm:text, such as sha256:") as string }] },
  });
});

test("an address with credentials is refused, and is not said again", async () => {
  const run = await ask("POST", "/maestro/runs", { name: "r", owner: "o" });
  const { id } = run.json as { readonly id: string };
  const artifact = { run_id: id, kind: "other", path_or_uri: "http://user:hunter2@host/" };
  const answer = await ask("POST", "/maestro/artifacts", artifact);
  expect(answer).toMatchObject({ status: 422, json: { detail: [{ loc: ["body", "path_or_uri"] }] } });
  expect(answer.text).not.toContain("hunter2");
});

test("the example of a waiver ends a while after it was served", async () => {
  const { json } = await ask("GET", "/openapi.json");
  const { requestBody } = (json as { paths: Record<string, Record<string, { requestBody: unknown }>> }).paths[
    "/maestro/waivers"
  ]?.["post"] as { requestBody: { content: Record<string, { example: { expires_at: string } }> } };
  const { expires_at } = requestBody.content["application/json"]?.example ?? { expires_at: "" };
  const date = (await ask("GET", "/healthz")).headers.date ?? "";
  expect(Date.parse(expires_at) - Date.parse(date)).toBeGreaterThan(20 * 86_400_000);
});

test.each(["/", "/maestro", "/redoc", "//maestro/runs"])(
  "%s has nothing, in JSON, and says where to look",
  async (path) => {
    expect(await ask("GET", path)).toMatchObject({
      status: 404,
      headers: { "content-type": "application/json" },
      json: { detail: expect.stringContaining("/docs") as string },
    });
  },
);
