// A recorded workflow in our words, and reading one from WfFormat (wfcommons.org) 1.4 to 1.6. Not here: making a plan of it.
import { findCycles, cycleText } from "../../domain/graph/cycles.ts";
import { Place } from "./place.ts";

export interface RecordedFile {
  readonly id: string;
  readonly bytes: number;
}

export interface RecordedTask {
  readonly id: string;
  readonly name: string;
  readonly program: string;
  readonly runtimeS: number;
  readonly cores: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly machine: string | undefined;
  /** Ids of tasks that had to end first. */
  readonly parents: readonly string[];
  readonly inputs: readonly RecordedFile[];
  readonly outputs: readonly RecordedFile[];
}

export interface Recording {
  readonly name: string;
  readonly description: string;
  /** Such as `Pegasus`; empty when it is not recorded. */
  readonly system: string;
  readonly schemaVersion: string;
  readonly makespanS: number | undefined;
  readonly machines: readonly { readonly name: string; readonly cores: number | undefined }[];
  readonly tasks: readonly RecordedTask[];
  readonly fileCount: number;
}

export type ReadRecording =
  | { readonly ok: true; readonly recording: Recording }
  /** Each with its place, such as `workflow.tasks[3].parents[0]: …`. */
  | { readonly ok: false; readonly mistakes: readonly string[] };

const VERSIONS = ["1.4", "1.5", "1.6"];
/** As many steps as a plan may have. */
const MOST_TASKS = 100_000;
/** Half of the longest timeout: a step's is twice what the step takes. */
const LONGEST_S = 182.5 * 86_400;
const TOO_LONG = ": times --scale it is more than half a year, and no step may take that long";

/** Times are held against what a plan may have once they are scaled. */
export function readRecording(text: string, scale = 1): ReadRecording {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    return { ok: false, mistakes: [`it is not JSON: ${error instanceof Error ? error.message : String(error)}`] };
  }
  const mistakes: string[] = [];
  const root = new Place(json, "", mistakes);
  const version = root.at("schemaVersion").text();
  if (version !== undefined && !VERSIONS.includes(version))
    root.at("schemaVersion").wrong(`is ${JSON.stringify(version)}; WfFormat ${VERSIONS.join(", ")} can be read`);
  if (version === undefined || mistakes.length > 0)
    return { ok: false, mistakes: mistakes.length > 0 ? mistakes : ["it is no WfFormat: there is no schemaVersion"] };
  const recording = version === "1.4" ? readFlat(root, version, scale) : readSplit(root, version, scale);
  if (mistakes.length > 0 || recording === undefined) return { ok: false, mistakes };
  const found = graphMistakes(recording.tasks);
  return found.length > 0 ? { ok: false, mistakes: found } : { ok: true, recording };
}

/** What both forms have at their top. */
function headOf(root: Place, version: string): Pick<Recording, "name" | "description" | "system" | "schemaVersion"> {
  const systems = ["runtimeSystem", "wms"].map((key) => root.maybe(key)?.maybe("name")?.text());
  return {
    name: nameOf(root.at("name")),
    description: root.maybe("description")?.text() ?? "",
    system: systems.find((system) => system !== undefined) ?? "",
    schemaVersion: version,
  };
}

function nameOf(place: Place): string {
  const name = place.text();
  if (name === "") place.wrong("must not be empty: the goal is called by it");
  return name ?? "";
}

/** Up to 1.4 a task has everything with it, and tasks name each other by name. */
function readFlat(root: Place, version: string, scale: number): Recording | undefined {
  const workflow = root.at("workflow");
  const places = bounded(workflow.at("tasks"));
  const files = new Map<string, number>();
  const drafts = places.map((place): Draft => {
    const name = place.at("name").text() ?? "";
    const given = place.maybe("id")?.text();
    const touched = (place.maybe("files")?.list() ?? []).map((file) => {
      const id = `${file.maybe("path")?.text() ?? ""}${file.at("name").text() ?? ""}`;
      const bytes = file.at("sizeInBytes").number(0) ?? 0;
      files.set(id, bytes);
      return { id, bytes, input: file.at("link").text()?.toLowerCase() === "input" };
    });
    return {
      place,
      id: name,
      aliases: given === undefined ? [] : [given],
      name,
      inputs: touched.filter(({ input }) => input).map(plain),
      outputs: touched.filter(({ input }) => !input).map(plain),
      run: place,
      cores: "cores",
    };
  });
  return {
    ...headOf(root, version),
    makespanS: workflow.maybe("makespanInSeconds")?.number(0),
    machines: machinesOf(workflow.maybe("machines"), "count"),
    tasks: linked(drafts, scale),
    fileCount: files.size,
  };
}

/** From 1.5 on what was to be done stands apart from what was measured, and tasks name each other by id. */
function readSplit(root: Place, version: string, scale: number): Recording | undefined {
  const workflow = root.at("workflow");
  const specification = workflow.at("specification");
  const execution = workflow.maybe("execution");
  if (execution === undefined) {
    workflow.wrong("has no execution: what no run was recorded of has no times to go by");
    return undefined;
  }
  const runs = new Map<string, Place>();
  for (const run of execution.at("tasks").list() ?? []) {
    const id = run.at("id").text() ?? "";
    // Which of them it took cannot be told.
    if (runs.has(id)) run.wrong(`there are two runs of task ${JSON.stringify(id)}`);
    runs.set(id, run);
  }
  const sizes = new Map<string, number>();
  for (const file of specification.maybe("files")?.list() ?? [])
    sizes.set(file.at("id").text() ?? "", file.at("sizeInBytes").number(0) ?? 0);
  const filesOf = (place: Place | undefined): RecordedFile[] =>
    (place?.list() ?? []).map((file) => {
      const id = file.text() ?? "";
      return { id, bytes: sizes.get(id) ?? 0 };
    });
  const drafts = bounded(specification.at("tasks")).map((place): Draft => {
    const id = place.at("id").text() ?? "";
    const run = runs.get(id);
    if (run === undefined)
      place.wrong(`${JSON.stringify(id)} is not among workflow.execution.tasks: its time is not recorded`);
    return {
      place,
      id,
      aliases: [],
      name: place.maybe("name")?.text() ?? id,
      inputs: filesOf(place.maybe("inputFiles")),
      outputs: filesOf(place.maybe("outputFiles")),
      run,
      cores: "coreCount",
    };
  });
  return {
    ...headOf(root, version),
    makespanS: execution.maybe("makespanInSeconds")?.number(0),
    machines: machinesOf(execution.maybe("machines"), "coreCount"),
    tasks: linked(drafts, scale),
    fileCount: sizes.size,
  };
}

interface Draft {
  readonly place: Place;
  readonly id: string;
  /** Other names that tasks know it by. */
  readonly aliases: readonly string[];
  readonly name: string;
  readonly inputs: readonly RecordedFile[];
  readonly outputs: readonly RecordedFile[];
  /** Where its measurements stand; undefined when that was told as a mistake. */
  readonly run: Place | undefined;
  /** What the number of its cores is called there. */
  readonly cores: string;
}

function plain({ id, bytes }: RecordedFile): RecordedFile {
  return { id, bytes };
}

function bounded(tasks: Place): readonly Place[] {
  const places = tasks.list() ?? [];
  if (places.length === 0 && tasks.isThere) tasks.wrong("holds no task");
  if (places.length <= MOST_TASKS) return places;
  tasks.wrong(`holds ${places.length} tasks; a plan has at most ${MOST_TASKS} steps`);
  return [];
}

/** Dependencies may be told at either end, or only by files. */
function linked(drafts: readonly Draft[], scale: number): RecordedTask[] {
  const longestS = LONGEST_S / scale;
  const ids = new Map<string, string>();
  for (const { id, place } of drafts) {
    if (ids.has(id)) place.wrong(`there are two tasks ${JSON.stringify(id)}`);
    ids.set(id, id);
  }
  for (const { id, aliases } of drafts) for (const alias of aliases) if (!ids.has(alias)) ids.set(alias, id);
  const parents = new Map(drafts.map(({ id }) => [id, new Set<string>()]));
  const named = (draft: Draft, key: string): string[] =>
    (draft.place.maybe(key)?.list() ?? []).flatMap((place) => {
      const name = place.text() ?? "";
      const id = ids.get(name);
      if (id === undefined) place.wrong(`there is no task ${JSON.stringify(name)}`);
      return id ?? [];
    });
  for (const draft of drafts) {
    for (const parent of named(draft, "parents")) parents.get(draft.id)?.add(parent);
    for (const child of named(draft, "children")) parents.get(child)?.add(draft.id);
  }
  if ([...parents.values()].every((of) => of.size === 0)) inferFromFiles(drafts, parents);
  return drafts.map(({ id, name, inputs, outputs, run, cores }) => ({
    id,
    name,
    inputs,
    outputs,
    program: run?.maybe("command")?.maybe("program")?.text() ?? "",
    runtimeS: run?.at("runtimeInSeconds").number(0, longestS, TOO_LONG) ?? 0,
    cores: run?.maybe(cores)?.number(0),
    memoryBytes: run?.maybe("memoryInBytes")?.number(0),
    machine: run?.maybe("machine")?.text() ?? run?.maybe("machines")?.list()?.[0]?.text(),
    parents: [...(parents.get(id) ?? [])],
  }));
}

function inferFromFiles(drafts: readonly Draft[], parents: ReadonlyMap<string, Set<string>>): void {
  const makers = new Map<string, string>();
  for (const { id, outputs } of drafts) for (const file of outputs) if (!makers.has(file.id)) makers.set(file.id, id);
  for (const { id, inputs } of drafts) {
    for (const file of inputs) {
      const maker = makers.get(file.id);
      if (maker !== undefined && maker !== id) parents.get(id)?.add(maker);
    }
  }
}

function machinesOf(machines: Place | undefined, cores: string): Recording["machines"] {
  return (machines?.list() ?? []).map((machine) => ({
    name: machine.at("nodeName").text() ?? "",
    cores: machine.maybe("cpu")?.maybe(cores)?.number(0),
  }));
}

const MOST_CYCLES = 3;

function graphMistakes(tasks: readonly RecordedTask[]): string[] {
  const edges = tasks.flatMap(({ id, parents }) =>
    parents.map((from) => ({ from, to: id, kind: "EXPLICIT" as const, regardless: false })),
  );
  return findCycles(
    tasks.map(({ id }) => id),
    edges,
  )
    .slice(0, MOST_CYCLES)
    .map((cycle) => `tasks wait for each other: ${cycleText(cycle)}`);
}
