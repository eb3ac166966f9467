// The commands that clients of the Conductor's REST surface are used to, run by real shells with curl, jq, openssl and HTTPie. What
// stands for an id is run with a real one, and as it is for its 404.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startServer } from "../server.ts";
import type { TestServer } from "../server.ts";
import { HTTPIE, Shell, missing } from "./shell.ts";

const ABSENT = missing("bash", "curl", "jq", "openssl");
const required = process.env["MAESTRO_TEST_NO_SKIPS"] === "1";
if (!required && ABSENT.length > 0) console.warn(`SKIPPED: the shell commands. Install ${ABSENT.join(", ")}.`);
if (!required && HTTPIE === undefined)
  console.warn("SKIPPED: the HTTPie commands. Install HTTPie (pip install httpie).");

test("curl, jq, openssl and HTTPie are there where nothing may be skipped", () => {
  expect(required && (ABSENT.length > 0 || HTTPIE === undefined)).toBe(false);
});

const CREATE_RUN = `curl -X POST http://localhost:8001/maestro/runs \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Entity network analysis - Q4 2025",
    "owner": "analyst@example.com",
    "cost_estimate": 10.0,
    "related_entity_ids": ["entity-123", "entity-456"],
    "related_decision_ids": ["decision-789"]
  }'`;

const ATTACH = `RUN_ID="abc-123-def-456"

curl -X POST http://localhost:8001/maestro/artifacts \\
  -H "Content-Type: application/json" \\
  -d "{
    \\"run_id\\": \\"$RUN_ID\\",
    \\"kind\\": \\"sbom\\",
    \\"path_or_uri\\": \\"s3://artifacts/sbom-$(date +%s).json\\",
    \\"content_hash\\": \\"sha256:a1b2c3d4...\\",
    \\"metadata_json\\": {
      \\"sbom_present\\": true,
      \\"slsa_provenance_present\\": true,
      \\"risk_assessment_present\\": true
    }
  }"`;

const PACK = `ARTIFACT_IDS=$(curl -s http://localhost:8001/maestro/artifacts?run_id=$RUN_ID | jq -r '.[].id' | jq -R -s -c 'split("\\n") | map(select(length > 0))')

curl -X POST http://localhost:8001/maestro/disclosure-packs \\
  -H "Content-Type: application/json" \\
  -d "{
    \\"run_id\\": \\"$RUN_ID\\",
    \\"summary\\": \\"Complete analysis with SBOM, SLSA provenance, and risk assessment\\",
    \\"artifact_ids\\": $ARTIFACT_IDS
  }"`;

const MANIFEST = "curl http://localhost:8001/maestro/runs/$RUN_ID/manifest | jq";

const SUCCEED = `curl -X PATCH http://localhost:8001/maestro/runs/$RUN_ID \\
  -H "Content-Type: application/json" \\
  -d '{
    "status": "succeeded",
    "cost_actual": 8.50,
    "finished_at": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'"
  }'`;

const GATE = "curl http://localhost:8001/maestro/runs/$RUN_ID/release-gate | jq";

const WHOLE_WORKFLOW = `RUN=$(curl -s -X POST http://localhost:8001/maestro/runs \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Production deployment check",
    "owner": "devops@example.com",
    "cost_estimate": 5.0
  }')
RUN_ID=$(echo $RUN | jq -r '.id')
echo "Created run: $RUN_ID"

curl -s -X POST http://localhost:8001/maestro/artifacts \\
  -H "Content-Type: application/json" \\
  -d "{
    \\"run_id\\": \\"$RUN_ID\\",
    \\"kind\\": \\"other\\",
    \\"path_or_uri\\": \\"s3://releases/bundle-v1.0.0.tgz\\",
    \\"content_hash\\": \\"sha256:$(openssl rand -hex 32)\\",
    \\"metadata_json\\": {
      \\"sbom_present\\": true,
      \\"slsa_provenance_present\\": true,
      \\"risk_assessment_present\\": true
    }
  }" > /dev/null

curl -s -X PATCH http://localhost:8001/maestro/runs/$RUN_ID \\
  -H "Content-Type: application/json" \\
  -d "{
    \\"status\\": \\"succeeded\\",
    \\"cost_actual\\": 4.25,
    \\"finished_at\\": \\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\\"
  }" > /dev/null

echo "Checking release gate..."
curl -s http://localhost:8001/maestro/runs/$RUN_ID/release-gate | jq

echo "Fetching manifest..."
curl -s http://localhost:8001/maestro/runs/$RUN_ID/manifest | jq '.compliance_report'`;

const LINKED_RUN = `curl -X POST http://localhost:8001/maestro/runs \\
  -H "Content-Type: application/json" \\
  -d '{
    "name": "Entity resolution - John Doe",
    "owner": "analyst@example.com",
    "related_entity_ids": ["person-uuid-123", "org-uuid-456"],
    "related_decision_ids": ["decision-uuid-789"]
  }'`;

const REPORT = "curl http://localhost:8001/maestro/runs/$RUN_ID/manifest | jq '.compliance_report'";

const HTTPIE_RUN = `http POST localhost:8001/maestro/runs \\
  name="Test run" \\
  owner="user@example.com" \\
  cost_estimate:=10.0`;

const HTTPIE_ARTIFACT = `http POST localhost:8001/maestro/artifacts \\
  run_id="abc-123" \\
  kind="sbom" \\
  path_or_uri="s3://test/sbom.json" \\
  metadata_json:='{"sbom_present": true, "slsa_provenance_present": true, "risk_assessment_present": true}'`;

const HTTPIE_MANIFEST = "http GET localhost:8001/maestro/runs/abc-123/manifest";

type Json = Readonly<Record<string, unknown>>;

let server: TestServer;
let shell: Shell;

beforeAll(async () => {
  server = await startServer();
  shell = new Shell(server.widePort);
});
afterAll(async () => {
  shell.clear();
  await server.end();
});

async function json(script: string, RUN_ID = ""): Promise<Json> {
  const { stdout, stderr, code } = await shell.run(script, { RUN_ID });
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout) as Json;
}

/** With the status that curl itself does not tell. */
async function status(script: string, variables: Readonly<Record<string, string>> = {}): Promise<string> {
  const asking = script.replaceAll(/^curl /gm, "curl -s -o answer.json -w '%{http_code}' ");
  return (await shell.run(asking, variables)).stdout.trim();
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

describe.skipIf(ABSENT.length > 0)("with curl", () => {
  test("a run is made, gets an artifact and a pack, succeeds, passes its gate and tells it all in its manifest", async () => {
    const run = await json(CREATE_RUN);
    expect(run).toMatchObject({
      name: "Entity network analysis - Q4 2025",
      owner: "analyst@example.com",
      status: "pending",
      started_at: expect.stringMatching(TIME) as string,
      finished_at: null,
      cost_estimate: 10,
      cost_actual: null,
      related_entity_ids: ["entity-123", "entity-456"],
      related_decision_ids: ["decision-789"],
      metadata: {},
    });
    const id = String(run["id"]);

    const artifact = await json(ATTACH.replace("abc-123-def-456", id));
    expect(artifact).toMatchObject({
      run_id: id,
      kind: "sbom",
      path_or_uri: expect.stringMatching(/^s3:\/\/artifacts\/sbom-\d+\.json$/) as string,
      content_hash: "sha256:a1b2c3d4...",
      metadata_json: {
        sbom_present: true,
        slsa_provenance_present: true,
        risk_assessment_present: true,
        additional_metadata: {},
      },
      created_at: expect.stringMatching(TIME) as string,
    });

    const pack = await json(PACK, id);
    expect(pack).toMatchObject({
      run_id: id,
      summary: "Complete analysis with SBOM, SLSA provenance, and risk assessment",
      artifact_ids: [artifact["id"]],
    });

    const pending = await json(GATE, id);
    expect(pending).toMatchObject({
      run_id: id,
      passed: false,
      details: { current_status: "pending", required_status: "succeeded" },
    });

    const succeeded = await json(SUCCEED, id);
    expect(succeeded).toMatchObject({ id, status: "succeeded", cost_actual: 8.5 });
    expect(succeeded["finished_at"]).toMatch(TIME);

    expect(await json(GATE, id)).toEqual({
      run_id: id,
      passed: true,
      message: "Release gate passed: 1 compliant artifact(s) found",
      details: { total_artifacts: 1, compliant_artifacts: 1, compliant_artifact_ids: [artifact["id"]] },
    });

    const manifest = await json(MANIFEST, id);
    expect(manifest).toEqual({
      run: succeeded,
      artifacts: [artifact],
      disclosure_pack: pack,
      compliance_report: await json(REPORT, id),
    });
    expect(manifest["compliance_report"]).toEqual({
      run_id: id,
      run_name: "Entity network analysis - Q4 2025",
      run_status: "succeeded",
      release_gate_passed: true,
      release_gate_message: "Release gate passed: 1 compliant artifact(s) found",
      artifacts: [
        {
          artifact_id: artifact["id"],
          kind: "sbom",
          sbom_present: true,
          slsa_provenance_present: true,
          risk_assessment_present: true,
          compliant: true,
        },
      ],
      summary: { total_artifacts: 1, compliant_artifacts: 1 },
    });
  });

  test("the whole workflow in one script ends with a gate that passes", async () => {
    const { stdout, stderr, code } = await shell.run(WHOLE_WORKFLOW);
    expect(code, stderr).toBe(0);
    const [, id, gate = "", report = ""] =
      /^Created run: (\S+)\nChecking release gate\.\.\.\n([^]+)\nFetching manifest\.\.\.\n([^]+)$/.exec(stdout) ?? [];
    expect(JSON.parse(gate)).toMatchObject({ run_id: id, passed: true });
    expect(JSON.parse(report)).toMatchObject({ run_id: id, run_name: "Production deployment check" });
  });

  test("a run is linked to entities and decisions elsewhere", async () => {
    expect(await json(LINKED_RUN)).toMatchObject({
      related_entity_ids: ["person-uuid-123", "org-uuid-456"],
      related_decision_ids: ["decision-uuid-789"],
      cost_estimate: null,
    });
  });

  test("creation is told by its status, and what stands for an id is not found", async () => {
    const RUN_ID = "abc-123-def-456";
    expect(await status(CREATE_RUN)).toBe("201");
    expect(await status(ATTACH)).toBe("404");
    expect(await json(ATTACH)).toMatchObject({ detail: "There is no run abc-123-def-456." });
    for (const script of [MANIFEST, SUCCEED, GATE, REPORT])
      expect(await status(script.replace(/ \| jq.*$/, ""), { RUN_ID }), script).toBe("404");
    const listed = await shell.run(PACK, { RUN_ID });
    expect(JSON.parse(listed.stdout)).toMatchObject({ detail: "There is no run abc-123-def-456." });
  });
});

describe.skipIf(HTTPIE === undefined)("with HTTPie", () => {
  test("a run is made, gets an artifact and tells its manifest", async () => {
    const made = await shell.runAtTerminal(HTTPIE_RUN);
    expect(made.stdout).toMatch(/^HTTP\/1\.1 201 Created/);
    const { id } = answered(made.stdout);
    const attached = await shell.runAtTerminal(HTTPIE_ARTIFACT.replace("abc-123", String(id)));
    expect(attached.stdout).toMatch(/^HTTP\/1\.1 201 Created/);
    expect(answered(attached.stdout)).toMatchObject({ run_id: id, kind: "sbom", content_hash: null });
    const manifest = await shell.runAtTerminal(HTTPIE_MANIFEST.replace("abc-123", String(id)));
    expect(manifest.stdout).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(answered(manifest.stdout)).toMatchObject({ run: { id, name: "Test run" }, disclosure_pack: null });
  });

  test("what stands for an id is not found", async () => {
    for (const script of [HTTPIE_ARTIFACT, HTTPIE_MANIFEST]) {
      const { stdout } = await shell.runAtTerminal(script);
      expect(stdout).toMatch(/^HTTP\/1\.1 404 Not Found/);
      expect(answered(stdout)).toMatchObject({ detail: "There is no run abc-123." });
    }
  });
});

function answered(text: string): Json {
  return JSON.parse(text.slice(text.indexOf("\n\n"))) as Json;
}
