// The pool of worker threads that large graphs are worked out in.
import { afterEach, expect, test } from "vitest";
import { workerPool, WorkerPoolClosedError, WorkerPoolFullError } from "../../src/support/worker-pool.ts";
import type { WorkerPool } from "../../src/support/worker-pool.ts";

// Answers with its thread's number; waits on a shared cell when it is given one; breaks when it is told to.
const MODULE = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, threadId } from "node:worker_threads";
    parentPort.on("message", ({ id, task, input }) => {
      if (task === "die") process.exit(1);
      if (task === "throw") return parentPort.postMessage({ id, trouble: "as told" });
      if (input?.cell) Atomics.wait(input.cell, 0, 0);
      parentPort.postMessage({ id, value: { task, threadId } });
    });`)}`,
);
const none = new AbortController().signal;
let pool: WorkerPool;
afterEach(() => pool.close());

function cell(): { readonly cell: Int32Array; readonly open: () => void } {
  const shared = new Int32Array(new SharedArrayBuffer(4));
  return { cell: shared, open: () => void (Atomics.store(shared, 0, 1), Atomics.notify(shared, 0)) };
}

test("tasks are answered, one thread after another task", async () => {
  pool = workerPool(MODULE, { size: 1, queueLimit: 10 });
  const answers = await Promise.all([
    pool.run<{ threadId: number }>("one", {}, none),
    pool.run<{ threadId: number }>("two", {}, none),
  ]);
  expect(answers.map((a) => a.threadId)).toEqual([answers[0].threadId, answers[0].threadId]);
  expect(answers).toMatchObject([{ task: "one" }, { task: "two" }]);
});

test("what a task throws reaches its caller, and a thread that ends takes only its own task along", async () => {
  pool = workerPool(MODULE, { size: 1, queueLimit: 10 });
  await expect(pool.run("throw", {}, none)).rejects.toThrow("as told");
  const died = pool.run("die", {}, none);
  const after = pool.run("fine", {}, none);
  await expect(died).rejects.toThrow("ended before its task");
  await expect(after).resolves.toMatchObject({ task: "fine" });
});

test("beyond the limit calls are turned away, and an aborted call leaves the queue", async () => {
  pool = workerPool(MODULE, { size: 1, queueLimit: 1 });
  const gate = cell();
  const running = pool.run("busy", { cell: gate.cell }, none);
  const abort = new AbortController();
  const waiting = pool.run("waiting", {}, abort.signal);
  await expect(pool.run("third", {}, none)).rejects.toBeInstanceOf(WorkerPoolFullError);
  abort.abort(new Error("no longer wanted"));
  await expect(waiting).rejects.toThrow("no longer wanted");
  const fourth = pool.run("fourth", {}, none);
  gate.open();
  await expect(running).resolves.toMatchObject({ task: "busy" });
  await expect(fourth).resolves.toMatchObject({ task: "fourth" });
});

test("owners take turns, however much one of them queues", async () => {
  pool = workerPool(MODULE, { size: 1, queueLimit: 10 });
  const gate = cell();
  const order: string[] = [];
  const run = (task: string, owner: string): Promise<unknown> =>
    pool.run(task, task === "busy" ? { cell: gate.cell } : {}, none, [], { owner, onTaken: () => order.push(task) });
  const all = [run("busy", "a"), run("a1", "a"), run("a2", "a"), run("b1", "b"), run("a3", "a"), run("b2", "b")];
  expect(order).toEqual(["busy"]);
  gate.open();
  await Promise.all(all);
  expect(order).toEqual(["busy", "a1", "b1", "a2", "b2", "a3"]);
});

test("closing rejects what runs and what waits", async () => {
  pool = workerPool(MODULE, { size: 1, queueLimit: 5 });
  const gate = cell();
  const calls = [pool.run("busy", { cell: gate.cell }, none), pool.run("waiting", {}, none)];
  const ended = Promise.allSettled(calls);
  await pool.close();
  for (const call of await ended)
    expect(call).toMatchObject({
      status: "rejected",
      reason: expect.any(WorkerPoolClosedError) as WorkerPoolClosedError,
    });
  await expect(pool.run("late", {}, none)).rejects.toBeInstanceOf(WorkerPoolClosedError);
});
