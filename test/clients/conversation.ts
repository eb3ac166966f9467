// What an executor in any language says to a scripted peer: cases that no healthy server brings about. Not here: real servers
// (interop.ts), the peer (test/executor/library-peer.ts).
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Lease } from "../../gen/maestro/v1/dispatch_pb.ts";
import { PayloadSchema } from "../../gen/maestro/v1/payload_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { Peer, assignment } from "../executor/library-peer.ts";
import { ExecutorProcess } from "./executor-process.ts";

const KEY = "a key";

/** Declares the cases; `command` starts the executor, `address name slots` are added. */
export function testConversations(command: () => readonly string[]): void {
  describe("to a scripted peer", () => {
    let peer: Peer;
    let executor: ExecutorProcess;

    beforeEach(async () => {
      peer = await Peer.start();
    });

    afterEach(async () => {
      await executor?.kill();
      peer.stop();
    });

    function start(): void {
      executor = new ExecutorProcess([...command(), new URL(peer.url).host, "talker", "2"], { MAESTRO_API_KEY: KEY });
    }

    function doubling(step: string, capability = "double") {
      return assignment(step, {
        capability,
        input: create(PayloadSchema, { value: { case: "json", value: '{"n":2}' } }),
      });
    }

    function refused(lease: Lease | undefined, retryable: boolean) {
      const refusal = { reason: RefusalReason.OVERLOADED, retryable, retryAfter: { seconds: 0n, nanos: 20_000_000 } };
      return { lease: lease!, result: { case: "refusal" as const, value: refusal } };
    }

    test("says an outcome again when it is refused for now, and in the next hello until it is acknowledged", async () => {
      start();
      const first = await peer.stream(0);
      first.welcome();
      first.assign(doubling("a"));
      await first.until(({ outcomes }) => outcomes.length === 1);
      const { lease } = first.outcomes[0]!;
      first.say(undefined, [refused(lease, true)]);
      await first.until(({ outcomes }) => outcomes.length === 2);
      expect(first.outcomes[1]).toEqual(first.outcomes[0]);
      expect(first.received.map(({ number }) => number)).toEqual(first.received.map((_, index) => BigInt(index + 1)));
      first.break();

      const second = await peer.stream(1);
      expect(second.hello).toMatchObject({ incarnation: first.hello.incarnation, held: [lease] });
      expect(second.hello.unsent).toEqual([first.outcomes[0]]);
      expect(second.received[0]?.number).toBe(1n);
      second.welcome();
      second.acknowledge(lease);
      second.say({ case: "goodbye", value: { reconnect: true } });

      const third = await peer.stream(2);
      expect(third.hello).toMatchObject({ held: [], unsent: [] });
      expect(peer.keys).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`, `Bearer ${KEY}`]);
    });

    test("drops an outcome that is refused for good, refuses what it has no handler for", async () => {
      start();
      const first = await peer.stream(0);
      first.welcome();
      first.assign(doubling("b", "juggle"));
      await first.until(({ outcomes }) => outcomes.length === 1);
      expect(first.outcomes[0]?.result.case).toBe("refusal");
      first.say({ case: "goodbye", value: { reconnect: true } }, [refused(first.outcomes[0]?.lease, false)]);
      expect((await peer.stream(1)).hello).toMatchObject({ held: [], unsent: [] });
    });

    test("says nothing of an attempt whose lease was lost, and begins none twice", async () => {
      start();
      const first = await peer.stream(0);
      first.welcome();
      const endless = assignment("c", {
        capability: "await-file",
        input: create(PayloadSchema, { value: { case: "json", value: '{"path":"/no/such/file"}' } }),
      });
      first.assign(endless, endless);
      first.assign(endless);
      await executor.says(/^began c 7$/);
      first.say({ case: "stops", value: { stops: [{ lease: endless.lease!, reason: "gone", outcomeWanted: false }] } });
      await executor.says(/^ended c stopped$/);
      first.assign(doubling("d"));
      await first.until(({ outcomes }) => outcomes.length > 0);
      expect(first.outcomes.map(({ lease }) => lease?.step)).toEqual(["d"]);
      expect(executor.said.filter((line) => line.startsWith("began c "))).toHaveLength(1);
    });

    test("leaves a server that is silent for longer than it said it would be", async () => {
      start();
      (await peer.stream(0)).welcome(500);
      (await peer.stream(1)).welcome();
    });

    test("ends when trying again cannot help", async () => {
      peer.refuseWith = status.PERMISSION_DENIED;
      start();
      expect(await executor.exited).toBe(1);
      // How often it asked is not told: a call that ends while the hello is on its way may look broken to a client.
      expect(executor.said).not.toContain("closed");
    });
  });
}
