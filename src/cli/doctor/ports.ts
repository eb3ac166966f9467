// Examines whether the server's ports can be listened on, and who has them if not. Not here: the server behind them, see server.ts.
import { readFileSync, readlinkSync, readdirSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import { createServer } from "node:net";
import type { Finding } from "../../support/finding.ts";
import { fail, ok } from "../../support/finding.ts";

export interface Ports {
  readonly host: string;
  readonly port: number;
  readonly grpcPort: number;
  readonly tls: boolean;
}

const ANSWER_MS = 2_000;

export async function examinePorts({ host, port, grpcPort, tls }: Ports): Promise<readonly Finding[]> {
  // Both belong to the same server: whether it is a Maestro is asked of the one that speaks HTTP.
  const ours = await isMaestro(host, port, tls);
  return [
    await examinePort("ports.wide", host, port, "--port", ours),
    await examinePort("ports.grpc", host, grpcPort, "--grpc-port", ours),
  ];
}

async function examinePort(check: string, host: string, port: number, flag: string, ours: boolean): Promise<Finding> {
  if (port === 0) return ok(check, "A free port is taken at start.");
  const where = `Port ${port} of ${host}`;
  const code = await listens(host, port);
  if (code === undefined) return ok(check, `${where} is free.`);
  const means = "The server cannot listen, and does not start.";
  if (code === "EADDRINUSE") {
    const who = holderOf(port);
    const holder = who === undefined ? "" : ` by process ${who.pid} (${who.name})`;
    return ours
      ? ok(check, `${where} is used${holder}; a Maestro answers there.`)
      : fail(check, `${where} is taken${holder}.`, means, `End that one, or choose another with ${flag}.`);
  }
  const remedy = `Choose another with ${flag}, or another address with --host.`;
  if (code === "EACCES") return fail(check, `${where} is not this user's to listen on.`, means, remedy);
  return fail(check, `${where} cannot be listened on (${code}).`, means, remedy);
}

/** The system's reason why not; the port is free again by the time that this settles. */
async function listens(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}

/** Whose certificate it is does not matter here: nothing is told to it. */
async function isMaestro(host: string, port: number, tls: boolean): Promise<boolean> {
  if (port === 0) return false;
  const get = tls ? https.get : http.get;
  return new Promise((resolve) => {
    const request = get({ host, port, path: "/healthz", timeout: ANSWER_MS, rejectUnauthorized: false }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (piece: string) => {
        text += piece;
        if (text.length > 3) answer.destroy();
      });
      answer.on("close", () => resolve(answer.statusCode === 200 && text === "ok\n"));
    });
    request.on("timeout", () => request.destroy());
    request.on("error", () => resolve(false));
  });
}

interface Holder {
  readonly pid: number;
  readonly name: string;
}

/** The process that listens on a port, as far as this user may see: on Linux, and of its own processes unless it is root. */
function holderOf(port: number): Holder | undefined {
  if (process.platform !== "linux") return undefined;
  const inodes = new Set(["tcp", "tcp6"].flatMap((table) => listening(table, port)));
  if (inodes.size === 0) return undefined;
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        const [, inode = ""] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
        if (inodes.has(inode)) return { pid: Number(pid), name: readFileSync(`/proc/${pid}/comm`, "utf8").trim() };
      }
    } catch {
      // It ended, or is somebody else's.
    }
  }
  return undefined;
}

/** Inodes of the sockets that listen on a port. */
function listening(table: string, port: number): readonly string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, "0");
  try {
    return readFileSync(`/proc/net/${table}`, "utf8")
      .split("\n")
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local = "", , state]) => state === "0A" && local.endsWith(`:${wanted}`))
      .map((fields) => fields[9] ?? "");
  } catch {
    return [];
  }
}
