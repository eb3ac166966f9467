// Gates and release policies in plan files: what they become, and what is wrong with them before any server is asked.
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { GateMode } from "../../gen/maestro/v1/charter_pb.ts";
import { OnFailure } from "../../gen/maestro/v1/step_pb.ts";
import { checkPlanFile } from "../../src/cli/plan-file/check.ts";
import type { Requests } from "../../src/cli/plan-file/requests.ts";

function pem(make: "ed25519" | "private" | "short"): string {
  if (make === "short") {
    const { publicKey } = generateKeyPairSync("rsa", { modulusLength: 1_024 });
    return publicKey.export({ type: "spki", format: "pem" }).toString();
  }
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return make === "private"
    ? privateKey.export({ type: "pkcs8", format: "pem" }).toString()
    : publicKey.export({ type: "spki", format: "pem" }).toString();
}

function fine(plan: object, readKey?: (file: string) => string): Requests {
  const checked = checkPlanFile(JSON.stringify(plan), readKey);
  if (!checked.ok) throw new Error(JSON.stringify(checked.mistakes));
  return checked.requests;
}

function mistakes(plan: object, readKey?: (file: string) => string): readonly string[] {
  const checked = checkPlanFile(JSON.stringify(plan), readKey);
  return checked.ok ? [] : checked.mistakes.map(({ path, message }) => `${path}: ${message}`);
}

const goal = { name: "1.0" };
const pack = { capability: "shell", input: { run: ["true"] } };

test("a gate is a step without a capability, an input and whatever else an executor would need", () => {
  const steps = {
    pack,
    may: {
      gate: "release",
      title: "May it go out?",
      needs: ["pack"],
      condition: "true",
      timeout: "1m",
      retry: { max: 2 },
      on_failure: "ask",
      priority: 3,
      estimate: "1s",
      requires_approval: true,
    },
  };
  const [, gate] = fine({ charter: "c", goal, steps }).steps;
  expect(gate).toMatchObject({
    key: "may",
    kind: { case: "gate", value: { gate: { case: "release" } } },
    title: "May it go out?",
    needs: [{ step: "pack" }],
    condition: "true",
    timeout: { seconds: 60n },
    retry: { maxAttempts: 2 },
    onFailure: OnFailure.ASK,
    priority: 3,
    requiresApproval: true,
  });
});

test("what is no gate's is wrong in its place", () => {
  const with_ = (more: object): readonly string[] =>
    mistakes({ charter: "c", goal, steps: { pack, may: { gate: "release", ...more } } });
  expect(with_({ input: {} })).toEqual([expect.stringMatching(/^steps\.may\.input: unknown key/)]);
  expect(with_({ on_failure: "carry_on" })).toEqual([expect.stringMatching(/^steps\.may\.on_failure: must be one of/)]);
  expect(with_({ gate: "realese" })).toEqual([
    'steps.may.gate: must be one of release (did you mean "release"?), and is "realese"',
  ]);
});

test("a step of work asks for nothing that Maestro keeps to itself, nor does its compensation", () => {
  const steps = {
    a: { capability: "maestro.gate.release" },
    b: { capability: "x", compensation: { capability: "maestro.undo" } },
  };
  expect(mistakes({ charter: "c", goal, steps })).toEqual([
    "steps.a.capability: begins with maestro., which Maestro keeps to itself",
    "steps.b.compensation.capability: begins with maestro., which Maestro keeps to itself",
  ]);
});

test("a release policy names builders with keys, as text or in files beside the plan file", () => {
  const [inline, inFile] = [pem("ed25519"), pem("ed25519")];
  const release = {
    mode: "verified",
    builders: [{ id: "https://ci.example", public_keys: [inline], key_files: ["keys/ci.pem"] }],
    min_approvals: 1,
    require_content: true,
  };
  const asked: string[] = [];
  const { terms } = fine({ charter: { name: "c", release }, goal, steps: { pack } }, (file) => {
    asked.push(file);
    return inFile;
  });
  expect(asked).toEqual(["keys/ci.pem"]);
  expect(terms?.release).toMatchObject({
    mode: GateMode.VERIFIED,
    builders: [{ id: "https://ci.example", publicKeys: [inline, inFile] }],
    minApprovals: 1,
    requireContent: true,
  });
});

test("keys that are none, too short, private, missing or out of reach are wrong in their places", () => {
  const builder = (keys: object): readonly string[] =>
    mistakes({ charter: { name: "c", release: { builders: [{ id: "ci", ...keys }] } }, goal, steps: { pack } }, () => {
      throw new Error("no such file");
    });
  const at = "charter.release.builders[0]";
  expect(builder({ public_keys: ["nonsense", pem("private"), pem("short")] })).toEqual([
    `${at}.public_keys[0]: must be one public key as PEM: -----BEGIN PUBLIC KEY----- …`,
    `${at}.public_keys[1]: must be one public key as PEM: -----BEGIN PUBLIC KEY----- …`,
    `${at}.public_keys[2]: must have at least 2048 bits`,
  ]);
  expect(builder({ key_files: ["ci.pem"] })).toEqual([`${at}.key_files[0]: cannot be read: no such file`]);
  expect(builder({})).toEqual([`${at}: needs a key, under public_keys or key_files`]);
});
