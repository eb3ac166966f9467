// Lists of REST: all of them up to ten thousand, a Link to the others, and bounded memory, whatever the pages hold.
import { create } from "@bufbuild/protobuf";
import type { Message } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ListRunsResponseSchema } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { ListRunsRequest } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { refused } from "../../../src/domain/refusal.ts";
import { ENDPOINTS } from "../../../src/transport/conductor/endpoints.ts";
import { listReply } from "../../../src/transport/conductor/lists.ts";
import type { AskPage, ListReply } from "../../../src/transport/conductor/lists.ts";
import { readQuery } from "../../../src/transport/conductor/query.ts";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { clientOf } from "./client.ts";
import type { Ask } from "./client.ts";

const RUNS = ENDPOINTS.find(({ path, kind }) => path === "/maestro/runs" && kind === "list")!;

interface Named {
  readonly name: string;
}

/** So many runs, in pages that hold no more than asked for, and what was asked. */
function source(
  count: number,
  bytesEach: number,
  most = 1_000,
): { readonly ask: AskPage; readonly asked: ListRunsRequest[] } {
  const asked: ListRunsRequest[] = [];
  const filler = "x".repeat(bytesEach);
  const ask = async (request: Message) => {
    const { pageSize, pageToken } = request as ListRunsRequest;
    asked.push(request as ListRunsRequest);
    const from = Number(pageToken || "0");
    const end = Math.min(count, from + Math.min(pageSize, most));
    const runs = Array.from({ length: end - from }, (_, i) => ({ id: `run_${from + i}`, name: filler }));
    const nextPageToken = end < count ? String(end) : "";
    return { ok: true as const, value: create(ListRunsResponseSchema, { runs, nextPageToken }) };
  };
  return { ask, asked };
}

async function list(ask: AskPage, query = ""): Promise<ListReply> {
  const reply = await listReply(RUNS, readQuery(RUNS, query, undefined), "/maestro/runs", ask);
  if (!reply.ok) throw new Error(reply.refusal.explanation);
  return reply.value;
}

async function told(reply: ListReply): Promise<{ readonly ids: readonly string[]; readonly link: string | undefined }> {
  let text = "";
  if (reply.kind === "whole") text = String(reply.reply.body);
  else for await (const part of reply.parts) text += part;
  const { headers } = reply.kind === "whole" ? reply.reply : reply;
  return { ids: (JSON.parse(text) as readonly { id: string }[]).map(({ id }) => id), link: headers["link"] };
}

describe("pages", () => {
  test("of ten thousand entries are one array, without a Link", async () => {
    const { ask, asked } = source(10_000, 1);
    const { ids, link } = await told(await list(ask));
    expect([ids.length, ids.at(0), ids.at(-1), link]).toEqual([10_000, "run_0", "run_9999", undefined]);
    expect(asked.map(({ pageSize }) => pageSize)).toEqual(Array.from({ length: 10 }, () => 1_000));
  });

  test("of more than that go on where the Link says, with the same filter", async () => {
    const { ask } = source(10_001, 1);
    const first = await told(await list(ask, "owner=a%26b&status=failed&unknown=1"));
    expect(first.ids).toHaveLength(10_000);
    expect(first.link).toBe('</maestro/runs?owner=a%26b&status=failed&limit=10000&page_token=10000>; rel="next"');
    const [, next = ""] = /\?(.*)>/.exec(first.link ?? "") ?? [];
    expect(await told(await list(ask, next))).toEqual({ ids: ["run_10000"], link: undefined });
  });

  test("that came shorter than asked are asked for in the size that fitted, and then in longer ones again", async () => {
    const { ask, asked } = source(500, 1, 100);
    const { ids } = await told(await list(ask));
    expect([ids.length, new Set(ids).size]).toEqual([500, 500]);
    expect(asked.map(({ pageSize }) => pageSize)).toEqual([1_000, 100, 200, 100, 200]);
  });

  test("are as many as the limit says", async () => {
    const { ask, asked } = source(50, 1);
    const { ids, link } = await told(await list(ask, "limit=20"));
    expect([ids.length, link]).toEqual([20, '</maestro/runs?limit=20&page_token=20>; rel="next"']);
    expect(asked).toHaveLength(1);
  });

  test("too large to be kept are read again when they are sent, and the Link is known before", async () => {
    const { ask, asked } = source(3_000, 10_000);
    const reply = await list(ask, "limit=2500");
    expect(reply.kind).toBe("parts");
    const before = asked.length;
    const { ids, link } = await told(reply);
    expect([ids.length, new Set(ids).size, ids.at(-1)]).toEqual([2_500, 2_500, "run_2499"]);
    expect(link).toContain("page_token=2500");
    expect(asked.length).toBeGreaterThan(before);
  });

  test("that are refused are a refusal, and not half a list", async () => {
    const reply = await listReply(RUNS, readQuery(RUNS, "", undefined), "/maestro/runs", async () =>
      refused("UNAVAILABLE", "The store is away."),
    );
    expect(reply).toMatchObject({ ok: false, refusal: { reason: "UNAVAILABLE" } });
  });
});

describe("of a server", () => {
  let server: TestServer;
  let ask: Ask;
  const names = (json: unknown): readonly string[] => (json as readonly Named[]).map(({ name }) => name);

  beforeAll(async () => {
    server = await startServer();
    ask = clientOf(server.widePort);
    for (let i = 0; i < 7; i++)
      await ask("POST", "/maestro/runs", {
        name: `n${i}`,
        owner: i % 2 === 0 ? "even" : "odd & so",
        status: i < 4 ? "running" : "failed",
      });
  });
  afterAll(() => server.end());

  test("everything comes newest first, as a plain array", async () => {
    const { status, json, headers } = await ask("GET", "/maestro/runs");
    expect([status, names(json), headers["link"]]).toEqual([
      200,
      ["n6", "n5", "n4", "n3", "n2", "n1", "n0"],
      undefined,
    ]);
  });

  test("filters by owner and status hold together; of two of a kind the last counts", async () => {
    expect(names((await ask("GET", "/maestro/runs?owner=even&status=failed")).json)).toEqual(["n6", "n4"]);
    expect(names((await ask("GET", "/maestro/runs?owner=even&owner=odd+%26%20so")).json)).toEqual(["n5", "n3", "n1"]);
    expect((await ask("GET", "/maestro/runs?owner=nobody")).json).toEqual([]);
    expect((await ask("GET", "/maestro/runs?owner=")).json).toEqual([]);
  });

  test("following the Links gives every one once", async () => {
    const seen: string[] = [];
    for (let path: string | undefined = "/maestro/runs?limit=2&status=running"; path !== undefined;) {
      const { json, headers } = await ask("GET", path);
      seen.push(...names(json));
      path = /<([^>]+)>; rel="next"/.exec(String(headers["link"]))?.[1];
    }
    expect(seen).toEqual(["n3", "n2", "n1", "n0"]);
  });

  test("artifacts are found by run and kind, packs and waivers by run", async () => {
    const [one, other] = (await ask("GET", "/maestro/runs?limit=2")).json as readonly { id: string }[];
    for (const [run_id, kind] of [
      [one?.id, "sbom"],
      [one?.id, "build_log"],
      [other?.id, "sbom"],
    ])
      expect((await ask("POST", "/maestro/artifacts", { run_id, kind, path_or_uri: `${kind}` })).status).toBe(201);
    const kinds = async (query: string): Promise<unknown> =>
      ((await ask("GET", `/maestro/artifacts${query}`)).json as readonly { kind: string }[]).map(({ kind }) => kind);
    expect(await kinds("")).toEqual(["sbom", "build_log", "sbom"]);
    expect(await kinds(`?run_id=${one?.id ?? ""}`)).toEqual(["build_log", "sbom"]);
    expect(await kinds(`?run_id=${one?.id ?? ""}&kind=sbom`)).toEqual(["sbom"]);
    await ask("POST", "/maestro/disclosure-packs", { run_id: one?.id, summary: "s" });
    expect((await ask("GET", `/maestro/disclosure-packs?run_id=${one?.id ?? ""}`)).json).toMatchObject([
      { summary: "s" },
    ]);
    expect((await ask("GET", `/maestro/disclosure-packs?run_id=${other?.id ?? ""}`)).json).toEqual([]);
    expect((await ask("GET", `/maestro/waivers?run_id=${one?.id ?? ""}`)).json).toEqual([]);
  });
});
