// Artifacts as handlers use them: put by one step, named, and got by another, against a real server. Not here: killed servers and
// large content, see the fault tests.
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { Executor, RefusedByServer } from "../../src/executor/executor.ts";
import type { StepContext } from "../../src/executor/executor.ts";
import { contentOf, digestOf } from "../support/artifacts.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { all } from "../transport/peers.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

const LIMIT = 4 * 1024 * 1024;

let database: TestDatabase;
let server: TestServer;
const executors: Executor[] = [];
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url, artifactMaxBytes: LIMIT });
  await createClient(MaestroService, transport()).declareCharter({ name: "made", terms: {} });
});
afterAll(async () => {
  for (const executor of executors) executor.close();
  await server.end();
  await database.drop();
});

const transport = () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });

function executor(name: string): Executor {
  const made = new Executor({ url: server.grpcUrl, name, drainOn: [] });
  executors.push(made);
  return made;
}

/** Runs a plan of work steps, one after the other, to its end. */
async function run(...steps: readonly { readonly key: string; readonly input?: string }[]) {
  const { plan } = await createClient(MaestroService, transport()).plan({
    target: { case: "newGoal", value: { charter: "made", spec: { name: "made" } } },
    steps: steps.map(({ key, input = "{}" }, i) => ({
      key,
      kind: { case: "work" as const, value: { capability: key } },
      input: { value: { case: "json" as const, value: input } },
      needs: i === 0 ? [] : [{ step: steps[i - 1]?.key ?? "" }],
    })),
  });
  const planId = plan?.planId ?? "";
  await all(createClient(PlanService, transport()).watchPlan({ planId }));
  const { plan: ended } = await createClient(PlanService, transport()).getPlan({ planId });
  return { planId, state: ended?.state };
}

async function collected(parts: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const seen: Uint8Array[] = [];
  for await (const part of parts) seen.push(part);
  return Buffer.concat(seen);
}

test("what one step puts, the next one gets, by the address that its outputs hand on", async () => {
  const content = contentOf(700_001, 1);
  const got: Buffer[] = [];
  await executor("pair")
    .on("produce", async (_, context) => {
      // As a stream, and the same again as bytes: it is kept once.
      const stream = Readable.from([content.subarray(0, 300_000), content.subarray(300_000)]);
      const streamed = await context.putArtifact(stream, { name: "tarball", contentType: "application/gzip" });
      const whole = await context.putArtifact(content);
      expect(whole).toEqual(streamed);
      return { tarball: streamed.uri, size: streamed.sizeBytes };
    })
    .on<{ tarball: string }>("consume", async ({ input }, context) => {
      got.push(await collected(context.getArtifact(input.tarball)));
      got.push(await collected(context.getArtifact(input.tarball, { offset: 5, length: 10 })));
    })
    .start();
  const { planId, state } = await run(
    { key: "produce" },
    { key: "consume", input: '{"tarball": "${{ steps.produce.outputs.tarball }}"}' },
  );
  expect(state).toBe(PlanState.COMPLETED);
  expect(got.map((bytes) => bytes.length)).toEqual([content.length, 10]);
  expect(got[0]?.equals(content)).toBe(true);
  expect(got[1]?.equals(content.subarray(5, 15))).toBe(true);
  const { attempts } = await createClient(StepService, transport()).listAttempts({ planId, step: "produce" });
  expect(attempts[0]?.artifacts).toMatchObject([
    {
      name: "tarball",
      uri: `max://artifact/${digestOf(content)}`,
      digest: digestOf(content),
      sizeBytes: BigInt(content.length),
      contentType: "application/gzip",
    },
  ]);
});

test("what the server will not keep or does not have is said at once, and no temporary file is left", async () => {
  const errors: unknown[] = [];
  const note = (work: Promise<unknown>) => work.catch((error: unknown) => errors.push(error));
  // A folder of its own: other tests leave and take theirs meanwhile.
  const folder = await mkdtemp(join(tmpdir(), "maestro-library-artifacts-"));
  vi.stubEnv("TMPDIR", folder);
  await executor("refused")
    .on("fail", async (_, context: StepContext) => {
      await note(context.putArtifact(Readable.from([Buffer.alloc(LIMIT + 1)])));
      await note(collected(context.getArtifact(`max://artifact/${digestOf(Buffer.from("none"))}`)));
      await note(collected(context.getArtifact("s3://elsewhere")));
      await note(
        context.putArtifact(
          (async function* () {
            yield Buffer.from("begun");
            throw new Error("the source broke");
          })(),
        ),
      );
    })
    .start();
  await run({ key: "fail" });
  expect(errors.map((error) => (error instanceof RefusedByServer ? error.reason : (error as Error).message))).toEqual([
    "TOO_LARGE",
    "NOT_FOUND",
    "INVALID_REQUEST",
    "the source broke",
  ]);
  vi.unstubAllEnvs();
  expect(await readdir(folder)).toEqual([]);
  await rm(folder, { recursive: true });
});
