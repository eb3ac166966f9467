// The composition root: the only file that knows every concrete class. Puts a server together, and takes it apart again.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Logger } from "pino";
import { allOperations } from "./app-operations.ts";
import type { Config } from "./config.ts";
import { createDispatcher } from "./dispatch/create.ts";
import { SILENCE_MS } from "./dispatch/connection.ts";
import { KEY_LIFETIME_MS } from "./dispatch/keys.ts";
import { ServerSession } from "./dispatch/session.ts";
import type { Renewed } from "./dispatch/session.ts";
import type { IdMaker, KeyId, OrgId } from "./domain/id.ts";
import { DEFAULT_ORG } from "./domain/principal.ts";
import { createAccount } from "./engine/account.ts";
import { createAdmissions } from "./engine/admissions.ts";
import { createIdentify } from "./engine/identify.ts";
import { createPipeline } from "./engine/pipeline.ts";
import { createTransfers } from "./engine/transfers.ts";
import { evidenceSources } from "./neighbours/evidence/places.ts";
import { createEvidenceReader } from "./neighbours/evidence/reader.ts";
import { openContent } from "./operations/artifact-content.ts";
import { artifactUse } from "./operations/artifact-use.ts";
import { sweepArtifacts } from "./operations/artifact-sweep.ts";
import { ensureBootstrapKey } from "./operations/bootstrap-key.ts";
import { heavyWork } from "./operations/heavy-work.ts";
import { gatePerform } from "./operations/gate-perform.ts";
import { releaseGate } from "./operations/release-gate.ts";
import type { Store } from "./store/ports/store.ts";
import { superviseEmbedded } from "./store/postgres/engines/supervised.ts";
import { checkServer } from "./store/postgres/engines/server.ts";
import { createPostgresStore } from "./store/postgres/store.ts";
import { systemClock } from "./support/clock.ts";
import type { Clock } from "./support/clock.ts";
import { systemRandom } from "./support/random.ts";
import { systemTimers } from "./support/timers.ts";
import { uuidv7 } from "./support/typeid.ts";
import { createFastLane } from "./transport/fast-lane.ts";
import { createGuard } from "./transport/guard.ts";
import { allRoutes } from "./transport/handlers/routes.ts";
import { expectFree, listen, listenOn } from "./transport/listen.ts";
import { operationTable } from "./transport/operation-table.ts";
import { createPageTokens } from "./transport/page-token.ts";
import { createTurnAway } from "./transport/turn-away.ts";
import { createWidePort } from "./transport/wide-port.ts";
import { createGateWatch } from "./upkeep/gate-watch.ts";
import { createLoop } from "./upkeep/loop.ts";

export interface App {
  /** Where Connect, gRPC-Web and gRPC are served, such as `http://127.0.0.1:8001`. */
  readonly wideUrl: string;
  /** Where native gRPC is served. */
  readonly grpcUrl: string;
  /** Who calls without a credential from this machine; empty when nobody may. */
  readonly principal: string;
  /** Whether anybody could call with a key: false says that the first one is still to be made. */
  readonly hasKeys: boolean;
  readonly org: string;
  /** Such as `embedded PostgreSQL 18`. */
  readonly engine: string;
  /** Settles when the database ended by itself, or was replaced by another installation: nothing can be done any more. */
  readonly failed: Promise<string>;
  /** Drains: no new work, goodbye to streams, answers to calls under way; then takes all apart. */
  close(): Promise<void>;
}

const HOUSEKEEPING_MS = 1_000;
const RARE_MS = 60_000;
/** How long open calls may take to end. */
const GRACE_MS = 5_000;
const PARTITION_MONTHS = 3;
const REPLACED =
  "another installation was put into the database, by an import or from a backup: start the server again";
const { version: BUILD } = createRequire(import.meta.url)("maestro/package.json") as { readonly version: string };

interface AppOptions {
  readonly log: Logger;
  /** The system's unless given; the database's must agree with it. */
  readonly clock?: Clock;
  /** For tests, see the store's options. */
  readonly checkCache?: boolean;
  /** Calls a start off; an App that there is ends with `close`. */
  readonly signal?: AbortSignal;
}

export async function startApp(config: Config, options: AppOptions): Promise<App> {
  const undo: (() => Promise<unknown> | void)[] = [];
  try {
    return await start(config, options, undo);
  } catch (error) {
    for (const step of undo.reverse()) await Promise.resolve(step()).catch(() => undefined);
    throw error;
  }
}

async function start(
  config: Config,
  { log, clock = systemClock, checkCache = false, signal }: AppOptions,
  undo: (() => Promise<unknown> | void)[],
): Promise<App> {
  const random = systemRandom();
  const ids: IdMaker = { uuid: () => uuidv7(clock.nowMs(), random.bytes(10)) };
  const say = (event: string, fields: Readonly<Record<string, unknown>>): void => log.info(fields, event);
  const onTrouble = (what: string) => (error: unknown) => log.warn({ error: textOf(error) }, what);
  // Certificates are read first: what is wrong with them is known before anything was started.
  const tls =
    config.tls === null
      ? null
      : { cert: await readFile(config.tls.certFile, "utf8"), key: await readFile(config.tls.keyFile, "utf8") };
  await expectFree(config.host, [config.port, config.grpcPort]);

  const engine = await startEngine(config, log, signal);
  undo.push(() => engine.stop());
  const store: Store = await createPostgresStore({
    url: engine.url,
    ...(config.directUrl === null ? {} : { directUrl: config.directUrl }),
    poolSize: config.poolSize,
    prepare: config.directUrl === null,
    log: (line) => log.debug(line),
    ids,
    random,
    checkCache,
  });
  undo.push(() => store.close());
  signal?.throwIfAborted();
  // First of all: from here on no import takes the database for an idle one, and none was in between what is read below.
  const session = new ServerSession(store.platform, clock, () => ids.uuid(), { address: config.host, build: BUILD });
  const { installationId, storeEpoch } = await session.open();
  undo.push(() => session.end());
  await store.platform.ensurePartitions(PARTITION_MONTHS);
  const org = await store.platform.ensureOrg({
    orgId: ids.uuid() as OrgId,
    name: DEFAULT_ORG,
    createdMs: clock.nowMs(),
  });

  const local = config.requireAuth
    ? null
    : { orgId: org.orgId, name: "local", grants: ["*"], keyId: null, untilMs: null };
  const identify = createIdentify({ platform: store.platform, clock, local });
  const endKeys = (revoked: readonly KeyId[]): void => {
    for (const keyId of identify.refresh(revoked)) dispatcher.keyEnded(keyId);
  };
  const renewed = ({ revoked, lapsed }: Renewed): void => {
    endKeys(revoked);
    gates.heard(lapsed);
  };
  const heavy = heavyWork();
  undo.push(() => heavy.close());
  const evidence = createEvidenceReader({
    sources: evidenceSources(openContent(store), config.evidence),
    clock,
    onTrouble: onTrouble("evidence could not be read"),
  });
  undo.push(() => evidence.close());
  const gate = releaseGate(evidence);
  const gatekeeper = { perform: gatePerform(store, gate, systemTimers) };
  const own = { store, session, storeEpoch, clock, ids, random };
  const dispatcher = createDispatcher({ ...own, renewed, gatekeeper, log: say });
  const gates = createGateWatch(store.platform, dispatcher, onTrouble("looking for gates failed"));
  await dispatcher.start();
  undo.push(() => dispatcher.drain());

  if (config.bootstrapKey !== null) {
    const opens = await ensureBootstrapKey(store, org, config.bootstrapKey, { sessionId: session.id, ids });
    if (!opens) log.warn({}, "the bootstrap key was revoked, and opens nothing");
  }
  const keys = !config.requireAuth
    ? []
    : await store.transaction([org.orgId], (tx) => tx.identity.listKeys(org.orgId, { limit: 1_000, after: null }), {
        readOnly: true,
      });
  const admissions = createAdmissions(store, () => session.id, org.orgId);
  const transfers = createTransfers();
  const pipeline = createPipeline({
    store,
    clock,
    ids,
    random,
    identify,
    admissions,
    storeEpoch,
    account: createAccount(),
    transfers,
    sessionId: () => session.id,
    keyLifeMs: KEY_LIFETIME_MS,
    committed: (news) => dispatcher.committed(news),
    handover: (orgId) => dispatcher.handover(orgId),
  });
  const keyEnded = (keyId: KeyId): void => {
    // A key that was revoked here is not believed for a moment longer than its transaction.
    identify.end(keyId);
    dispatcher.keyEnded(keyId);
  };
  const limits = { artifactBytes: config.artifactMaxBytes, orgBytes: config.artifactOrgBytes };
  const operations = allOperations(heavy, dispatcher, keyEnded, limits, store.contents, gate);

  const down = new AbortController();
  const ready = (): boolean =>
    !down.signal.aborted && session.isReached && session.isAlive && !dispatcher.storeIsAway();
  const routes = allRoutes(
    {
      pipeline,
      operations,
      dispatcher,
      artifacts: artifactUse(store),
      keys: identify,
      transfers,
      tokens: createPageTokens(installationId),
      clock,
      silenceMs: SILENCE_MS,
      draining: down.signal,
    },
    ready,
  );
  const guard = createGuard({ hosts: [config.host, ...config.allowedHosts], origins: config.allowedOrigins });
  const onBug = (where: string, error: unknown): void => log.error({ where, error: textOf(error) }, "bug");
  const turnAway = createTurnAway(pipeline, operationTable());
  const wide = createWidePort({ routes, guard, ready, onBug, tls, turnAway });
  const fast = createFastLane({ routes, guard, onBug, tls, turnAway });
  undo.push(() => {
    wide.destroy();
    fast.destroy();
  });
  const widePort = await listen(config.host, config.port, (address, port) => listenOn(wide.servers(), address, port));
  const grpcPort = await listen(config.host, config.grpcPort, (address, port) => fast.bind(address, port));

  const housekeeping = createLoop(
    HOUSEKEEPING_MS,
    async () => {
      // Asks the store nothing: what other servers revoked comes with each renewal.
      endKeys([]);
      if (session.isReached) await admissions.flush();
    },
    onTrouble("housekeeping failed"),
  );
  const rare = createLoop(
    RARE_MS,
    async () => {
      await store.platform.dropExpiredKeys(10_000);
      await store.platform.ensurePartitions(PARTITION_MONTHS);
    },
    onTrouble("housekeeping failed"),
  );
  const sweep = createLoop(
    RARE_MS,
    async () => void (await sweepArtifacts(store, () => session.id, down.signal)),
    onTrouble("sweeping artifacts failed"),
  );
  housekeeping.start();
  rare.start();
  sweep.start();
  gates.start();
  // What was ready when an earlier server went.
  await gates.runOnce();

  const close = async (): Promise<void> => {
    down.abort();
    // Streams end with a goodbye first: only then can their calls end.
    await dispatcher.drain();
    wide.close();
    await Promise.race([
      Promise.all([fast.close(), wide.closed()]),
      new Promise((resolve) => setTimeout(resolve, GRACE_MS).unref()),
    ]);
    fast.destroy();
    wide.destroy();
    await Promise.all([rare.stop(), housekeeping.stop(), sweep.stop(), gates.stop()]);
    await admissions.flush();
    await heavy.close();
    await evidence.close();
    await store.close();
    await engine.stop();
  };
  let closing: Promise<void> | undefined;
  const scheme = tls === null ? "http" : "https";
  const hostText = config.host.includes(":") ? `[${config.host}]` : config.host;
  return {
    wideUrl: `${scheme}://${hostText}:${widePort}`,
    grpcUrl: `${hostText}:${grpcPort}`,
    principal: local?.name ?? "",
    hasKeys: local !== null || keys.some((key) => key.revokedMs === null),
    org: org.name,
    engine: engine.name,
    failed: Promise.race([engine.failed, session.replaced.then(() => REPLACED)]),
    close: () => (closing ??= close()),
  };
}

interface Engine {
  readonly url: string;
  readonly name: string;
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

async function startEngine(config: Config, log: Logger, signal?: AbortSignal): Promise<Engine> {
  if (config.databaseUrl !== null) {
    const { major } = await checkServer(config.databaseUrl, signal);
    return {
      url: config.databaseUrl,
      name: `PostgreSQL ${major}`,
      failed: new Promise(() => undefined),
      stop: async () => undefined,
    };
  }
  const engine = await superviseEmbedded({ dataDir: config.dataDir, log: (line) => log.info(line) }, signal);
  return {
    url: engine.url,
    name: `embedded PostgreSQL ${engine.major}`,
    failed: engine.failed,
    stop: () => engine.stop(),
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
