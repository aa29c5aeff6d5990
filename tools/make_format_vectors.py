"""Write tests/vectors/pmv1.json: vectors of every stored format, computed without the vault's own code.

    python tools/make_format_vectors.py > tests/vectors/pmv1.json

Follows docs/format.md with the standard library, plus AES and Ed25519 of `cryptography`. Everything random is
fixed here, so that two runs write the same bytes. A format that changes gets new vectors in a file of its
own; the old file stays, because what it describes may lie in somebody's backup.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sys
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"
CHUNK = 16384


def fixed(name: str, size: int) -> bytes:
    """Stand-in for random bytes."""
    return hashlib.shake_256(b"memvault format vectors " + name.encode()).digest(size)


def expand(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand-SHA512 (RFC 5869)."""
    blocks = [b""]
    while sum(map(len, blocks)) < length:
        blocks.append(hmac.digest(key, blocks[-1] + info + bytes((len(blocks),)), "sha512"))
    return b"".join(blocks)[:length]


def prefixed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def chunked(key: bytes, context: bytes, salt: bytes, plaintext: bytes) -> bytes:
    """C2SP chunked-encryption with AES-256-GCM."""
    okm = expand(key, LABEL + salt + context, 76)
    cipher, base = AESGCM(okm[:32]), int.from_bytes(okm[32:44], "big")
    sealed = [salt, okm[44:]]
    for index in range(len(plaintext) // CHUNK + 1):
        chunk = plaintext[index * CHUNK : (index + 1) * CHUNK]
        sealed.append(cipher.encrypt((base ^ index).to_bytes(12, "big"), chunk, None))
    return b"".join(sealed)


def padme(size: int) -> int:
    exponent = size.bit_length() - 1
    low = exponent - exponent.bit_length()
    return -(-size >> low) << low


def use_key(dek: bytes, use: str) -> bytes:
    return expand(dek, b"pmv/dek/v1\x00" + use.encode(), 32)


# --- PMV1 ---

DEK = fixed("dek", 32)


ROW = (7).to_bytes(5, "big") + (41).to_bytes(5, "big")  # subject number, row number
RECORD_IDS = {
    "record": ROW + fixed("nonce 7", 6),
    "history": ROW + fixed("nonce 7", 6),
    "actor": ROW + fixed("nonce 7", 6),
    "vector": ROW,
    "tokens": b"PERSON:k7q2m9",
    "detail": b"log" + (12).to_bytes(8, "big"),
    "ident": b"ident",
}


def record_fields(use: str, version: int, generation: int) -> dict[str, Any]:
    return {
        "tenant": fixed("tenant", 16).hex(),
        "sid": fixed("sid", 16).hex(),
        "record_id": RECORD_IDS[use].hex(),
        "version": version,
        "use": use,
        "schema": 1,
        "kid": fixed("kid", 16).hex(),
        "generation": generation,
    }


def record_blob(
    fields: dict[str, Any], plaintext: bytes, salt: bytes, start: bytes = b"PMV1\x01\x00"
) -> bytes:
    generation: int = fields["generation"]
    header = start + bytes.fromhex(fields["kid"]) + generation.to_bytes(4, "big")
    context = prefixed(
        b"pmv/record/v1",
        header,
        bytes.fromhex(fields["tenant"]),
        bytes.fromhex(fields["sid"]),
        bytes.fromhex(fields["record_id"]),
        fields["version"].to_bytes(8, "big"),
        fields["use"].encode(),
        fields["schema"].to_bytes(2, "big"),
    )
    return header + chunked(use_key(DEK, fields["use"]), context, salt, plaintext)


def padded(data: bytes) -> bytes:
    plaintext = len(data).to_bytes(4, "big") + data
    return plaintext.ljust(padme(len(plaintext)), b"\x00")


def records() -> list[dict[str, Any]]:
    cases = []
    for use, version, generation, size in (
        ("record", 1, 1, 0),
        ("record", 1, 1, 1),
        ("record", 2**64 - 1, 2**32 - 1, 83),
        ("history", 7, 3, 400),
        ("tokens", 1, 1, 5),
        ("detail", 1, 2, 60),
        ("actor", 2, 1, 41),
        ("ident", 1, 1, 11),
        ("vector", 3, 1, 16380),
        ("record", 2, 1, 40000),
    ):
        name = f"{use} {size}"
        fields, data, salt = (
            record_fields(use, version, generation),
            fixed(name, size),
            fixed(f"salt {name}", 24),
        )
        blob = record_blob(fields, padded(data), salt)
        case = {"name": name, **fields, "salt": salt.hex(), "blob_sha256": hashlib.sha256(blob).hexdigest()}
        if size <= 400:
            case |= {"data": data.hex(), "blob": blob.hex()}
        else:  # SHAKE-256 of "memvault format vectors " and the case's name
            case |= {"data_shake256": name, "data_bytes": size}
        cases.append(case)
    return cases


def refused_records() -> list[dict[str, Any]]:
    fields, salt = record_fields("record", 1, 1), fixed("salt refused", 24)
    data = fixed("refused data", 100)  # 104 bytes with the length, which is a Padmé length
    good = record_blob(fields, padded(data), salt)
    length = len(data).to_bytes(4, "big")
    blobs = {
        "another magic": record_blob(fields, padded(data), salt, b"PMV2\x01\x00"),
        "another suite": record_blob(fields, padded(data), salt, b"PMV1\x02\x00"),
        "a flag": record_blob(fields, padded(data), salt, b"PMV1\x01\x01"),
        "padding that is not zero": record_blob(fields, padded(data[:97])[:-1] + b"\x01", salt),
        "padding longer than Padmé": record_blob(fields, (length + data).ljust(112, b"\x00"), salt),
        "no padding": record_blob(fields, (97).to_bytes(4, "big") + data[:97], salt),
        "a length beyond the end": record_blob(fields, (101).to_bytes(4, "big") + data, salt),
        "a length of 4 GiB": record_blob(fields, b"\xff\xff\xff\xff" + data, salt),
        "no length": record_blob(fields, b"\x00\x00\x00", salt),
        "the tag cut off": good[:-16],
        "one byte more": good + b"\x00",
        "the last byte changed": good[:-1] + bytes((good[-1] ^ 1,)),
        "nothing": b"",
    }
    return [{"name": name, **fields, "blob": blob.hex()} for name, blob in blobs.items()]


# --- PMW1 ---


def wraps() -> list[dict[str, Any]]:
    cases = []
    for level, identifier, epoch, size in (
        ("keystore", b"", 2**64 - 1, 32),
        ("kek", (3).to_bytes(4, "big"), 5, 32),
        ("tenant", b"records\x00" + (1).to_bytes(4, "big"), 3, 32),
        ("dek", fixed("sid", 16) + (2).to_bytes(4, "big"), 3, 32),
        ("secret", fixed("sid", 16) + bytes(4), 3, 64),
    ):
        name = f"{level} {epoch}"
        key, secret = fixed(f"wrapping {name}", 32), fixed(f"wrapped {name}", size)
        tenant = bytes(16) if level == "keystore" else fixed("tenant", 16)
        salt, header = fixed(f"salt {name}", 24), b"PMW1\x01\x00"
        context = prefixed(
            b"pmv/wrap/v1", header, tenant, level.encode(), identifier, epoch.to_bytes(8, "big")
        )
        cases.append(
            {
                "key": key.hex(),
                "tenant": tenant.hex(),
                "level": level,
                "id": identifier.hex(),
                "epoch": epoch,
                "salt": salt.hex(),
                "plaintext": secret.hex(),
                "wrapped": (header + chunked(key, context, salt, secret)).hex(),
            }
        )
    return cases


def token_wraps() -> list[dict[str, Any]]:
    """PMH1: what a PKCS#11 token gives back is AES-256-GCM, so that any AES-256-GCM can say what it must be."""
    cases = []
    for level, identifier, epoch, size in (
        ("keystore", b"", 2**64 - 1, 32),
        ("names", b"", 1, 32),
        ("kek", (3).to_bytes(4, "big"), 5, 32),
    ):
        name = f"token {level} {epoch}"
        key, secret = fixed(f"wrapping {name}", 32), fixed(f"wrapped {name}", size)
        tenant = fixed("tenant", 16) if level == "kek" else bytes(16)
        iv, header = fixed(f"iv {name}", 12), b"PMH1\x01\x00"
        context = prefixed(
            b"pmv/hsm-wrap/v1", header, tenant, level.encode(), identifier, epoch.to_bytes(8, "big")
        )
        cases.append(
            {
                "key": key.hex(),
                "tenant": tenant.hex(),
                "level": level,
                "id": identifier.hex(),
                "epoch": epoch,
                "iv": iv.hex(),
                "context": context.hex(),
                "plaintext": secret.hex(),
                "wrapped": (header + iv + AESGCM(key).encrypt(iv, secret, context)).hex(),
            }
        )
    return cases


# --- memory ids ---


def memory_ids() -> list[dict[str, Any]]:
    key = fixed("ids", 32)
    cipher = Cipher(algorithms.AES256(key), modes.ECB())  # noqa: S305 - one block, which is the permutation itself
    cases = []
    for subject, number in ((1, 1), (7, 65536), (2**40 - 1, 2**40 - 1)):
        nonce = fixed(f"nonce {subject}", 6)
        block = subject.to_bytes(5, "big") + number.to_bytes(5, "big") + nonce
        text = cipher.encryptor().update(block).hex()
        shown = "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
        cases.append({"key": key.hex(), "s": subject, "n": number, "nonce": nonce.hex(), "id": shown})
    return cases


# --- the log ---


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def entries() -> list[dict[str, Any]]:
    cases = []
    for seq, (act, res, n, subject) in enumerate(
        (
            ("vault.open", "ok", 0, b""),
            ("memory.add", "ok", 3, fixed("subject pseudonym", 16)),
            ("memory.search", "denied", 0, fixed("subject pseudonym", 16)),
            ("memory.reveal", "not_found", 0, b""),
            ("state", "ok", 0, b""),
        )
    ):
        fields = {
            "v": 1,
            "log": b64u(fixed("tenant", 16)),
            "seq": seq,
            "t": f"2026-11-21T09:30:0{seq}.{seq}07Z",
            "act": act,
            "pur": "service" if subject else "system",
            "actor": b64u(fixed("actor pseudonym", 16)),
            "subj": b64u(subject),
            "obj": b64u(fixed("object pseudonym", 16)) if n else "",
            "res": res,
            "n": n,
            "salt": b64u(fixed(f"entry salt {seq}", 16)),
            "dc": b64u(fixed(f"commitment {seq}", 32)),
            "pack": "0123456789abcdef",
        }
        entry = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        leaf = hashlib.sha256(b"\x00" + entry).hexdigest()
        cases.append({"fields": fields, "entry": entry.decode(), "leaf": leaf})
    return cases


def tree(leaves: list[bytes]) -> bytes:
    """The root as RFC 9162 section 2.1.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + tree(leaves[:middle]) + tree(leaves[middle:])).digest()


def checkpoint(log: list[dict[str, Any]]) -> dict[str, Any]:
    origin, seed = f"memvault/t/{fixed('tenant', 16).hex()}", fixed("audit", 32)
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public = b"\x01" + private.public_key().public_bytes_raw()
    key_id = hashlib.sha256(origin.encode() + b"\n" + public).digest()[:4]
    leaves = [bytes.fromhex(entry["leaf"]) for entry in log]
    root = tree(leaves)
    text = f"{origin}\n{len(leaves)}\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(key_id + private.sign(text.encode())).decode()
    note = f"{text}\n\u2014 {origin} {signature}\n"
    siblings = [leaves[0], hashlib.sha256(b"\x01" + leaves[2] + leaves[3]).digest(), leaves[4]]
    lines = [
        "c2sp.org/tlog-proof@v1",
        "index 1",
        *(base64.b64encode(node).decode() for node in siblings),
        "",
        note,
    ]
    nodes = tree(leaves[:4]) + leaves[4]
    return {
        "seed": seed.hex(),
        "origin": origin,
        "vkey": f"{origin}+{key_id.hex()}+{base64.b64encode(public).decode()}",
        "size": len(leaves),
        "root": root.hex(),
        "frontier": (len(leaves).to_bytes(8, "big") + nodes).hex(),
        "note": note,
        "proof_of_entry_1": "\n".join(lines),
    }


def multiset() -> dict[str, Any]:
    items = [b"", b"one", fixed("item", 56)]
    lanes = [0] * 1024
    for item in items:
        data = hashlib.shake_128(b"pmv/lthash/v1\x00" + item).digest(2048)
        lanes = [(a + int.from_bytes(data[2 * i : 2 * i + 2], "little")) % 65536 for i, a in enumerate(lanes)]
    state = b"".join(lane.to_bytes(2, "little") for lane in lanes)
    return {"items": [item.hex() for item in items], "digest": hashlib.sha256(state).hexdigest()}


def vectors() -> dict[str, Any]:
    log = entries()
    return {
        "about": "Written by tools/make_format_vectors.py; docs/format.md describes the formats.",
        "dek": DEK.hex(),
        "use_keys": {use: use_key(DEK, use).hex() for use in RECORD_IDS},
        "pmv1": records(),
        "pmv1_refused": refused_records(),
        "pmw1": wraps(),
        "pmh1": token_wraps(),
        "memory_id": memory_ids(),
        "entry_1": log,
        "checkpoint": checkpoint(log),
        "lthash": multiset(),
    }


def main() -> None:
    json.dump(vectors(), sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
