// Keys that an org's packs and waivers are signed with. Not here: signing, see support/dsse.ts.
import type { OrgId } from "./id.ts";

/** Ed25519. The newest one signs; all verify. */
export interface SigningKey {
  readonly orgId: OrgId;
  /** `sha256:` of the public half (SPKI, DER). */
  readonly keyId: string;
  readonly publicPem: string;
  /** PKCS #8. */
  readonly privatePem: string;
  readonly createdMs: number;
}
