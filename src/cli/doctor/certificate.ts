// Examines the certificate and key that a server would serve with. Not here: serving with them.
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Clock } from "../../support/clock.ts";
import type { Finding } from "../../support/finding.ts";
import { fail, ok, warn } from "../../support/finding.ts";

const SOON_MS = 14 * 86_400_000;

export async function examineCertificate(
  { certFile, keyFile }: { readonly certFile: string; readonly keyFile: string },
  clock: Clock,
): Promise<Finding> {
  const check = "config.tls";
  const remedy = "Correct MAESTRO_TLS_CERT and MAESTRO_TLS_KEY.";
  try {
    const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
    createSecureContext({ cert, key });
    const { validTo, validToDate } = new X509Certificate(cert);
    const leftMs = validToDate.getTime() - clock.nowMs();
    const found = `The certificate is valid until ${validTo}.`;
    if (leftMs <= 0) return fail(check, found, "Clients refuse the server.", "Renew it.");
    return leftMs < SOON_MS
      ? warn(check, found, "Clients refuse the server from then on.", "Renew it.")
      : ok(check, found);
  } catch (error) {
    const text = error instanceof Error ? error.message : "unknown";
    return fail(check, `Certificate and key cannot be used (${text}).`, "The server does not start.", remedy);
  }
}
