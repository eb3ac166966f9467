// Recordings in the real format, made for tests: the shape of an image mosaic (projections, differences of neighbours, a fit,
// backgrounds, one sum), as large as is wanted. Not here: reading them.

export interface RecordedRun {
  readonly name: string;
  readonly schemaVersion: string;
  readonly workflow: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

interface Job {
  readonly id: string;
  readonly parents: readonly string[];
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly seconds: number;
}

/** 2n − 1 + 1 + n + 1 tasks of n images: projections, differences, the fit, backgrounds, the sum. */
function mosaic(images: number): Job[] {
  const jobs: Job[] = [];
  const add = (id: string, parents: readonly string[], inputs: readonly string[], seconds: number): void =>
    void jobs.push({ id, parents, inputs, outputs: [`${id}.fits`], seconds });
  const each = Array.from({ length: images }, (_, i) => i);
  for (const i of each) add(`project_${i}`, [], [`raw_${i}.fits`], 16.7 + (i % 5));
  for (const i of each.slice(1)) {
    const pair = [`project_${i - 1}`, `project_${i}`];
    add(
      `diff_${i}`,
      pair,
      pair.map((id) => `${id}.fits`),
      0.4,
    );
  }
  const diffs = each.slice(1).map((i) => `diff_${i}`);
  add(
    "fit",
    diffs,
    diffs.map((id) => `${id}.fits`),
    1.5,
  );
  for (const i of each) add(`background_${i}`, [`project_${i}`, "fit"], [`project_${i}.fits`, "fit.fits"], 0.5);
  const backgrounds = each.map((i) => `background_${i}`);
  add(
    "sum",
    backgrounds,
    backgrounds.map((id) => `${id}.fits`),
    20,
  );
  return jobs;
}

const MACHINES = [{ nodeName: "worker-1", cpu: { coreCount: 48, speedInMHz: 1200 }, memoryInBytes: 131_795_984_000 }];
const BYTES = 4_150_080;

function childrenOf(jobs: readonly Job[], id: string): string[] {
  return jobs.filter(({ parents }) => parents.includes(id)).map((job) => job.id);
}

/** As WfFormat 1.5 has it. */
export function mosaic15(images: number): RecordedRun {
  const jobs = mosaic(images);
  const children = new Map<string, string[]>();
  for (const { id, parents } of jobs)
    for (const parent of parents) children.set(parent, [...(children.get(parent) ?? []), id]);
  const files = [...new Set(jobs.flatMap(({ inputs, outputs }) => [...inputs, ...outputs]))];
  return {
    name: `mosaic-${images}`,
    description: "A mosaic of images, made for a test",
    createdAt: "2026-01-01T00:00:00Z",
    schemaVersion: "1.5",
    runtimeSystem: { name: "Pegasus", version: "5.0" },
    workflow: {
      specification: {
        tasks: jobs.map(({ id, parents, inputs, outputs }) => ({
          name: id,
          id,
          parents,
          children: children.get(id) ?? [],
          inputFiles: inputs,
          outputFiles: outputs,
        })),
        files: files.map((id) => ({ id, sizeInBytes: BYTES })),
      },
      execution: {
        makespanInSeconds: 1060,
        executedAt: "2026-01-01T00:00:00Z",
        machines: MACHINES,
        tasks: jobs.map(({ id, seconds }) => ({
          id,
          runtimeInSeconds: seconds,
          command: { program: id.replace(/_\d+$/, ""), arguments: ["-X"] },
          coreCount: 1,
          memoryInBytes: 14_800_000,
          machines: ["worker-1"],
        })),
      },
    },
  };
}

/** As WfFormat 1.4 has it: tasks know each other by name, and each has its files and its time with it. */
export function mosaic14(images: number): RecordedRun {
  const jobs = mosaic(images);
  const file = (link: string) => (name: string) => ({ link, name, path: "/data/", sizeInBytes: BYTES });
  return {
    name: `mosaic-${images}`,
    schemaVersion: "1.4",
    wms: { name: "Pegasus", version: "4.9" },
    workflow: {
      makespanInSeconds: 1060,
      executedAt: "20260101T000000+0000",
      machines: [{ nodeName: "worker-1", cpu: { count: 48, speed: 1200 } }],
      tasks: jobs.map(({ id, parents, inputs, outputs, seconds }, i) => ({
        name: id,
        id: `ID${String(i + 1).padStart(7, "0")}`,
        type: "compute",
        parents,
        // Told at one end only, as some systems do.
        ...(i % 2 === 0 && { children: childrenOf(jobs, id) }),
        files: [...inputs.map(file("input")), ...outputs.map(file("output"))],
        runtimeInSeconds: seconds,
        cores: 1,
        machine: "worker-1",
      })),
    },
  };
}
