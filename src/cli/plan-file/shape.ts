// What a plan file holds, key by key. The reader, the editors' schema and the error messages all follow from this.
import { isMap } from "yaml";
import { duration, energy, estimate, money } from "./amounts.ts";
import {
  either,
  isText,
  json,
  jsonObject,
  list,
  matching,
  may,
  named,
  need,
  number,
  object,
  oneOf,
  text,
  truth,
} from "./kinds.ts";
import type { Place, Read } from "./kinds.ts";

const MOST_TOKENS = Number.MAX_SAFE_INTEGER;

const amounts = object({
  money: may(money, "Money, such as `5 USD`."),
  tokens: may(number(0, MOST_TOKENS, true), "Tokens of language models."),
  wall: may(duration, "Wall-clock time held, summed over attempts."),
  energy: may(energy, "Energy, such as `500 J`."),
});

const name = text({ maxBytes: 128 });
const trust = number(0, 1);
const labelKey = { pattern: /^.{1,63}$/s, wanted: "a label of 1 to 63 bytes" };
const labels = named(labelKey, text({ maxBytes: 255 }), 64);

const builder = object({
  id: need(text({ maxBytes: 1024 }), "As provenance names it."),
  public_keys: may(list(text({ maxBytes: 8192 }), { most: 16 }), "Keys that it signs provenance with, as PEM."),
  key_files: may(list(text({ maxBytes: 4096 }), { most: 16 }), "Files with such keys, as seen from this file."),
});

const release = object({
  mode: may(oneOf("flags", "verified"), "Whether the gate believes the flags of artifacts, or reads the evidence."),
  builders: may(list(builder, { most: 64 }), "Builders whose provenance is believed; with none, no provenance is."),
  min_approvals: may(number(0, 100, true), "Approvals that a run must have been given, none of them by its maker."),
  require_content: may(truth, "Content that cannot be fetched fails the gate."),
});

const charterTerms = object({
  name: need(name, "Unique in the org."),
  purpose: may(text({ maxBytes: 4096 }), "Why it exists."),
  deadline: may(duration, "Longest that a goal under it may take, from commit."),
  budget: may(amounts, "Most that a goal under it may be authorised to use; what is left out is not limited."),
  min_trust: may(trust, "Least trust of an executor, 0 to 1."),
  ratify_commits: may(truth, "Every commit and re-plan waits for an approver other than its caller."),
  stale_rule: may(oneOf("rerun", "keep"), "What becomes of done steps whose upstream output changes by a rerun."),
  release: may(release, "What must be shown before what its plans made is released."),
});

const goal = object({
  name: need(
    text({ maxBytes: 255 }),
    "Together with the charter's name, what this file is found by when it is applied again.",
  ),
  intent: may(text({ maxBytes: 16_384 }), "What is to be achieved, in words."),
  inputs: may(jsonObject, "Inputs that steps refer to as `${{ goal.inputs.… }}`."),
  labels: may(labels, "Labels to find the goal by."),
  budget: may(amounts, "Limits of this goal, never wider than the charter's."),
  deadline: may(duration, "Longest that it may take, from commit; never longer than the charter's."),
  min_trust: may(trust, "Least trust of an executor, 0 to 1."),
});

const stepKey = {
  pattern: /^[A-Za-z_][A-Za-z0-9_-]{0,127}$/,
  wanted: "letters, digits, _ and -, beginning with a letter or _",
};
const key = matching(stepKey.pattern, stepKey.wanted, 128);

const retry = object({
  max: need(number(1, 1000, true), "Attempts in all, the first included."),
  initial_backoff: may(duration, "Wait before the second attempt; one second unless given."),
  max_backoff: may(duration, "Longest wait; one minute unless given."),
  multiplier: may(number(1, 100), "Factor from wait to wait; 2 unless given."),
  jitter: may(number(0, 1), "Share of the wait that is drawn at random; 0.2 unless given."),
});

const dependency = either(
  isText,
  key,
  object({
    step: need(key, "Key of the step that must end first."),
    regardless: may(truth, "Wait for its end, whatever comes of it; otherwise it must succeed."),
  }),
  "a step's key, or a map with a step's key under `step`",
);

const capability = text({ maxBytes: 128 });

/** What steps of every kind have. */
const common = {
  title: may(text({ maxBytes: 255 }), "What it is, in words."),
  needs: may(
    list(dependency, { most: 2000 }),
    "Steps that must end first. References and artifacts add edges by themselves.",
  ),
  condition: may(text({ maxBytes: 4096 }), "CEL; the step is skipped when it is false."),
  estimate: may(estimate, "How long an attempt takes: one duration, or [optimistic, likely, pessimistic]."),
  retry: may(retry, "How failures are retried; not at all unless given."),
  priority: may(number(-100, 100, true), "Higher goes first; one unit is worth a second of waiting."),
  requires_approval: may(truth, "Must be approved before it may run."),
};

const gateStep = object({
  gate: need(oneOf("release"), "A gate, which Maestro itself performs: what depends on it waits until it passes."),
  ...common,
  timeout: may(duration, "How long it may take; five minutes unless given."),
  on_failure: may(
    oneOf("fail", "skip_dependents", "ask"),
    "What the plan does when it does not pass; an approver is asked unless given, and yes judges again.",
  ),
});

const workStep = object({
  capability: need(capability, "What the executor must be able to do; `shell` runs a command."),
  ...common,
  input: may(
    json,
    "What the executor is handed; may hold `${{ … }}` references. In a shell's text a reference becomes part of the command: give `run` as a list, or hand it over in `env`.",
  ),
  input_schema: may(jsonObject, "JSON Schema (2020-12) that the resolved input must satisfy."),
  output_schema: may(jsonObject, "JSON Schema (2020-12) that the outputs must satisfy."),
  timeout: may(duration, "How long an attempt may take; one hour unless given."),
  on_failure: may(
    oneOf("fail", "skip_dependents", "carry_on", "ask"),
    "What the plan does when the step fails for good.",
  ),
  compensation: may(
    object({
      capability: need(capability, "What the executor must be able to do."),
      input: may(json, "What it is handed; may refer to the step's own outputs."),
      timeout: may(duration, "How long it may take; one hour unless given."),
      retry: may(retry, "How failures are retried."),
    }),
    "How the step's effect is undone.",
  ),
  executor_labels: may(named(labelKey, text({ maxBytes: 255 }), 16), "Labels that the executor must carry."),
  min_trust: may(trust, "Least trust of the executor; the charter's floor holds as well."),
  hold: may(amounts, "Most that an attempt may use; held while it runs."),
  produces: may(list(text({ maxBytes: 255 }), { most: 64 }), "Names of artifacts that it makes."),
  consumes: may(list(text({ maxBytes: 255 }), { most: 64 }), "Names of artifacts that it needs."),
});

const isGate = (place: Place): boolean => isMap(place.node) && place.node.has("gate");
const step = either(isGate, gateStep, workStep);

export const planFile = object({
  $schema: may(text({ maxBytes: 2048 }), "Where the schema of this file is, for editors."),
  charter: need(
    either(isText, name, charterTerms, "a charter's name, or a map of its terms"),
    "The charter's terms, or the name of one that exists.",
  ),
  goal: need(goal, "What is to be achieved."),
  steps: need(named(stepKey, step, 100_000), "The steps, by key."),
});

export type PlanFile = Read<typeof planFile>;
export type FileWork = Read<typeof workStep>;
export type FileGate = Read<typeof gateStep>;
export type FileRelease = Read<typeof release>;
export type FileAmounts = Read<typeof amounts>;
export type FileRetry = Read<typeof retry>;
