// A server whose database is given another installation under it. Not here: importing one, see ../contract/move.test.ts.
import { expect, inject, test } from "vitest";
import { asAdmin, makeDatabase } from "../support/database.ts";
import { startServer } from "./server.ts";

test("a server under which the installation was replaced says so, is not ready any more, and goes down in order", async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  const database = await makeDatabase(engine);
  const server = await startServer({ databaseUrl: database.url });
  try {
    expect((await fetch(`${server.wideUrl}/readyz`)).status).toBe(200);
    await asAdmin(database.adminUrl, (admin) => admin`UPDATE maestro.installation SET store_epoch = store_epoch + 1`);
    expect(await server.failed).toMatch(/another installation .* start the server again/);
    expect((await fetch(`${server.wideUrl}/readyz`)).status).toBe(503);
  } finally {
    await server.end();
    await database.drop();
  }
});
