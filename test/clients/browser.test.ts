// A page in a real browser, on generated stubs over connect-web: both server streams work, and other sites are kept out.
// Not here: what the page does, see browser/page.ts.
import { create } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { CharterTermsSchema } from "../../gen/maestro/v1/charter_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { connectTo } from "../../src/cli/client.ts";
import type { ServerClient } from "../../src/cli/client.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";
import type { Protocol, Seen } from "./browser/page.ts";
import { servePage } from "./browser/page-server.ts";
import type { PageServer } from "./browser/page-server.ts";
import { findChromium, launchChromium } from "./chromium.ts";

const executablePath = findChromium();
const required = process.env["MAESTRO_TEST_NO_SKIPS"] === "1";
if (executablePath === undefined && !required)
  console.warn("SKIPPED: the browser client. Install Chromium, or name it with MAESTRO_TEST_CHROMIUM.");

test("a Chromium is there where nothing may be skipped", () => {
  expect(executablePath !== undefined || !required).toBe(true);
});

describe.skipIf(executablePath === undefined)("a page in a browser", () => {
  let pages: PageServer;
  let database: TestDatabase;
  let server: TestServer;
  let client: ServerClient;
  let browser: Browser;

  beforeAll(async () => {
    pages = await servePage();
    database = await makeDatabase(inject("servers")[0]!);
    server = await startServer({ databaseUrl: database.url, allowedOrigins: [pages.origin] });
    client = connectTo(server.wideUrl, undefined);
    await client.maestro.declareCharter({
      name: "browser",
      terms: create(CharterTermsSchema, {}),
      idempotencyKey: client.newKey(),
    });
    browser = await launchChromium(executablePath ?? "");
  });

  afterAll(async () => {
    await browser?.close();
    client?.close();
    await server?.end();
    await database?.drop();
    await pages?.close();
  });

  /** Calls a function of the page's module on a page of an origin. */
  async function on<T>(origin: string, call: string, ...values: readonly string[]): Promise<T> {
    const page = await browser.newPage();
    try {
      await page.goto(origin);
      const words = values.map((value) => JSON.stringify(value)).join(", ");
      return await page.evaluate<T>(`import("/test/clients/browser/page.ts").then((page) => page.${call}(${words}))`);
    } finally {
      await page.close();
    }
  }

  test.each<Protocol>(["connect", "grpc-web"])(
    "of a listed origin plans, watches, performs steps that are pushed to it and sees the plan end, over %s",
    async (protocol) => {
      const seen = await on<Seen>(pages.origin, "perform", server.wideUrl, `page-${protocol}`, protocol);
      expect(seen.end).toBe(PlanState.COMPLETED);
      expect(seen.performed).toEqual([
        { step: "first", input: '{"n":1}', answer: "receipt" },
        { step: "second", input: '{"n":2}', answer: "receipt" },
      ]);
      expect(seen.pushed.at(0)).toBe("welcome");
      expect(seen.pushed.filter((kind) => kind === "assignments")).toHaveLength(2);
      expect(seen.watched.at(0)).toBe("snapshot");
      expect(seen.watched.at(-1)).toBe("ended");
      expect(seen.watched.filter((kind) => kind === "outcome.report")).toHaveLength(2);
      const { step } = await client.steps.getStep({ planId: seen.planId, step: "second" });
      expect(step?.outputs?.value.value).toBe('{"n":4}');
    },
  );

  test("of another origin reaches nothing, by calls, by streams or by a bare post", async () => {
    const direct = createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "1.1" });
    const { plans: before } = await client.plans.listPlans({});
    const seen = await on<Record<string, string>>(
      pages.otherOrigin,
      "trespass",
      server.wideUrl,
      before.at(0)?.planId ?? "",
    );
    expect(seen).toEqual({
      plan: expect.stringContaining("Failed to fetch") as string,
      watch: expect.stringContaining("Failed to fetch") as string,
      subscribe: expect.stringContaining("Failed to fetch") as string,
      post: "answered opaque",
    });
    const { plans: after } = await client.plans.listPlans({});
    expect(after).toEqual(before);
    const { executors } = await createClient(ExecutorService, direct).listExecutors({});
    expect(executors.map(({ spec }) => spec?.name).sort()).toEqual(["page-connect", "page-grpc-web"]);
  });
});
