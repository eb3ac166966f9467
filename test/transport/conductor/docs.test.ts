// The interactive documents in a real browser: they work offline, run no script but files of ours, and call the server.
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findChromium, launchChromium } from "../../clients/chromium.ts";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { clientOf } from "./client.ts";

const executablePath = findChromium();
const required = process.env["MAESTRO_TEST_NO_SKIPS"] === "1";
if (executablePath === undefined && !required)
  console.warn("SKIPPED: /docs in a browser. Install Chromium, or name it with MAESTRO_TEST_CHROMIUM.");

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.end());

test("a Chromium is there where nothing may be skipped", () => {
  expect(executablePath !== undefined || !required).toBe(true);
});

test("the page and its files are what they say they are, and are only read", async () => {
  const ask = clientOf(server.widePort);
  const types: Readonly<Record<string, RegExp>> = {
    "/docs": /^text\/html/,
    "/docs/start.js": /^text\/javascript/,
    "/docs/swagger-ui-bundle.js": /^text\/javascript/,
    "/docs/swagger-ui.css": /^text\/css/,
    "/docs/favicon-32x32.png": /^image\/png/,
    "/openapi.json": /^application\/json/,
  };
  for (const [path, type] of Object.entries(types)) {
    const { status, headers } = await ask("GET", path);
    expect([status, headers["content-type"]], path).toEqual([200, expect.stringMatching(type) as string]);
    if (path.startsWith("/docs"))
      expect(headers["content-security-policy"]).toMatch(/default-src 'none'; script-src 'self';/);
    expect((await ask("POST", path, {})).status, path).toBe(405);
  }
  for (const path of ["/docs/../package.json", "/docs/package.json", "/docs/%2e%2e/package.json", "/docs/__proto__"])
    expect((await ask("GET", path)).status, path).toBe(404);
});

describe.skipIf(executablePath === undefined)("in a browser", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium(executablePath ?? "");
  });
  afterAll(() => browser?.close());

  test("an operation is tried out and answered, with nothing fetched from elsewhere and nothing refused by the policy", async () => {
    const page = await browser.newPage();
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on("request", (request) => asked.push(request.url()));
    page.on("console", (message) => {
      if (message.type() === "error" || /Content Security Policy/i.test(message.text()))
        complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(error.message));
    await page.goto(`${server.wideUrl}/docs`);
    const operation = page.locator("#operations-Runs-createRun");
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Try it out" }).click();
    const answer = page.waitForResponse((response) => response.url().endsWith("/maestro/runs"));
    await operation.getByRole("button", { name: "Execute" }).click();
    const response = await answer;
    expect(response.status()).toBe(201);
    await operation.locator(".live-responses-table .response-col_status", { hasText: "201" }).first().waitFor();
    expect(asked.filter((url) => !url.startsWith(server.wideUrl) && !url.startsWith("data:"))).toEqual([]);
    expect(complaints).toEqual([]);
    await page.close();
  });
});
