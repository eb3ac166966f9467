// `maestro doctor`: everything that keeps a server from starting or working, looked at without changing any of it. Not here: the
// single examinations, see doctor/.
import { examineStore } from "../../app-doctor.ts";
import { readConfig } from "../../config.ts";
import type { Config, ConfigSources } from "../../config.ts";
import { systemClock } from "../../support/clock.ts";
import { counted } from "../../support/counted.ts";
import type { Finding } from "../../support/finding.ts";
import { fail, ok } from "../../support/finding.ts";
import type { Context } from "../context.ts";
import { examineCertificate } from "../doctor/certificate.ts";
import { examinePorts } from "../doctor/ports.ts";
import { examineServer } from "../doctor/server.ts";
import { CommandEnd, FAILED } from "../io.ts";
import { harmless } from "../table.ts";

export interface DoctorFlags {
  readonly settings: ConfigSources["flags"];
  readonly config?: string;
  /** Whether somebody named the server: that none answers at the usual place is no fault. */
  readonly named: boolean;
}

/** Ends the command with 1 when anything fails. */
export async function doctor(flags: DoctorFlags, context: Context): Promise<void> {
  const { io, json, quiet } = context;
  const found: Finding[] = [];
  const tell = (findings: readonly Finding[]): void => {
    for (const finding of findings) {
      found.push(finding);
      if (json) io.out(`${JSON.stringify(finding)}\n`);
      else if (!quiet || finding.state !== "ok") io.out(`${textOf(finding)}\n`);
    }
  };
  const read = readConfig({ flags: flags.settings, environment: io.env, file: flags.config });
  tell(examineSettings(read.ok ? [] : read.mistakes));
  if (read.ok) await examineHost(read.config, io.signal, tell);
  const { server, apiKey } = context;
  tell(await examineServer({ server, apiKey, named: flags.named, signal: io.signal }));
  const failed = found.filter(({ state }) => state === "fail").length;
  const warned = found.filter(({ state }) => state === "warn").length;
  if (!json && !quiet) io.out(`${counted(found.length, "check")}: ${failed} failed, ${counted(warned, "warning")}\n`);
  if (failed > 0) throw new CommandEnd(FAILED);
}

function examineSettings(mistakes: readonly string[]): readonly Finding[] {
  if (mistakes.length === 0) return [ok("config.settings", "The settings are in order.")];
  return mistakes.map((mistake) =>
    fail(
      "config.settings",
      `${mistake}.`,
      "The server does not start.",
      "Correct it; `maestro serve --help` lists the settings.",
    ),
  );
}

async function examineHost(
  config: Config,
  signal: AbortSignal,
  tell: (findings: readonly Finding[]) => void,
): Promise<void> {
  const { host, port, grpcPort, tls } = config;
  if (tls !== null) tell([await examineCertificate(tls, systemClock)]);
  tell(await examinePorts({ host, port, grpcPort, tls: tls !== null }));
  tell(await examineStore(config, signal));
}

const SIGNS = { ok: "ok  ", warn: "WARN", fail: "FAIL" } as const;

function textOf({ check, state, found, means, remedy }: Finding): string {
  return [
    `${SIGNS[state]}  ${check.padEnd(20)}  ${harmless(found)}`,
    ...(means === "" ? [] : [`        means: ${harmless(means)}`]),
    ...(remedy === "" ? [] : [`        to do: ${harmless(remedy)}`]),
  ].join("\n");
}
