// Servers that go away in the midst of an answer. Not here: servers that say nothing, see client.test.ts.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:http2";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ExportDisclosurePackResponseSchema } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { here } from "./command.ts";

let end: (stream: ServerHttp2Stream) => void;
const sessions = new Set<ServerHttp2Session>();
const server = createServer();
server.on("session", (session) => void sessions.add(session.on("error", () => undefined)));
server.on("stream", (stream) => {
  stream.on("error", () => undefined);
  const data = new Uint8Array(1_000);
  const part = toBinary(
    ExportDisclosurePackResponseSchema,
    create(ExportDisclosurePackResponseSchema, { part: { case: "data", value: data } }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(part.length, 1);
  stream.respond({ ":status": 200, "content-type": "application/grpc+proto" });
  stream.write(Buffer.concat([head, part]), () => {
    end(stream);
  });
});
let url = "";
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "maestro-broken-off-"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  for (const session of sessions) session.destroy();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

test.each<readonly [string, (stream: ServerHttp2Stream) => void]>([
  ["connection", (stream) => stream.session?.socket.destroy()],
  ["stream", (stream) => stream.close(8)],
])(
  "an export whose %s ends before it is whole is told as of a server that is not there, and leaves no file",
  async (_, how) => {
    end = how;
    const file = join(folder, "pack.tar.gz");
    const { code, out, err } = await here(["--server", url, "packs", "export", "pack_x", "--output", file]);
    expect([code, out]).toEqual([3, ""]);
    expect(err).toContain(`${url} broke off in the midst of its answer`);
    expect(err).not.toContain("http/2");
    expect(readdirSync(folder)).toEqual([]);
  },
);
