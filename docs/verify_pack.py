#!/usr/bin/env python3
"""Checks an exported disclosure pack with nothing of Maestro's: Python 3.9's standard library, and `openssl` 3 for the signature.

    python3 verify_pack.py ARCHIVE sha256:KEY_ID

It shows that packs.md says all there is to know; for daily use `maestro packs verify` checks more (bounds, waivers, verdicts).
"""
import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def require(holds, what):
    if not holds:
        sys.exit(f"does not verify: {what}")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts))


def uuid_of(typeid):
    """The UUID in an id such as `plan_01j…`: 26 characters of 5 bits."""
    number = 0
    for character in typeid.rsplit("_", 1)[1]:
        number = number * 32 + ALPHABET.index(character)
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def payload_of(envelope, public_pem):
    """The payload of a DSSE envelope that the key signed."""
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (
            ("key", public_pem.encode()),
            ("sig", base64.b64decode(envelope["signatures"][0]["sig"])),
            ("signed", signed),
        ):
            with open(f"{folder}/{name}", "wb") as file:
                file.write(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", f"{folder}/key", "-rawin"]
        result = subprocess.run(
            [*command, "-in", f"{folder}/signed", "-sigfile", f"{folder}/sig"], capture_output=True, check=False
        )
    require(result.returncode == 0, "a signature is not that of the key")
    return json.loads(payload)


def commitment(part):
    if "commitment" in part:
        return bytes.fromhex(part["commitment"])
    salt = bytes.fromhex(part["salt"])
    require(len(salt) == 16, "a salt has another length")
    return sha256(salt, part["text"].encode()).digest()


def check_record(record, seq, manifest):
    none = "00" * 32
    require(record["payload_commitment"] != none, f"record {seq} passes no payload off as one")
    payload = bytes.fromhex(record["payload_commitment"] or none)
    leaf = sha256(b"\0maestro.leaf.v1", commitment(record["header"]), commitment(record["body"]), payload)
    require(record["seq"] == seq, f"record {seq} is missing")
    require(record["leaf"] == leaf.hexdigest(), f"record {seq} has another leaf")
    if "text" in record["header"]:
        header = json.loads(record["header"]["text"])
        expected = (seq, uuid_of(record["record_id"]), uuid_of(manifest["run"]["plan_id"]), uuid_of(manifest["org_id"]))
        require((header["seq"], header["id"], header["stream"], header["org"]) == expected, f"record {seq} is another one")


def key_of(keys, key_id):
    for key in keys["keys"]:
        der = base64.b64decode("".join(key["public_key_pem"].splitlines()[1:-1]))
        if f"sha256:{sha256(der).hexdigest()}" == key_id:
            return key["public_key_pem"]
    return sys.exit(f"does not verify: {key_id} is none of its keys")


def main(archive, key_id):
    digests, texts = {}, {}
    with tarfile.open(archive, "r|gz") as tar:
        for member in tar:
            require(member.isreg() and member.name not in digests, f"{member.name} does not belong there")
            content = tar.extractfile(member).read()
            digests[member.name] = sha256(content).hexdigest()
            evidence = re.fullmatch(r"evidence/sha256-([0-9a-f]{64})", member.name)
            require(not evidence or evidence[1] == digests[member.name], f"{member.name} has another digest")
            if not evidence:
                texts[member.name] = content.decode()
    public_pem = key_of(json.loads(texts["keys.json"]), key_id)
    statement = payload_of(json.loads(texts["statement.dsse.json"]), public_pem)
    del digests["statement.dsse.json"]
    require({one["name"]: one["digest"]["sha256"] for one in statement["subject"]} == digests, "a file is not as it was signed")
    manifest = json.loads(texts["manifest.json"])
    records = [json.loads(line) for name in sorted(texts) if name.startswith("records/") for line in texts[name].split("\n")[:-1]]
    require(len(records) == manifest["records"]["count"], "records are missing")
    for seq, record in enumerate(records, 1):
        check_record(record, seq, manifest)
    gate = payload_of(json.loads(texts["gate.dsse.json"]), public_pem)["predicate"]
    require((gate["verificationResult"] == "PASSED") == manifest["release_gate"]["passed"], "the gate's summary is another one")
    print(f"{manifest['run']['id']}: {len(digests)} files, {len(records)} records, gate {gate['verificationResult']}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
