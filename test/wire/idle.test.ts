// What an idle server asks of its database, read off the wire. Not here: how fast it does things, see the benchmark.
import { afterEach, describe, expect, test } from "vitest";
import { Cable } from "../support/cable.ts";
import { makeDatabase } from "../support/database.ts";
import { nativeClient } from "../support/load/client.ts";
import { LoadExecutor } from "../support/load/executor.ts";
import { step } from "../support/load/shapes.ts";
import { declareCharter, submitPlan } from "../support/load/submit.ts";
import { readStatements } from "../support/statement-reader.ts";
import { servers } from "../support/store.ts";
import { startServer } from "../transport/server.ts";

const EXECUTORS = 500;
/** They share connections, as behind a proxy. */
const CLIENTS = 10;
/** Classes of work, of which an executor serves one. */
const CLASSES = 8;
const PER_SECOND = 2;
const RENEWAL = /INSERT INTO maestro\.server_sessions .* ON CONFLICT/;
/** Renewals, one a second, that are waited for: to let what attaching set in motion come to an end, and while it is counted. */
const [SETTLING, COUNTED] = [3, 10];

describe.each(servers())("on $name", (server) => {
  const ends: (() => Promise<unknown> | void)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end();
  });

  test(
    "five hundred executors that have nothing to do cost two statements a second at most, all counted",
    { timeout: 120_000 },
    async () => {
      const database = await makeDatabase(server);
      ends.push(() => database.drop());
      let said: string[] = [];
      let awaited: { readonly renewals: number; readonly reached: () => void } | undefined;
      const renewals = async (count: number): Promise<void> => {
        said = [];
        await new Promise<void>((reached) => (awaited = { renewals: count, reached }));
      };
      const cable = await Cable.to(
        Number(new URL(database.url).port),
        readStatements((text) => {
          said.push(text);
          if (awaited !== undefined && said.filter((one) => RENEWAL.test(one)).length >= awaited.renewals)
            awaited.reached();
        }),
      );
      ends.push(() => cable.remove());
      const url = new URL(database.url);
      url.port = String(cable.port);
      const app = await startServer({ databaseUrl: url.href });
      ends.push(() => app.end());
      const clients = Array.from({ length: CLIENTS }, () => nativeClient(app.grpcUrl, undefined));
      ends.push(() => clients.forEach((client) => client.close()));
      const client = clients[0];
      if (client === undefined) throw new Error("no client");

      const executors = Array.from({ length: EXECUTORS }, (_, i) => {
        const capability = `class-${String(i % CLASSES)}`;
        return new LoadExecutor({
          client: clients[i % CLIENTS] ?? client,
          name: `e-${String(i)}`,
          slots: 8,
          capability,
          takes: [0, 0],
        });
      });
      ends.push(() => executors.forEach((executor) => executor.stop()));
      await Promise.all(executors.map((executor) => executor.start()));
      // Every class has a window that was filled and is empty now, as on a server that has been at work.
      await declareCharter(client);
      const steps = Array.from({ length: CLASSES }, (_, i) =>
        step(`s-${String(i)}`, { capability: `class-${String(i)}` }),
      );
      await submitPlan(client, "before", steps);
      while (executors.reduce((sum, { receipts }) => sum + receipts, 0) < CLASSES) await renewals(1);

      await renewals(SETTLING);
      const beganMs = performance.now();
      await renewals(COUNTED);
      const seconds = (performance.now() - beganMs) / 1_000;
      const counted = said;
      expect(counted.length / seconds, counted.join("\n")).toBeLessThanOrEqual(PER_SECOND);
      expect(executors.filter(({ attaches }) => attaches > 1)).toEqual([]);
    },
  );
});
