// Bills of materials in their several forms, all of the same bundle. Not here: CycloneDX as JSON, see ../support/gate.ts.
import { sha256Of } from "../support/gate.ts";

export function cycloneDxXml({ tools = false }: { readonly tools?: boolean } = {}): string {
  const tool = `<tools><components><component type="application"><name>a tool</name></component></components></tools>`;
  return `<?xml version="1.0" encoding="UTF-8"?>
<bom xmlns="http://cyclonedx.org/schema/bom/1.5" xmlns:x="http://example.test/x" version="1">
  <metadata>${tools ? tool : ""}
    <component type="application"><name>bundle &amp; co</name><version>1.0.0</version>
      <hashes><hash alg="SHA-256">${sha256Of("x")}</hash></hashes>
    </component>
  </metadata>
  <components>
    <component type="library"><name>outer</name><version><![CDATA[1.0]]></version>
      <components><component type="library"><name>inner</name><version>2.0</version></component></components>
      <x:component><x:name>of somebody else</x:name></x:component>
    </component>
  </components>
</bom>`;
}

export function spdx2({ dependsOnNone = false }: { readonly dependsOnNone?: boolean } = {}): Record<string, unknown> {
  const bundle = {
    SPDXID: "SPDXRef-bundle",
    name: "bundle",
    versionInfo: "1.0.0",
    downloadLocation: "NOASSERTION",
    checksums: [{ algorithm: "SHA256", checksumValue: sha256Of("x") }],
  };
  const library = { SPDXID: "SPDXRef-lib", name: "lib", versionInfo: "2", downloadLocation: "NOASSERTION" };
  return {
    spdxVersion: "SPDX-2.3",
    SPDXID: "SPDXRef-DOCUMENT",
    name: "bundle",
    dataLicense: "CC0-1.0",
    documentNamespace: "https://example.test/spdx/1",
    creationInfo: { created: "2026-11-21T10:00:00Z", creators: ["Tool: example-1.0"] },
    packages: dependsOnNone ? [bundle] : [bundle, library],
    relationships: [
      { spdxElementId: "SPDXRef-DOCUMENT", relationshipType: "DESCRIBES", relatedSpdxElement: "SPDXRef-bundle" },
      {
        spdxElementId: "SPDXRef-bundle",
        relationshipType: "DEPENDS_ON",
        relatedSpdxElement: dependsOnNone ? "NONE" : "SPDXRef-lib",
      },
    ],
  };
}

export function spdx3(): Record<string, unknown> {
  const id = (name: string): string => `https://example.test/spdx3/${name}`;
  return {
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [
      {
        type: "CreationInfo",
        "@id": "_:c",
        specVersion: "3.0.1",
        created: "2026-11-21T10:00:00Z",
        createdBy: [id("who")],
      },
      { type: "SpdxDocument", spdxId: id("doc"), creationInfo: "_:c", rootElement: [id("sbom")] },
      { type: "software_Sbom", spdxId: id("sbom"), creationInfo: "_:c", rootElement: [id("bundle")] },
      {
        type: "software_Package",
        spdxId: id("bundle"),
        creationInfo: "_:c",
        name: "bundle",
        software_packageVersion: "1.0.0",
        verifiedUsing: [{ type: "Hash", algorithm: "sha256", hashValue: sha256Of("x") }],
      },
      { type: "software_Package", spdxId: id("lib"), creationInfo: "_:c", name: "lib", software_packageVersion: "2" },
    ],
  };
}
