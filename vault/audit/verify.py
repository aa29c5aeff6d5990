"""Verify certificates, evidence bundles, exported logs and proofs offline; imports nothing of the vault.

    python verify.py certificate FILE --vkey VKEY [--since CHECKPOINT] [--request ID] [--seen FILE] [--subject FILE]
    python verify.py evidence FOLDER_OR_ZIP --vkey VKEY [--since CHECKPOINT]
    python verify.py log EXPORT --vkey VKEY [--since CHECKPOINT]
    python verify.py proof ENTRY PROOF --vkey VKEY

VKEY is the key that you trust, `name+id+base64`, or a file with one a line; a key inside what is verified is never
trusted. Exit status: 0 everything verifies, 5 something does not (the failed check is named), 2 usage, or a file that
cannot be read. A certificate proves what the log says and what the keystore held, and that neither was changed; it
cannot prove what was never logged, nor that no copy exists outside the vault.

Sources: RFC 9162 section 2.1 (tree and proofs), C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-tiles,
tlog-proof, DSSE v1.0.2, in-toto Statement v1. Hashes cover entries as they were stored: nothing is serialised again.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import bisect
import hashlib
import hmac
import itertools
import json
import os
import re
import stat
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
ED25519: Final = 1  # C2SP signed-note signature type
MAX_SIGNATURES: Final = 100  # as the Go reference; C2SP asks for at least 16
MAX_SAFE_INTEGER: Final = 2**53 - 1  # RFC 8785: what every JSON reader keeps exact
TILE_WIDTH: Final = 256
PROOF_HEADER: Final = "c2sp.org/tlog-proof@v1"


class VerificationError(Exception):
    """Something does not verify: `check` names the failed check, the message says what, never what an entry holds."""

    def __init__(self, message: str, check: str = "") -> None:
        super().__init__(message)
        self.check = check


def require(condition: object, message: str) -> None:
    """Raise VerificationError unless the condition holds."""
    if not condition:
        raise VerificationError(message)


class Checks:
    """The checks that passed, in order; what fails inside `with checks(name):` carries that name."""

    def __init__(self) -> None:
        self.passed: list[str] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        try:
            yield
        except VerificationError as error:
            error.check = error.check or name
            raise
        self.passed.append(name)


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a tree: what appending and the root need, one hash per set bit of `size`."""

    __slots__ = ("nodes", "size")

    def __init__(self) -> None:
        self.size = 0
        self.nodes: list[bytes] = []  # largest subtree first

    def append(self, leaf: bytes) -> None:
        """Add one leaf, given by its leaf hash."""
        carry = self.size
        self.size += 1
        while carry & 1:
            leaf = node_hash(self.nodes.pop(), leaf)
            carry >>= 1
        self.nodes.append(leaf)

    def root(self) -> bytes:
        """The tree's root hash; SHA-256 of nothing for the empty tree."""
        if not self.nodes:
            return EMPTY_ROOT
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = node_hash(node, root)
        return root


def _sides(first: int, last: int, path: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The nodes on the way up from leaf `first` of `last + 1`, and whether each stands to the left."""
    for node in path:
        if last == 0:
            raise VerificationError("a proof is too long")
        left = first & 1 == 1 or first == last
        while left and first and not first & 1:
            first >>= 1
            last >>= 1
        first >>= 1
        last >>= 1
        yield node, left
    if last != 0:
        raise VerificationError("a proof is too short")


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that leaf hash `leaf` is number `index` of the tree of `size` with `root` (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size or len(leaf) != HASH_BYTES or any(len(node) != HASH_BYTES for node in proof):
        raise VerificationError("an inclusion proof is malformed")
    node = leaf
    for sibling, left in _sides(index, size - 1, proof):
        node = node_hash(sibling, node) if left else node_hash(node, sibling)
    if node != root:
        raise VerificationError("an inclusion proof does not lead to the root")


def verify_consistency(size1: int, size2: int, root1: bytes, root2: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `size2` extends the tree of `size1` (RFC 9162 2.1.4.2).

    An empty older tree is refused: everything extends it, so such a proof says nothing.
    """
    if not 0 < size1 <= size2 or any(len(node) != HASH_BYTES for node in proof):
        raise VerificationError("a consistency proof is malformed")
    if size1 == size2:
        if proof or root1 != root2:
            raise VerificationError("trees of one size have two roots, or a proof where none is due")
        return
    path = list(proof)
    if size1 & (size1 - 1) == 0:  # the older tree is a complete subtree, so its root is the first node
        path.insert(0, root1)
    if not path:
        raise VerificationError("a consistency proof is too short")
    first, last = size1 - 1, size2 - 1
    while first & 1:
        first >>= 1
        last >>= 1
    old = new = path[0]
    for node, left in _sides(first, last, path[1:]):
        old, new = (node_hash(node, old), node_hash(node, new)) if left else (old, node_hash(new, node))
    if old != root1 or new != root2:
        raise VerificationError("a consistency proof does not lead to both roots")


@dataclass(frozen=True, slots=True)
class Verifier:
    """A trusted Ed25519 key: its name, key id (4 bytes) and public key (32 bytes)."""

    name: str
    key_id: bytes
    public: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head: the log's name, number of entries and root hash."""

    origin: str
    size: int
    root: bytes


def _b64(text: str) -> bytes:
    """Decode standard base64 that has exactly one spelling."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise VerificationError("base64 is malformed")
    return data


def _decimal(text: str) -> int:
    """Read an ASCII decimal of at most 63 bits without leading zeroes."""
    if not text.isascii() or not text.isdigit() or len(text) > 18 or text != str(int(text)):
        raise VerificationError("a number is malformed")
    return int(text)


def valid_name(name: str) -> bool:
    """Key names are not empty and hold no space, plus sign or control character."""
    return bool(name) and "+" not in name and not any(c.isspace() or c < " " for c in name)


def key_id(name: str, public: bytes) -> bytes:
    """SHA-256(name || newline || signature type || public key), its first four bytes."""
    return hashlib.sha256(name.encode() + b"\n" + bytes((ED25519,)) + public).digest()[:4]


def parse_vkey(vkey: str) -> Verifier:
    """Read `name+id+base64(type || key)`. Raises VerificationError for a wrong id or another type of key."""
    name, _, rest = vkey.strip().partition("+")
    digits, _, encoded = rest.partition("+")
    key = _b64(encoded)
    public = key[1:]
    if key[0] != ED25519 or len(public) != 32 or not valid_name(name):
        raise VerificationError("a verifier key is not an Ed25519 key with a name")
    if digits != key_id(name, public).hex():
        raise VerificationError("a verifier key does not match its id")
    return Verifier(name, bytes.fromhex(digits), public)


def _split_note(note: bytes) -> tuple[str, list[tuple[str, bytes]]]:
    """A note's text and its (key name, key id || signature) pairs; nothing is verified yet."""
    try:
        content = note.decode("utf-8")
    except UnicodeDecodeError:
        raise VerificationError("a note is not UTF-8") from None
    cut = content.rfind("\n\n")
    if cut < 0 or not content.endswith("\n") or any(c < " " and c != "\n" for c in content):
        raise VerificationError("a note is malformed")
    lines = content[cut + 2 :].split("\n")[:-1]
    if len(lines) > MAX_SIGNATURES:
        raise VerificationError("a note has too many signatures")
    signatures = []
    for line in lines:
        dash, name, encoded = [*line.split(" "), "", ""][:3]
        signature = _b64(encoded)
        if dash != "\u2014" or line.count(" ") != 2 or not valid_name(name) or len(signature) < 5:
            raise VerificationError("a note's signature line is malformed")
        signatures.append((name, signature))
    return content[: cut + 1], signatures


def open_note(note: bytes, verifiers: Sequence[Verifier]) -> tuple[str, tuple[str, ...]]:
    """The text of a note and the names of the trusted keys that signed it.

    Raises VerificationError if it is malformed, a trusted signature is wrong, or no trusted key signed it.
    """
    text, signatures = _split_note(note)
    verified: dict[str, None] = {}
    for name, signature in signatures:
        for verifier in (v for v in verifiers if (v.name, v.key_id) == (name, signature[:4])):
            try:
                Ed25519PublicKey.from_public_bytes(verifier.public).verify(signature[4:], text.encode())
            except (InvalidSignature, ValueError):
                raise VerificationError("a trusted key's signature is wrong") from None
            verified[name] = None
    if not verified:
        raise VerificationError("no trusted key signed the note")
    return text, tuple(verified)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's note text: origin, size, root, then extension lines, which are ignored."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() != "" or not all(lines):
        raise VerificationError("a checkpoint is malformed")
    origin, size, root = lines[0], lines[1], _b64(lines[2])
    if len(root) != HASH_BYTES:
        raise VerificationError("a checkpoint's root is malformed")
    return Checkpoint(origin, _decimal(size), root)


def open_checkpoint(note: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """A checkpoint signed by a trusted key that carries the log's own name. Raises VerificationError."""
    text, names = open_note(note, verifiers)
    checkpoint = parse_checkpoint(text)
    if checkpoint.origin not in names:
        raise VerificationError("a checkpoint is not signed by its own log")
    return checkpoint


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise VerificationError("a JSON object repeats a key")
    return fields


def _refuse(_: str) -> object:
    raise VerificationError("a JSON number is not a plain integer")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_SAFE_INTEGER:
        raise VerificationError("a JSON integer is beyond 2^53 - 1")
    return int(digits)


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_float=_refuse, parse_constant=_refuse, parse_int=_integer
)


def strict_loads(data: bytes) -> object:
    """Read JSON that has one meaning: UTF-8, no repeated keys, no floats, NaN or integers beyond 2^53 - 1."""
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # fails on lone surrogates
    except (ValueError, RecursionError):
        raise VerificationError("a text is not strict JSON") from None
    return value


def inspected(entries: Iterable[bytes]) -> Iterator[bytes]:
    """Pass entries through, checking of each that it is format 1, in its place, and of the same log."""
    log = None
    for index, entry in enumerate(entries):
        fields = strict_loads(entry)
        if not isinstance(fields, dict) or fields.get("v") != 1 or fields.get("seq") != index:
            raise VerificationError(f"entry {index} is not in its place")
        log = log or fields.get("log")
        if not isinstance(log, str) or fields.get("log") != log:
            raise VerificationError(f"entry {index} is of another log")
        yield entry


def verify_tree(entries: Iterable[bytes], checkpoint: Checkpoint, since: Checkpoint | None = None) -> None:
    """Check that `entries`, whatever they say, are the checkpoint's tree, and extend `since`."""
    if since and (since.origin != checkpoint.origin or since.size > checkpoint.size):
        raise VerificationError("the log is older than, or another than, the known checkpoint")
    frontier = Frontier()
    for entry in entries:
        frontier.append(leaf_hash(entry))
        if since and frontier.size == since.size and frontier.root() != since.root:
            raise VerificationError("the log does not extend the known checkpoint")
    if frontier.size != checkpoint.size or frontier.root() != checkpoint.root:
        raise VerificationError("the entries are not those of the checkpoint")


def parse_proof(proof: bytes) -> tuple[int, list[bytes], bytes]:
    """The index, the path and the signed checkpoint of a C2SP tlog-proof; nothing is verified yet."""
    head, _, note = proof.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if lines[1:] and lines[1].startswith("extra "):
        del lines[1]  # not authenticated, so not used
    if len(lines) < 2 or lines[0] != PROOF_HEADER or not lines[1].startswith("index "):
        raise VerificationError("a proof is malformed")
    return _decimal(lines[1].removeprefix("index ")), [_b64(line) for line in lines[2:]], note


def verify_proof(entry: bytes, proof: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Check a C2SP tlog-proof that `entry` is in the log; the checkpoint it leads to."""
    index, path, note = parse_proof(proof)
    checkpoint = open_checkpoint(note, verifiers)
    verify_inclusion(index, checkpoint.size, leaf_hash(entry), path, checkpoint.root)
    return checkpoint


def tile_path(kind: str, number: int, width: int) -> str:
    """Where tlog-tiles keeps a tile: `kind` is a level or `entries`; a width below 256 is a partial tile."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03d}")
    return "/".join(("tile", kind, *parts)) + (f".p/{width}" if width < TILE_WIDTH else "")


def split_bundle(bundle: bytes) -> Iterator[bytes]:
    """The entries of one bundle, each behind its length as u16be."""
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if end > len(bundle):
            raise VerificationError("an entry bundle is cut off")
        yield bundle[at + 2 : end]
        at = end


def read_bundles(read: Callable[[str], bytes], size: int) -> Iterator[bytes]:
    """The entries of a tlog-tiles log: `read` gives the bytes of a file by its path in the log."""
    for number in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        yield from split_bundle(read(tile_path("entries", number, width)))


def verify_export(folder: Path, verifiers: Sequence[Verifier], since: Checkpoint | None = None) -> Checkpoint:
    """Check an exported log; its checkpoint. Raises VerificationError, OSError if a file is missing."""
    checkpoint = open_checkpoint((folder / "checkpoint").read_bytes(), verifiers)
    lines = folder / "entries.jsonl"
    if lines.exists():
        with lines.open("rb") as source:
            verify_tree(inspected(line.removesuffix(b"\n") for line in source), checkpoint, since)
    else:
        verify_tree(
            inspected(read_bundles(lambda path: (folder / path).read_bytes(), checkpoint.size)),
            checkpoint,
            since,
        )
    return checkpoint


def verify_feed(path: Path, verifiers: Sequence[Verifier], since: Checkpoint | None = None) -> Checkpoint:
    """Check a file that `memvault audit export` wrote as jsonl, whole or from some entry on; its last checkpoint.

    The first line of a part says what came before it by hashes alone; the signed checkpoints confirm them.
    """
    frontier, last, log, origin = Frontier(), None, None, None
    with path.open("rb") as source:
        for number, line in enumerate(source):
            fields = strict_loads(line)
            if not isinstance(fields, dict) or not line.endswith(b"\n"):
                raise VerificationError(f"line {number + 1} is not whole")
            if fields.get("memvault") == "audit-export":
                edge = _edge(fields)
                require(
                    number == 0 or edge.nodes == frontier.nodes, "a part does not follow the one before it"
                )
                require(origin in (None, fields.get("origin")), "a part is of another log")
                frontier, origin = edge, fields.get("origin")
                require(
                    since is None or number or since.size >= edge.size, "it begins after the known checkpoint"
                )
            elif "checkpoint" in fields:
                last = open_checkpoint(str(fields["checkpoint"]).encode(), verifiers)
                seen = Checkpoint(str(origin), frontier.size, frontier.root())
                require(last == seen, "the entries are not those of the checkpoint")
            else:
                ordered = (
                    fields.get("v") == 1 and fields.get("seq") == frontier.size and isinstance(origin, str)
                )
                require(ordered, f"line {number + 1} is not in its place")
                log = log or fields.get("log")
                require(isinstance(log, str) and fields.get("log") == log, "an entry is of another log")
                frontier.append(leaf_hash(line[:-1]))
            if since is not None and frontier.size == since.size:
                require(frontier.root() == since.root, "the log does not extend the known checkpoint")
    if last is None or last.size != frontier.size:
        raise VerificationError("no checkpoint covers the last entries")
    if since is not None and (since.origin != last.origin or since.size > last.size):
        raise VerificationError("the log is older than, or another than, the known checkpoint")
    return last


def _edge(fields: Mapping[str, Any]) -> Frontier:
    """The tree before the first entry of a part."""
    size, nodes = fields.get("start"), fields.get("edge")
    if type(size) is not int or size < 0 or not isinstance(nodes, list) or len(nodes) != size.bit_count():
        raise VerificationError("the first line is malformed")
    made = Frontier()
    made.size = size
    made.nodes = [_b64(str(node)) for node in nodes]
    require(all(len(node) == HASH_BYTES for node in made.nodes), "the first line is malformed")
    return made


# --- shapes --------------------------------------------------------------------------------------------------------

_ANY: Final = re.compile(r"[\s\S]*")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+-]{0,63}")
_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/+-]{0,63}")
_TEXT: Final = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]{1,1000}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HEX16: Final = re.compile(r"[0-9a-f]{32}")
_HEX20: Final = re.compile(r"[0-9a-f]{40}")
_HEX32: Final = re.compile(r"[0-9a-f]{64}")
_STATES: Final = re.compile("live-erased|asserted|scheduled|backup-proof")
_SCOPE: Final = re.compile("subject|memory|scope|tenant|expired|redacted")
_ENDS: Final = re.compile("destroyed|asserted|scheduled")
_VAULT: Final = re.compile("memvault")  # only the vault's own entries are opened: no person acts in them

_KEY: Final = {"kid": _HEX16, "generation": int}
_COUNT: Final = {"store": _LABEL, "before": int, "after": int}
_PROBE: Final = {"version": _LABEL, "pages": int, "frames": int, "files": int, "needles": int, "hits": int}
_WITHHELD: Final = {"what": _LABEL, "count": int, "ground": _WORD, "review": _DATE}
_EPOCH: Final = {
    "epoch": int,
    "provider": _LABEL,
    "state": _ENDS,
    "effective_at": _TIME,
    "evidence": _TEXT,
    "live": [int],
}
_LEAF: Final = {"entry": _ANY, "proof": _ANY, "blind": _ANY, "detail": _ANY}
_KEYS: Final = {"size": int, "leaves": [{"index": int, "leaf": _HEX20, "path": [_ANY]}]}
_BUNDLE: Final = {
    "mediaType": _ANY,
    "format": int,
    "envelope": {"payloadType": _ANY, "payload": _ANY, "signatures": [{"keyid": _ANY, "sig": _ANY}]},
    "proofs": {
        "checkpoint": _ANY,
        "before": _ANY,
        "consistency": [_ANY],
        "older": [{"size": int, "path": [_ANY]}],
        "request": _LEAF,
        "tombstones": [_LEAF],
        "epochs": [_LEAF],
        "probe": _LEAF,
        "state_before": _LEAF,
        "state_after": _LEAF,
        "keys_before": _KEYS,
        "keys_after": _KEYS,
    },
}
_STATEMENT: Final = {
    "_type": _ANY,
    "subject": [{"name": _TEXT, "digest": {"sha256": _HEX32}}],
    "predicateType": _ANY,
    "predicate": {
        "format": int,
        "request": _ID,
        "erasures": [_ID],
        "scope": _SCOPE,
        "ground": _WORD,
        "state": _STATES,
        "times": {
            "requested": _TIME,
            "live_erased": _TIME,
            "probed": _TIME,
            "backup_proof": (_TIME,),
            "issued": _TIME,
        },
        "subjects": [_HEX32],
        "tombstones": [_KEY],
        "epochs": [_EPOCH],
        "counts": [_COUNT],
        "probe": _PROBE,
        "withheld": [_WITHHELD],
        "out_of_scope": [_TEXT],
        "backups": {"horizon": (_DATE,), "statement": _TEXT},
        "residual": _TEXT,
        "limits": [_TEXT],
        "policy": {"name": _LABEL, "version": _LABEL, "digest": _HEX32},
        "software": _TEXT,
        "log": {
            "origin": _TEXT,
            "size": int,
            "root": _ANY,
            "before": {"size": int, "root": _ANY},
            "leaves": {
                "request": int,
                "tombstones": [int],
                "epochs": [int],
                "probe": int,
                "state_before": int,
                "state_after": int,
            },
        },
    },
}
# What the opened details say, by the action of their entry; `state` may say more than is used here.
_DETAILS: Final[dict[str, dict[str, Any]]] = {
    "erasure.requested": {"actor": _VAULT, "request": _ID, "scope": _SCOPE, "ground": _WORD},
    "erasure.tombstone": {
        "actor": _VAULT,
        "request": _ID,
        "erasure": _ID,
        "keys": [_KEY],
        "subjects": [_HEX32],
    },
    "erasure.probed": {
        "actor": _VAULT,
        "request": _ID,
        "probe": _PROBE,
        "counts": [_COUNT],
        "withheld": [_WITHHELD],
    },
    "epoch.destroyed": {"actor": _VAULT, **_EPOCH},
    "state": {"actor": _VAULT, "keystore": _HEX32, "epoch": int},
}
_ENTRY: Final = {
    **dict.fromkeys(("log", "act", "pur", "actor", "subj", "obj", "res", "salt", "dc", "pack"), _ANY),
    **dict.fromkeys(("v", "seq", "n"), int),
    "t": _TIME,
}


def shaped(value: Any, spec: Any, where: str) -> None:
    """Check parsed JSON: a dict spec names exactly the fields, a list its items, a tuple what may be null."""
    if isinstance(spec, dict):
        require(
            isinstance(value, dict) and value.keys() == spec.keys(),
            f"{where} does not have exactly its fields",
        )
        for name, part in spec.items():
            shaped(value[name], part, f"{where}.{name}")
    elif isinstance(spec, list):
        require(isinstance(value, list), f"{where} is not a list")
        for item in value:
            shaped(item, spec[0], where)
    elif isinstance(spec, tuple):
        if value is not None:
            shaped(value, spec[0], where)
    elif spec is int:
        require(type(value) is int and value >= 0, f"{where} is not a whole number")
    else:
        require(
            isinstance(value, str) and spec.fullmatch(value), f"{where} is not of the form that it must have"
        )


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        raise VerificationError("a time is not in the calendar") from None


def _b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


# --- certificates: what is signed ------------------------------------------------------------------------------------

MEDIA_TYPE: Final = "application/vnd.memvault.erasure-certificate+json"
PAYLOAD_TYPE: Final = "application/vnd.in-toto+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "urn:memvault:erasure-certificate:v1"
ORIGIN: Final = "memvault/t/"
MAX_CERTIFICATE: Final = 128 << 20  # bytes; a tenant of 100 000 people needs about 80 MiB
SLACK: Final = timedelta(minutes=5)  # between readings of clocks that may have been set
WHOLE: Final = frozenset({"subject", "tenant"})  # scopes after which no generation of a key may live


@dataclass(frozen=True, slots=True)
class Leaf:
    """One proven log entry with its opened detail."""

    index: int
    fields: dict[str, Any]
    detail: dict[str, Any]

    @property
    def at(self) -> datetime:
        return _moment(self.fields["t"])


@dataclass(slots=True)
class _Proven:
    """A certificate whose signatures and log proofs hold: what is left to check is what it means."""

    predicate: dict[str, Any]
    proofs: dict[str, Any]
    head: Checkpoint
    before: Checkpoint
    leaves: dict[str, list[Leaf]]

    def one(self, role: str) -> Leaf:
        return self.leaves[role][0]

    @property
    def first_tombstone(self) -> Leaf:
        return min(self.leaves["tombstones"], key=lambda leaf: leaf.index)

    def all(self) -> list[Leaf]:
        return sorted((leaf for some in self.leaves.values() for leaf in some), key=lambda leaf: leaf.index)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verified certificate says, in the words of its weakest part."""

    state: str
    scope: str
    request: str
    erasures: tuple[str, ...]
    keys: int
    epochs: tuple[tuple[int, str, str], ...]  # number, destroyed | asserted | scheduled, since or until when
    withheld: int
    out_of_scope: int
    issued: str
    origin: str
    size: int
    root: str
    before: tuple[int, str]
    digest: str  # SHA-256 of the signed statement
    passed: tuple[str, ...] = field(repr=False)

    def sentences(self) -> list[str]:
        """The verdict for a person; never stronger than the certificate's weakest word."""
        said = [
            f"verified: {self.state}: request {self.request}, scope {self.scope}, keys erased: {self.keys}"
        ]
        for number, state, at in self.epochs:
            said.append(f"epoch {number}: {state}, {at}: {_MEANING[state]}")
        if self.state == "live-erased":
            said.append(
                "no epoch was destroyed yet: backups of data and keystore from before can still be read"
            )
        said.append(f"{self.withheld} kinds of data withheld, {self.out_of_scope} named as out of scope")
        said.append(f"log {self.origin}, {self.size} entries, root {self.root}")
        return said


_MEANING: Final = {
    "destroyed": "the key device says that the key is gone",
    "asserted": "the key's file was wiped; backups stay unreadable only if nobody kept a copy of it",
    "scheduled": "NOT destroyed yet; until then the key can come back",
}


def pae(payload_type: str, payload: bytes) -> bytes:
    """What DSSE signs: DSSEv1, and both parts behind their lengths."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def key_name(verifier: Verifier) -> str:
    """How a certificate's signature names its key: the log's name and the key id, as in a verifier key."""
    return f"{verifier.name}+{verifier.key_id.hex()}"


def open_envelope(
    envelope: dict[str, Any], verifiers: Sequence[Verifier], checks: Checks
) -> tuple[bytes, str]:
    """The payload of a DSSE envelope whose every signature is a trusted key's, and that key's log."""
    with checks("payload-type"):
        require(envelope["payloadType"] == PAYLOAD_TYPE, "the payload is not an in-toto statement")
    known = {key_name(verifier): verifier for verifier in verifiers}
    signatures = envelope["signatures"]
    with checks("trust-key"):
        require(signatures, "the certificate is not signed")
        require(any(s["keyid"] in known for s in signatures), "no trusted key signed the certificate")
    with checks("dsse-signature"):
        payload = _b64(envelope["payload"])
        require(len({s["keyid"] for s in signatures}) == len(signatures), "a key signed twice")
        for signature in signatures:
            require(signature["keyid"] in known, "one of the signatures is by a key that is not trusted")
            verifier = known[signature["keyid"]]
            try:
                key = Ed25519PublicKey.from_public_bytes(verifier.public)
                key.verify(_b64(signature["sig"]), pae(PAYLOAD_TYPE, payload))
            except (InvalidSignature, ValueError):
                raise VerificationError("a signature of the certificate is wrong") from None
    names = {known[s["keyid"]].name for s in signatures}
    with checks("origin"):
        require(len(names) == 1, "the certificate is signed by keys of two logs")
    return payload, names.pop()


def _statement(
    data: bytes, verifiers: Sequence[Verifier], checks: Checks
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """The proofs, the predicate, and the statement's digest; signature, types and shapes are checked."""
    with checks("strict-json"):
        require(len(data) <= MAX_CERTIFICATE, "a certificate is larger than any can be")
        bundle: Any = strict_loads(data)
    with checks("bundle"):
        shaped(bundle, _BUNDLE, "certificate")
        require((bundle["mediaType"], bundle["format"]) == (MEDIA_TYPE, 1), "the file is no certificate")
    payload, signer = open_envelope(bundle["envelope"], verifiers, checks)
    with checks("strict-json"):
        statement: Any = strict_loads(payload)
    with checks("schema"):
        shaped(statement, _STATEMENT, "statement")
    predicate = statement["predicate"]
    with checks("statement-type"):
        require(statement["_type"] == STATEMENT_TYPE, "the payload is not an in-toto statement v1")
    with checks("predicate-type"):
        kind = (statement["predicateType"], predicate["format"])
        require(kind == (PREDICATE_TYPE, 1), "the statement is not about an erasure")
    with checks("subject"):
        subjects = [
            {"name": f"erasure:{name}", "digest": {"sha256": hashlib.sha256(name.encode()).hexdigest()}}
            for name in predicate["erasures"]
        ]
        require(subjects and statement["subject"] == subjects, "the statement's subject is not its erasures")
    with checks("origin"):
        origin = predicate["log"]["origin"]
        require(origin == signer, "the certificate is signed by another log's key")
        require(
            origin.startswith(ORIGIN) and _HEX16.fullmatch(origin[len(ORIGIN) :]),
            "the log is not one of a vault",
        )
    return bundle["proofs"], predicate, hashlib.sha256(payload).hexdigest()


def _head(
    note: str, claim: dict[str, Any], origin: str, verifiers: Sequence[Verifier], checks: Checks
) -> Checkpoint:
    with checks("checkpoint-signature"):
        head = open_checkpoint(note.encode(), verifiers)
    with checks("origin"):
        require(head.origin == origin, "a checkpoint is another log's")
    with checks("checkpoint"):
        require(
            (head.size, head.root) == (claim["size"], _b64(claim["root"])),
            "a checkpoint is not the one that the certificate names",
        )
    return head


_ROLES: Final = {  # leaf of a certificate: action of its entry
    "request": "erasure.requested",
    "tombstones": "erasure.tombstone",
    "epochs": "epoch.destroyed",
    "probe": "erasure.probed",
    "state_before": "state",
    "state_after": "state",
}


def opened(entry: bytes, blind: bytes, detail: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """An entry's fields and its detail: the detail is the one the entry commits to, and says what its action says."""
    fields: Any = strict_loads(entry)
    shaped(fields, _ENTRY, "entry")
    committed = _b64u(hmac.digest(blind, detail, "sha256"))
    require(
        len(blind) == 32 and fields["dc"] == committed, "an opened detail is not the one its entry commits to"
    )
    parsed: Any = strict_loads(detail)
    spec = _DETAILS.get(str(fields["act"]))
    if spec is None or not isinstance(parsed, dict):
        raise VerificationError("an entry of this action is not opened")
    more = fields["act"] == "state"  # it also holds what only the vault itself can compare
    shaped({name: parsed[name] for name in parsed if name in spec} if more else parsed, spec, "detail")
    return fields, parsed


def _leaf(role: str, item: dict[str, str], index: int, head: Checkpoint, note: str, checks: Checks) -> Leaf:
    with checks(f"inclusion:{role}"):
        entry = _b64(item["entry"])
        number, path, own = parse_proof(item["proof"].encode())
        require(own == note.encode(), "a proof leads to another checkpoint than the certificate's")
        require(number == index, "a proof is of another entry than the certificate names")
        verify_inclusion(number, head.size, leaf_hash(entry), path, head.root)
    with checks("state-opening" if role.startswith("state") else f"opening:{role}"):
        fields, detail = opened(entry, _b64(item["blind"]), _b64(item["detail"]))
    with checks(f"entry:{role}"):
        log = _b64u(bytes.fromhex(head.origin[len(ORIGIN) :]))
        require(
            (fields["v"], fields["seq"], fields["log"]) == (1, index, log), "an entry is not in its place"
        )
        require(fields["act"] == _ROLES[role], "an entry is of another action than the certificate says")
        require(fields["res"] == "ok", "an entry tells of an action that did not succeed")
    return Leaf(index, fields, detail)


def _proven(
    proofs: dict[str, Any], predicate: dict[str, Any], verifiers: Sequence[Verifier], checks: Checks
) -> _Proven:
    """Checkpoints, consistency, and every leaf in the tree, opened and in order."""
    log = predicate["log"]
    head = _head(proofs["checkpoint"], log, log["origin"], verifiers, checks)
    before = _head(proofs["before"], log["before"], log["origin"], verifiers, checks)
    with checks("consistency"):
        path = [_b64(node) for node in proofs["consistency"]]
        verify_consistency(before.size, head.size, before.root, head.root, path)
    leaves: dict[str, list[Leaf]] = {}
    for role in _ROLES:
        items, indexes = proofs[role], log["leaves"][role]
        if not isinstance(items, list):
            items, indexes = [items], [indexes]
        with checks("leaves"):
            require(len(items) == len(indexes), "a leaf that the certificate names is not proven")
        leaves[role] = [
            _leaf(role, item, index, head, proofs["checkpoint"], checks)
            for item, index in zip(items, indexes, strict=True)
        ]
    proven = _Proven(predicate, proofs, head, before, leaves)
    with checks("leaf-order"):
        first, last = leaves["tombstones"][:1], leaves["tombstones"][-1:]
        require(first, "no tombstone is proven")
        numbers = [leaf.index for leaf in leaves["tombstones"]]
        require(numbers == sorted(set(numbers)), "tombstones are not in the order of the log")
        require(proven.one("request").index < first[0].index, "a key was given up before it was asked for")
        require(before.size <= first[0].index, "the older checkpoint is not from before the erasure")
        require(
            proven.one("state_before").index == before.size - 1, "the older state is not its checkpoint's"
        )
        require(proven.one("state_after").index == head.size - 1, "the newer state is not its checkpoint's")
        later = [proven.one("probe"), *leaves["epochs"]]
        require(
            all(leaf.index > last[0].index for leaf in later), "a step came before the keys were given up"
        )
    return proven


# --- certificates: what they mean ------------------------------------------------------------------------------------


def _check_tombstones(p: _Proven, checks: Checks) -> None:
    """The log gave up exactly the certificate's keys, for this request."""
    predicate = p.predicate
    with checks("request-match"):
        named = [
            leaf.detail["request"] for role in ("request", "tombstones", "probe") for leaf in p.leaves[role]
        ]
        require(set(named) == {predicate["request"]}, "an entry is of another request")
    for name in ("scope", "ground"):
        with checks(name):
            require(p.one("request").detail[name] == predicate[name], f"the log holds another {name}")
    with checks("tombstone-match"):
        erasures = {leaf.detail["erasure"] for leaf in p.leaves["tombstones"]}
        require(erasures == set(predicate["erasures"]), "the tombstones are of other erasures")
        keys = [key_bytes(key) for key in predicate["tombstones"]]
        logged = [key_bytes(key) for leaf in p.leaves["tombstones"] for key in leaf.detail["keys"]]
        require(keys == sorted(set(keys)), "the certificate's keys are not in order")
        require(set(logged) == set(keys), "the log gave up other keys than the certificate says")
        whole = predicate["scope"] in WHOLE or predicate["state"] != "live-erased"
        require(keys or not whole, "no key was given up")


def key_bytes(key: Mapping[str, Any]) -> bytes:
    """A data key's leaf in the keystore tree: kid || generation u32be."""
    if key["generation"] >= 1 << 32:
        raise VerificationError("a key's generation is out of range")
    return bytes.fromhex(key["kid"]) + int(key["generation"]).to_bytes(4, "big")


def _key_leaves(proof: dict[str, Any], root: bytes) -> list[tuple[int, bytes]]:
    """(index, leaf) of each keystore leaf that is proven to be in the tree with this root."""
    found = []
    for item in proof["leaves"]:
        leaf = bytes.fromhex(item["leaf"])
        path = [_b64(node) for node in item["path"]]
        verify_inclusion(item["index"], proof["size"], leaf_hash(leaf), path, root)
        found.append((item["index"], leaf))
    return found


def _check_keys(p: _Proven, checks: Checks) -> None:
    """Each key was in the keystore before, and is not now: its neighbours stand side by side without it.

    The size of the keystore's tree is only claimed. That is enough: which leaf stands next to which follows from the
    turns of the two paths, and leaves and nodes hash differently, so that a path cannot end inside the tree.
    """
    keys = [key_bytes(key) for key in p.predicate["tombstones"]]
    with checks("member-before"):
        root = bytes.fromhex(p.one("state_before").detail["keystore"])
        held = {leaf for _, leaf in _key_leaves(p.proofs["keys_before"], root)}
        require(held.issuperset(keys), "a key was not in the keystore before the erasure")
    with checks("nonmember-after"):
        root = bytes.fromhex(p.one("state_after").detail["keystore"])
        found = _key_leaves(p.proofs["keys_after"], root)
        leaves = [leaf for _, leaf in found]
        require(not set(leaves).intersection(keys), "a key is still in the keystore")
    with checks("adjacent"):
        indexes = [index for index, _ in found]
        require(
            leaves == sorted(set(leaves)) and indexes == sorted(set(indexes)), "neighbours are not in order"
        )
        for key in keys:
            at = bisect.bisect(leaves, key)
            require(0 < at < len(leaves), "a key has no neighbours on both sides")
            require(indexes[at] == indexes[at - 1] + 1, "a key's neighbours do not stand side by side")
    with checks("generations"):
        if p.predicate["scope"] in WHOLE:
            for key in keys:
                at = bisect.bisect(leaves, key)
                near = {leaves[at - 1][:16], leaves[at][:16]}
                require(key[:16] not in near, "another generation of an erased key is still in the keystore")


def state_word(epochs: Sequence[Mapping[str, Any]]) -> str:
    """The state that the destruction of these epochs allows to claim: that of the weakest one."""
    ends = {epoch["state"] for epoch in epochs}
    if not ends:
        return "live-erased"
    return next((word for word in ("scheduled", "asserted") if word in ends), "backup-proof")


def _check_epochs(p: _Proven, checks: Checks) -> None:
    """The log says of each epoch what the certificate says, and no epoch that held the keys is left out."""
    epochs, state = p.predicate["epochs"], p.predicate["state"]
    numbers = [epoch["epoch"] for epoch in epochs]
    logged = {leaf.detail["epoch"]: leaf for leaf in p.leaves["epochs"]}
    with checks("epoch-leaf"):
        require(numbers == sorted(set(numbers)), "epochs are not in order")
        require(set(logged) == set(numbers), "the log does not tell of the end of an epoch that is named")
        require(len(p.leaves["epochs"]) == len(numbers), "an epoch has two entries")
    with checks("epoch-state"):
        for epoch in epochs:
            said = {name: value for name, value in logged[epoch["epoch"]].detail.items() if name != "actor"}
            require(said["state"] == epoch["state"], "the log says something else of an epoch's end")
            require(said == epoch, "the log tells something else about an epoch")
            if epoch["state"] != "scheduled":
                at = logged[epoch["epoch"]].at
                require(_moment(epoch["effective_at"]) <= at + SLACK, "an epoch's end is still to come")
    with checks("state"):
        require(state == state_word(epochs), "the state claims more, or less, than the epochs allow")
    with checks("epoch-cover"):
        first, now = (p.one(role).detail["epoch"] for role in ("state_before", "state_after"))
        require(first <= now, "the keystore went back to an older epoch")
        if epochs:
            require(
                set(range(first, now)) <= set(numbers), "an epoch that held the keys is not accounted for"
            )
            require(now > max(numbers), "the keystore is still in an epoch that is called destroyed")
        for epoch in epochs:
            if epoch["state"] != "scheduled":
                require(epoch["epoch"] not in epoch["live"], "an epoch that is called destroyed is live")
        if state in ("backup-proof", "asserted"):
            live = set().union(*(epoch["live"] for epoch in epochs[-1:]))
            require(live and min(live) > max(numbers), "an older epoch lives on: keystore backups of it open")


def _check_meaning(p: _Proven, checks: Checks, now: datetime) -> None:
    """Counts, probe, policy and times say what an erasure must be able to say, and what the log says."""
    predicate, probe = p.predicate, p.one("probe").detail
    with checks("counts"):
        stores = [count["store"] for count in predicate["counts"]]
        require(stores and len(set(stores)) == len(stores), "no store was counted, or one twice")
        require(predicate["counts"] == probe["counts"], "the log holds other counts")
        require(not any(count["after"] for count in predicate["counts"]), "something was left in a store")
    with checks("probe"):
        found = predicate["probe"]
        require(found == probe["probe"], "the log holds another result of the probe")
        require(found["hits"] == 0, "the probe found something")
        require(
            found["needles"] and found["pages"] + found["files"], "the probe looked for nothing, or nowhere"
        )
    with checks("pack"):
        pack = p.first_tombstone.fields["pack"]  # a later roll may be under the next pack
        require(pack == predicate["policy"]["digest"][:16], "the erasure was done under another policy")
    with checks("withheld"):
        require(predicate["withheld"] == probe["withheld"], "the log holds another list of what was kept")
    with checks("subject-commitment"):
        people = {name for leaf in p.leaves["tombstones"] for name in leaf.detail["subjects"]}
        require(predicate["subjects"] == sorted(people), "the log commits to other persons")
        require(people or predicate["scope"] != "subject", "no person is committed to")
    with checks("times"):
        _check_times(p, now)


def _check_times(p: _Proven, now: datetime) -> None:
    times, state = p.predicate["times"], p.predicate["state"]
    moments = {name: _moment(text) for name, text in times.items() if text is not None}
    pairs = itertools.pairwise(p.all())
    require(all(one.at <= two.at + SLACK for one, two in pairs), "the log's times are out of order")
    require(times["requested"] == p.one("request").fields["t"], "the log has another time of the request")
    require(times["probed"] == p.one("probe").fields["t"], "the log has another time of the probe")
    # Keys that other memories still needed are given up by the roll, hours later, with a tombstone of their own.
    first = p.first_tombstone.at
    require(first <= moments["live_erased"] + SLACK, "the erasure is dated before its tombstone")
    require(moments["live_erased"] <= moments["probed"] + SLACK, "the erasure is dated after its probe")
    ended = max((leaf.fields["t"] for leaf in p.leaves["epochs"]), default=None)
    claimed = ended if state == "backup-proof" else None
    require(times["backup_proof"] == claimed, "the log has another time of the end of the epochs")
    require(
        moments["issued"] + SLACK >= p.one("state_after").at, "the certificate is older than its checkpoint"
    )
    require(moments["issued"] <= now + SLACK, "the certificate is from the future")


def _check_older(p: _Proven, since: Sequence[bytes], verifiers: Sequence[Verifier], checks: Checks) -> None:
    """The log extends each checkpoint that the verifier kept."""
    known = {p.head.size: p.head.root, p.before.size: p.before.root}
    paths = {item["size"]: item["path"] for item in p.proofs["older"]}
    for note in since:
        with checks("older-checkpoint"):
            kept = open_checkpoint(note, verifiers)
            require(kept.origin == p.head.origin, "the kept checkpoint is another log's")
            require(kept.size <= p.head.size, "the kept checkpoint is newer: ask for the evidence bundle")
            if kept.size in known:
                require(known[kept.size] == kept.root, "the log does not extend the kept checkpoint")
            elif kept.size:
                require(kept.size in paths, "no proof from the kept checkpoint: ask for the evidence bundle")
                path = [_b64(node) for node in paths[kept.size]]
                verify_consistency(kept.size, p.head.size, kept.root, p.head.root, path)


def _check_replay(
    predicate: dict[str, Any],
    digest: str,
    request: str | None,
    seen: Iterable[Mapping[str, Any]],
    checks: Checks,
) -> None:
    """The certificate answers the verifier's own request, and was not shown before, or for another one."""
    with checks("replay"):
        require(request in (None, predicate["request"]), "the certificate is of another request")
        for old in seen:
            require(old["digest"] != digest, "this certificate was seen before")
            same = old["request"] == predicate["request"]
            require(
                same or not set(old["erasures"]) & set(predicate["erasures"]),
                "this erasure was shown for another request",
            )
            require(
                not same or old["issued"] <= predicate["times"]["issued"],
                "a newer certificate was seen before",
            )


def _check_subject(predicate: dict[str, Any], opening: bytes, checks: Checks) -> None:
    with checks("subject-commitment"):
        given: Any = strict_loads(opening)
        shaped(given, {"r": _HEX32, "subject": _ANY}, "subject")
        made = hmac.new(bytes.fromhex(given["r"]), given["subject"].encode(), "sha256").hexdigest()
        require(made in predicate["subjects"], "the certificate is not about this person")


def verify_certificate(
    data: bytes,
    verifiers: Sequence[Verifier],
    *,
    since: Sequence[bytes] = (),
    request: str | None = None,
    seen: Iterable[Mapping[str, Any]] = (),
    subject: bytes | None = None,
    now: datetime | None = None,
) -> Verdict:
    """Check an erasure certificate, its proofs and its meaning; raises VerificationError naming the failed check.

    `since` are checkpoints that the verifier kept, `request` is the id it expects, `seen` are certificates it saw
    before, `subject` is what the person got: JSON with `r` (hex) and `subject` (such as `user:pat-42`).
    """
    checks = Checks()
    proofs, predicate, digest = _statement(data, verifiers, checks)
    proven = _proven(proofs, predicate, verifiers, checks)
    _check_tombstones(proven, checks)
    _check_keys(proven, checks)
    _check_epochs(proven, checks)
    _check_meaning(proven, checks, now or datetime.now(UTC))
    _check_older(proven, since, verifiers, checks)
    _check_replay(predicate, digest, request, seen, checks)
    if subject is not None:
        _check_subject(predicate, subject, checks)
    head, before = proven.head, proven.before
    return Verdict(
        state=predicate["state"],
        scope=predicate["scope"],
        request=predicate["request"],
        erasures=tuple(predicate["erasures"]),
        keys=len(predicate["tombstones"]),
        epochs=tuple((e["epoch"], e["state"], e["effective_at"]) for e in predicate["epochs"]),
        withheld=len(predicate["withheld"]),
        out_of_scope=len(predicate["out_of_scope"]),
        issued=predicate["times"]["issued"],
        origin=head.origin,
        size=head.size,
        root=head.root.hex(),
        before=(before.size, before.root.hex()),
        digest=digest,
        passed=tuple(dict.fromkeys(checks.passed)),
    )


# --- evidence bundles ------------------------------------------------------------------------------------------------

MAX_FILE: Final = 256 << 20
MAX_TOTAL: Final = 16 << 30
MAX_FILES: Final = 1_000_000
MAX_DEPTH: Final = 10
MANIFEST: Final = "manifest.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,9}")
_MANIFEST: Final = {
    "kind": re.compile("memvault-evidence"),
    "format": int,
    "origin": _TEXT,
    "size": int,
    "made_at": _TIME,
    "software": _TEXT,
    "files": [{"path": _NAME, "bytes": int, "sha256": _HEX32}],
}
_OPENING: Final = {"seq": int, "blind": _ANY, "detail": _ANY}
OPENED: Final = frozenset({"state", "epoch.destroyed"})  # entries whose details an evidence bundle shows
KEY_ACTIONS: Final = frozenset(
    {
        "tenant.create",
        "keys.rotate",
        "keys.backup",
        "epoch.destroyed",
        "erasure.tombstone",
        "restore.reconciled",
    }
)


class Files:
    """The files of a bundle, in a folder or a zip, read without unpacking: plain files with plain names only."""

    def __init__(self, place: Path) -> None:
        self._sizes: dict[str, int] = {}
        self._digests: dict[str, str] = {}
        self._unread: set[str] = set()
        self._zip: zipfile.ZipFile | None = None
        self._place = place
        try:
            if place.is_dir():
                self._list_folder(place, "")
            else:
                self._zip = zipfile.ZipFile(place)
                self._list_zip(self._zip)
            require(len(self._sizes) <= MAX_FILES, "there are more files than a bundle has")
            require(all(_NAME.fullmatch(name) for name in self._sizes), "a file's name is not a plain one")
            require(
                all(size <= MAX_FILE for size in self._sizes.values()), "a file is larger than any can be"
            )
            require(sum(self._sizes.values()) <= MAX_TOTAL, "the files are larger than a bundle can be")
        except (zipfile.BadZipFile, NotImplementedError, ValueError):
            self.close()
            raise VerificationError("the file is no zip archive") from None
        except VerificationError:
            self.close()
            raise

    def close(self) -> None:
        if self._zip is not None:
            self._zip.close()

    def _list_folder(self, folder: Path, prefix: str) -> None:
        require(prefix.count("/") <= MAX_DEPTH, "folders lie deeper than in a bundle")
        with os.scandir(folder) as items:
            for item in items:
                if item.is_dir(follow_symlinks=False):
                    self._list_folder(Path(item.path), f"{prefix}{item.name}/")
                    continue
                require(item.is_file(follow_symlinks=False), "there is something else than files and folders")
                self._sizes[prefix + item.name] = item.stat(follow_symlinks=False).st_size

    def _list_zip(self, archive: zipfile.ZipFile) -> None:
        for item in archive.infolist():
            kind = stat.S_IFMT(item.external_attr >> 16)
            require(kind in (0, stat.S_IFREG), "there is something else than files")
            require(not item.flag_bits & 1, "a file is encrypted")
            require(
                item.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED), "a file is packed otherwise"
            )
            require(item.filename not in self._sizes, "a name is there twice")
            self._sizes[item.filename] = item.file_size

    def names(self) -> set[str]:
        return set(self._sizes)

    def pin(self, digests: Mapping[str, str]) -> None:
        """From now on a file is only read if it has the digest named here."""
        self._digests = dict(digests)
        self._unread = set(digests)

    def size(self, name: str) -> int:
        return self._sizes[name]

    def unread(self) -> list[str]:
        """Pinned files that nobody asked for yet."""
        return sorted(self._unread)

    def read(self, name: str) -> bytes:
        """The bytes of a file; VerificationError where it is missing, cut off, too long or not as pinned."""
        require(name in self._sizes, "a file is missing")
        expected = self._sizes[name]
        try:
            with self._zip.open(name) if self._zip else (self._place / name).open("rb") as source:
                data = source.read(expected + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            raise VerificationError("a file of the archive cannot be unpacked", "archive") from None
        except OSError:
            if self._zip is None:
                raise
            raise VerificationError("a file of the archive lies elsewhere than it says", "archive") from None
        require(len(data) == expected, "a file does not have the size that it claims")
        if name in self._digests:
            if hashlib.sha256(data).hexdigest() != self._digests[name]:
                raise VerificationError("a file is not as listed", "manifest")
            self._unread.discard(name)
        return data


def lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n") if data else []


class History:
    """What a log tells about keys and policies, in the words of its entries: made from entries, compared with files."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = []
        self.packs: list[dict[str, Any]] = []
        self._epoch: int | None = None

    def feed(self, fields: Mapping[str, Any], detail: Mapping[str, Any] | None) -> None:
        """Take the next entry; `detail` is opened where the action is one of OPENED."""
        act, pack = fields["act"], fields["pack"]
        row = {name: fields[name] for name in ("seq", "t", "act", "res", "n")}
        if act == "state" and detail is not None and detail["epoch"] != self._epoch:
            self._epoch = detail["epoch"]
            self.keys.append({**row, "epoch": self._epoch})
        elif act == "epoch.destroyed" and detail is not None:
            self.keys.append(
                {**row, **{name: detail[name] for name in ("epoch", "provider", "state", "effective_at")}}
            )
        elif act in KEY_ACTIONS:
            self.keys.append(row)
        if pack and (not self.packs or self.packs[-1]["pack"] != pack):
            self.packs.append({"seq": fields["seq"], "t": fields["t"], "pack": pack})


class Tiles:
    """The hash tiles of a C2SP tlog-tiles log as leaves come in: `emit(path, data)` gets each tile once it is known."""

    def __init__(self) -> None:
        self._levels: list[list[bytes]] = [[]]
        self._done: list[int] = [0]

    def append(self, leaf: bytes) -> Iterator[tuple[str, bytes]]:
        level, node = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append([])
                self._done.append(0)
            self._levels[level].append(node)
            if len(self._levels[level]) < TILE_WIDTH:
                return
            yield tile_path(str(level), self._done[level], TILE_WIDTH), b"".join(self._levels[level])
            nodes = self._levels[level]
            while len(nodes) > 1:
                nodes = [node_hash(*pair) for pair in zip(nodes[::2], nodes[1::2], strict=True)]
            node, self._levels[level] = nodes[0], []
            self._done[level] += 1
            level += 1

    def partial(self) -> Iterator[tuple[str, bytes]]:
        """The tiles at the right edge that are not full."""
        for level, nodes in enumerate(self._levels):
            if nodes:
                yield tile_path(str(level), self._done[level], len(nodes)), b"".join(nodes)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verified bundle holds."""

    origin: str
    size: int
    root: str
    checkpoints: int
    certificates: tuple[Verdict, ...]
    packs: int
    passed: tuple[str, ...] = field(repr=False)

    def sentences(self) -> list[str]:
        said = [f"verified: log {self.origin}, {self.size} entries, root {self.root}"]
        said.append(f"checkpoints: {self.checkpoints}, policies in force over time: {self.packs}")
        for verdict in self.certificates:
            said.extend(verdict.sentences()[:-1])
        return said


def _listed(files: Files, checks: Checks) -> dict[str, Any]:
    """The manifest; from here on a file is read only as it is listed."""
    with checks("manifest"):
        manifest: Any = strict_loads(files.read(MANIFEST))
        shaped(manifest, _MANIFEST, "manifest")
        require(manifest["format"] == 1, "the bundle is of another format")
        listed = {item["path"]: item for item in manifest["files"]}
        require(len(listed) == len(manifest["files"]), "a file is listed twice")
        require(files.names() == {*listed, MANIFEST}, "files and manifest do not match")
        require(
            all(files.size(name) == item["bytes"] for name, item in listed.items()), "a file has another size"
        )
        files.pin({name: item["sha256"] for name, item in listed.items()})
    return dict(manifest)


def _openings(files: Files) -> dict[int, tuple[bytes, bytes]]:
    found = {}
    for line in lines(files.read("openings.jsonl")):
        item: Any = strict_loads(line)
        shaped(item, _OPENING, "opening")
        require(item["seq"] not in found, "an entry is opened twice")
        found[item["seq"]] = (_b64(item["blind"]), _b64(item["detail"]))
    return found


def _walk(
    files: Files, head: Checkpoint, heads: Mapping[int, Sequence[tuple[str, bytes]]], checks: Checks
) -> History:
    """Read every entry once: place, tree, tiles, openings; `heads` are the roots that must come up at each size."""
    with checks("openings"):
        openings = _openings(files)
    with checks("log-root"):
        frontier, tiles, history = Frontier(), Tiles(), History()
        log = _b64u(bytes.fromhex(head.origin[len(ORIGIN) :]))
        _expect(heads, 0, EMPTY_ROOT)
        for entry in read_bundles(files.read, head.size):
            fields: Any = strict_loads(entry)
            require(
                isinstance(fields, dict)
                and fields.keys() == _ENTRY.keys()
                and isinstance(fields["act"], str)
                and isinstance(fields["pack"], str),
                "an entry does not have an entry's fields",
            )
            place = (fields["v"], fields["seq"], fields["log"])
            require(place == (1, frontier.size, log), f"entry {frontier.size} is not in its place")
            opening = openings.pop(frontier.size, None)
            if (opening is not None) != (fields["act"] in OPENED):
                raise VerificationError("details are opened that must not be, or are missing", "openings")
            with _named("openings"):
                history.feed(fields, opened(entry, *opening)[1] if opening else None)
            leaf = leaf_hash(entry)
            frontier.append(leaf)
            with _named("tiles"):
                for path, data in tiles.append(leaf):
                    require(files.read(path) == data, "a hash tile is not the log's")
            if frontier.size in heads:
                _expect(heads, frontier.size, frontier.root())
        require(
            (frontier.size, frontier.root()) == (head.size, head.root),
            "the entries are not those of the checkpoint",
        )
    with checks("tiles"):
        for path, data in tiles.partial():
            require(files.read(path) == data, "a hash tile is not the log's")
    with checks("openings"):
        require(not openings, "a detail is opened of an entry that is not there")
    return history


@contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except VerificationError as error:
        error.check = error.check or name
        raise


def _expect(heads: Mapping[int, Sequence[tuple[str, bytes]]], size: int, root: bytes) -> None:
    for name, wanted in heads.get(size, ()):
        if wanted != root:
            raise VerificationError("the log's entries do not have this checkpoint's root", name)


def verify_evidence(
    place: Path, verifiers: Sequence[Verifier], *, since: Sequence[bytes] = (), now: datetime | None = None
) -> Evidence:
    """Check an evidence bundle (folder or zip): files, checkpoints, every entry, histories, certificates.

    Raises VerificationError naming the failed check, OSError where the bundle cannot be read at all.
    """
    checks = Checks()
    with checks("archive"):
        opened_files = Files(place)
    with closing(opened_files) as files:
        return _verify_files(files, verifiers, since, now, checks)


def _verify_files(
    files: Files,
    verifiers: Sequence[Verifier],
    since: Sequence[bytes],
    now: datetime | None,
    checks: Checks,
) -> Evidence:
    manifest = _listed(files, checks)
    with checks("checkpoint-signature"):
        head = open_checkpoint(files.read("checkpoint"), verifiers)
    with checks("origin"):
        require(
            head.origin.startswith(ORIGIN) and _HEX16.fullmatch(head.origin[len(ORIGIN) :]),
            "not a vault's log",
        )
        require(
            (manifest["origin"], manifest["size"]) == (head.origin, head.size),
            "the manifest is of another log",
        )
    known, certificates = _known(files, verifiers, now, checks)
    for note in since:
        with checks("older-checkpoint"):
            known.append(("older-checkpoint", open_checkpoint(note, verifiers)))
    heads: dict[int, list[tuple[str, bytes]]] = {}
    for check, one in known:
        kept = check if check == "older-checkpoint" else ""
        with checks(kept or "origin"):
            require(one.origin == head.origin, "a checkpoint is another log's")
        with checks(kept or "truncated"):
            require(one.size <= head.size, "the log ends before a checkpoint of it")
        heads.setdefault(one.size, []).append((check, one.root))
    history = _walk(files, head, heads, checks)
    for name, rows in (("lifecycle", history.keys), ("packs", history.packs)):
        with checks(name):
            require(
                strict_loads(files.read(f"{name}.json")) == {"format": 1, "rows": rows},
                "a history is not the one that the log tells",
            )
    with checks("manifest"):
        for name in files.unread():
            files.read(name)
    return Evidence(
        origin=head.origin,
        size=head.size,
        root=head.root.hex(),
        checkpoints=sum(name.startswith("checkpoints/") for name in files.names()),
        certificates=tuple(certificates),
        packs=len(history.packs),
        passed=tuple(dict.fromkeys(checks.passed)),
    )


def _known(
    files: Files, verifiers: Sequence[Verifier], now: datetime | None, checks: Checks
) -> tuple[list[tuple[str, Checkpoint]], list[Verdict]]:
    """The checkpoints that the log must contain, each with the check that fails if not; and the certificates."""
    known: list[tuple[str, Checkpoint]] = []
    certificates: list[Verdict] = []
    for name in sorted(files.names()):
        if name.startswith("checkpoints/"):
            with checks("checkpoint-signature"):
                one = open_checkpoint(files.read(name), verifiers)
                require(name == f"checkpoints/{one.size}", "a checkpoint is filed under another size")
            known.append(("checkpoint-root", one))
        elif name.startswith("certificates/"):
            with checks("manifest"):
                data = files.read(name)
            try:
                verdict = verify_certificate(data, verifiers, now=now)
            except VerificationError as error:
                error.check = f"{name}:{error.check}"
                raise
            certificates.append(verdict)
            for size, root in ((verdict.size, verdict.root), verdict.before):
                head = Checkpoint(verdict.origin, size, bytes.fromhex(root))
                known.append((f"{name}:checkpoint-root", head))
    return known, certificates


# --- command line ----------------------------------------------------------------------------------------------------


def parse_vkeys(text: str) -> list[Verifier]:
    """The keys that the verifier trusts, one a line."""
    with _named("trust-key"):
        return [parse_vkey(line) for line in text.splitlines() if line.strip()]


def read_seen(path: Path) -> list[dict[str, Any]]:
    """The certificates a verifier saw before, one JSON object a line; none where the file is not there yet."""
    found: list[dict[str, Any]] = []
    spec = {"request": _ID, "erasures": [_ID], "digest": _HEX32, "issued": _TIME}
    with _named("replay"):
        for line in lines(path.read_bytes()) if path.exists() else ():
            item: Any = strict_loads(line)
            shaped(item, spec, "seen")
            found.append(item)
    return found


def note_seen(path: Path, verdict: Verdict) -> None:
    """Remember a certificate that verified."""
    names = ("request", "erasures", "digest", "issued")
    row = {name: value for name, value in asdict(verdict).items() if name in names}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, separators=(",", ":")) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Verify what a vault hands out, offline.")
    commands = parser.add_subparsers(dest="command", required=True)
    certificate = commands.add_parser("certificate", help="an erasure certificate")
    certificate.add_argument("file", type=Path)
    certificate.add_argument("--request", metavar="ID", help="the request that it must answer")
    certificate.add_argument(
        "--seen", type=Path, metavar="FILE", help="certificates seen before; kept by you"
    )
    certificate.add_argument(
        "--subject", type=Path, metavar="FILE", help="JSON with r and subject: is it about them?"
    )
    evidence = commands.add_parser("evidence", help="an evidence bundle")
    evidence.add_argument("place", type=Path, metavar="FOLDER_OR_ZIP")
    log = commands.add_parser("log", help="an exported log: a folder, or a file of `audit export`")
    log.add_argument("export", type=Path)
    for command in (certificate, evidence, log):
        command.add_argument(
            "--since",
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help="a checkpoint that you kept",
        )
    proof = commands.add_parser("proof", help="one entry and its .tlog-proof")
    proof.add_argument("entry", type=Path)
    proof.add_argument("proof", type=Path)
    for command in (certificate, evidence, log, proof):
        command.add_argument("--vkey", required=True, help="name+id+base64, or a file with one a line")
        command.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def _run(options: argparse.Namespace) -> tuple[list[str], dict[str, Any]]:
    given = Path(options.vkey)
    verifiers = parse_vkeys(given.read_text("utf-8", "replace") if given.is_file() else options.vkey)
    if options.command == "certificate":
        since = [path.read_bytes() for path in options.since]
        subject = options.subject.read_bytes() if options.subject else None
        seen = read_seen(options.seen) if options.seen else []
        verdict = verify_certificate(
            options.file.read_bytes(),
            verifiers,
            since=since,
            request=options.request,
            seen=seen,
            subject=subject,
        )
        if options.seen:
            note_seen(options.seen, verdict)
        return verdict.sentences(), asdict(verdict)
    if options.command == "evidence":
        since = [path.read_bytes() for path in options.since]
        evidence = verify_evidence(options.place, verifiers, since=since)
        return evidence.sentences(), asdict(evidence)
    if options.command == "log":
        with _named("older-checkpoint"):
            known = [open_checkpoint(path.read_bytes(), verifiers) for path in options.since]
        with _named("log"):
            check = verify_export if options.export.is_dir() else verify_feed
            checkpoint = check(options.export, verifiers, *known[:1])
            for one in known[1:]:
                check(options.export, verifiers, one)
    else:
        with _named("inclusion"):
            checkpoint = verify_proof(options.entry.read_bytes(), options.proof.read_bytes(), verifiers)
    facts = {"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()}
    return ["verified: " + " ".join(map(str, facts.values()))], facts


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when everything verifies, 5 when something does not, 2 for usage and unreadable files."""
    options = _parser().parse_args(arguments)
    try:
        said, facts = _run(options)
    except VerificationError as error:
        said = [f"does not verify: {error.check}: {error}"]
        if options.json:
            document = {"ok": False, "failed": error.check, "reason": str(error)}
            sys.stdout.write(json.dumps(document) + "\n")
        sys.stderr.write(said[0] + "\n")
        return 5
    except OSError as error:
        sys.stderr.write(f"cannot be read: {error.strerror}\n")
        return 2
    sys.stdout.write(json.dumps({"ok": True, **facts}) + "\n" if options.json else "\n".join(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
