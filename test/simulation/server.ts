// One simulated server: the product's store, session, dispatcher and pipeline on virtual connections, time and chance. It may be
// killed, frozen, and cut off from its database. Not here: when that happens, see simulation.ts.
import { createDispatcher } from "../../src/dispatch/create.ts";
import type { Dispatcher } from "../../src/dispatch/dispatcher.ts";
import { ServerSession } from "../../src/dispatch/session.ts";
import { RELEASE_GATE } from "../../src/domain/gate.ts";
import type { IdMaker } from "../../src/domain/id.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { Decision } from "../../src/domain/refusal.ts";
import { createAccount } from "../../src/engine/account.ts";
import { createAdmissions } from "../../src/engine/admissions.ts";
import type { Operation } from "../../src/engine/operation.ts";
import { createPipeline } from "../../src/engine/pipeline.ts";
import type { Pipeline } from "../../src/engine/pipeline.ts";
import { CommitUnknownError, StoreUnavailableError } from "../../src/store/ports/store.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { openPostgresStore } from "../../src/store/postgres/store.ts";
import { digestOfText } from "../../src/domain/canonical.ts";
import { uuidv7 } from "../../src/support/typeid.ts";
import { asOperation, telling } from "./carried.ts";
import { SimulatedClient } from "./connections.ts";
import type { Hooks, Locks } from "./connections.ts";
import { ATTEND_EVERY_MS, judging } from "./judges.ts";
import type { Ledger } from "./ledger.ts";
import type { RealConnections } from "./statements.ts";
import type { Process } from "./world.ts";

export interface ServerOptions {
  readonly process: Process;
  readonly real: RealConnections;
  readonly locks: Locks;
  readonly hooks: Hooks;
  readonly principal: Principal;
  readonly ledger: Ledger;
  /** For planted faults: what stands between the dispatcher and its store. */
  readonly tamper: (store: Store) => Store;
}

/** Events of the log that only a bug can cause. */
const BUGS = new Set([
  "item.set_aside",
  "batch.bisected",
  "aftermath.failed",
  "look.failed",
  "refill.failed",
  "gate.failed",
]);

export class SimulatedServer {
  readonly process: Process;
  readonly session: ServerSession;
  readonly dispatcher: Dispatcher;
  readonly #pipeline: Pipeline;
  readonly #attend: () => Promise<void>;
  readonly #clients: SimulatedClient[] = [];
  isStarted = false;

  constructor(options: ServerOptions) {
    const { process, principal, ledger } = options;
    this.process = process;
    const { clock, random, timers } = process;
    const ids: IdMaker = { uuid: () => uuidv7(clock.nowMs(), random.bytes(10)) };
    const store = options.tamper(
      telling(
        openPostgresStore(
          { url: "", poolSize: 4, ids, random, log: () => undefined, checkCache: true },
          (clientOptions) => {
            const client = new SimulatedClient(options, clientOptions);
            this.#clients.push(client);
            process.sources.push(client);
            return client;
          },
        ),
      ),
    );
    this.session = new ServerSession(store.platform, clock, () => ids.uuid(), { address: process.name, build: "test" });
    this.dispatcher = createDispatcher({
      store,
      session: this.session,
      storeEpoch: 1,
      clock,
      ids,
      random,
      timers,
      log: (event, fields) => {
        this.#said(event, fields);
      },
      gatekeeper: judging(process, ledger),
    });
    this.#attend = async () => {
      this.dispatcher.attendGates(await store.platform.readyFor(RELEASE_GATE));
    };
    this.#pipeline = createPipeline({
      store,
      clock,
      ids,
      random,
      // Who calls is believed: keys are not what is simulated.
      identify: {
        identify: async ({ authorization: name }) => ({ ok: true, value: { ...principal, name } }),
        hold: () => ({ ended: new AbortController().signal, release: () => undefined }),
        end: () => undefined,
        refresh: () => [],
      },
      admissions: createAdmissions(store, () => this.session.id, principal.orgId),
      storeEpoch: 1,
      account: createAccount(),
      sessionId: () => this.session.id,
      keyLifeMs: 86_400_000,
      committed: (news) => {
        this.dispatcher.committed(news);
      },
      handover: (orgId) => this.dispatcher.handover(orgId),
    });
  }

  /** Opens its session and begins; what hinders it kills it, and another one is started in its place. */
  start(failed: () => void): void {
    this.process.timers.soon(() => {
      this.session
        .open()
        .then(() => this.dispatcher.start())
        .then(
          () => {
            this.isStarted = true;
            this.#lookForGates();
          },
          (error: unknown) => {
            this.trouble("start", error);
            failed();
          },
        );
    });
  }

  /** Now and then, as gate-watch.ts does. */
  #lookForGates(): void {
    const { timers } = this.process;
    const look = (): void => {
      this.#attend().catch((error: unknown) => {
        this.trouble("looking for gates", error);
      });
    };
    look();
    timers.every(ATTEND_EVERY_MS, look);
  }

  /** An operation through all eight stages. */
  async call<Req, Res>(
    operation: Operation<Req, Res>,
    name: string,
    request: Req,
    by: { readonly who: string; readonly key: string },
  ): Promise<Decision<Res>> {
    const run = () =>
      this.#pipeline.run<Req, Res, Res>({
        method: { method: name, parts: [{ operation: name, capability: name, writes: true }] },
        caller: { authorization: by.who, address: "127.0.0.1", forwarded: false },
        decode: () => ({ ok: true, value: request }),
        keyHeader: "",
        keyField: by.key,
        operation,
        traceparent: "",
        signal: new AbortController().signal,
        dryRun: false,
        bodyDigest: () => Buffer.from(digestOfText(`${name}${JSON.stringify(request)}`), "hex"),
        answer: (result) => result,
        encode: (answer) => Buffer.from(JSON.stringify(answer)),
        read: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as Res,
      });
    return await asOperation(run);
  }

  /** Trouble with the store is part of the game; everything else is a bug. */
  trouble(where: string, error: unknown): void {
    if (error instanceof StoreUnavailableError || error instanceof CommitUnknownError) return;
    this.process.world.violated(
      `${this.process.name} ${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }

  freeze(ms: number): void {
    this.process.frozenUntilMs = this.process.world.nowMs + ms;
  }

  /** No statement of it reaches the database for so long; those under way are lost. */
  async cutOff(ms: number): Promise<void> {
    for (const client of this.#clients) {
      client.awayUntilMs = this.process.world.nowMs + ms;
      await client.breakAll();
    }
  }

  /** The process is gone at once; the database finds out when `abandoned` is called. */
  kill(): { readonly abandoned: () => Promise<void> } {
    this.process.kill();
    return {
      abandoned: async () => {
        for (const client of this.#clients) await client.abandonAll();
      },
    };
  }

  #said(event: string, fields: Readonly<Record<string, unknown>>): void {
    const { world, name } = this.process;
    const text = JSON.stringify(fields);
    world.note(name, event, text);
    const isTrouble = /the database is away|the connection broke|StoreUnavailable|StoreBusy|CommitUnknown/.test(text);
    if (BUGS.has(event) && !isTrouble) world.violated(`${name} ${event} ${text}`);
  }
}
