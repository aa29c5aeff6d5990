"""Verify an exported log offline; needs Python and `cryptography`, and imports nothing of the vault.

    python verify.py log EXPORT --vkey VKEY [--since OLD_CHECKPOINT]
    python verify.py proof ENTRY PROOF --vkey VKEY

EXPORT is a folder with `checkpoint` and either `entries.jsonl` or C2SP tlog-tiles (`tile/...`). Exit status 0
means that every check passed: signature, each entry's place, the root, and that the log extends the older
checkpoint. That proves what the log says and that it was not changed; it cannot prove what was never logged.

Sources: RFC 9162 section 2.1 (tree and proofs), C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-tiles,
tlog-proof. Hashes cover entries as they were stored: nothing is serialised again.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
    """Something does not verify; the message says what, never what an entry holds."""


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
        raise VerificationError("an entry repeats a key")
    return fields


def _refuse(_: str) -> object:
    raise VerificationError("an entry holds a number that is not a plain integer")


def _integer(digits: str) -> int:
    if len(digits) > 17 or abs(int(digits)) > MAX_SAFE_INTEGER:
        raise VerificationError("an entry holds an integer beyond 2^53 - 1")
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
        raise VerificationError("an entry is not strict JSON") from None
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


def verify_proof(entry: bytes, proof: bytes, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Check a C2SP tlog-proof that `entry` is in the log; the checkpoint it leads to."""
    head, _, note = proof.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if lines[1:] and lines[1].startswith("extra "):
        del lines[1]  # not authenticated, so not used
    if len(lines) < 2 or lines[0] != PROOF_HEADER or not lines[1].startswith("index "):
        raise VerificationError("a proof is malformed")
    checkpoint = open_checkpoint(note, verifiers)
    path = [_b64(line) for line in lines[2:]]
    index = _decimal(lines[1].removeprefix("index "))
    verify_inclusion(index, checkpoint.size, leaf_hash(entry), path, checkpoint.root)
    return checkpoint


def tile_path(kind: str, number: int, width: int) -> str:
    """Where tlog-tiles keeps a tile: `kind` is a level or `entries`; a width below 256 is a partial tile."""
    parts = [f"{number % 1000:03d}"]
    while number := number // 1000:
        parts.insert(0, f"x{number % 1000:03d}")
    return "/".join(("tile", kind, *parts)) + (f".p/{width}" if width < TILE_WIDTH else "")


def read_bundles(folder: Path, size: int) -> Iterator[bytes]:
    """The entries of a tlog-tiles folder: bundles of u16be length-prefixed entries."""
    for number in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        bundle = (folder / tile_path("entries", number, width)).read_bytes()
        at = 0
        while at < len(bundle):
            end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
            if end > len(bundle):
                raise VerificationError("an entry bundle is cut off")
            yield bundle[at + 2 : end]
            at = end


def verify_export(folder: Path, verifiers: Sequence[Verifier], since: Checkpoint | None = None) -> Checkpoint:
    """Check an exported log; its checkpoint. Raises VerificationError, OSError if a file is missing."""
    checkpoint = open_checkpoint((folder / "checkpoint").read_bytes(), verifiers)
    lines = folder / "entries.jsonl"
    if lines.exists():
        with lines.open("rb") as source:
            verify_tree(inspected(line.removesuffix(b"\n") for line in source), checkpoint, since)
    else:
        verify_tree(inspected(read_bundles(folder, checkpoint.size)), checkpoint, since)
    return checkpoint


def _verifiers(argument: str) -> list[Verifier]:
    text = Path(argument).read_text("utf-8") if Path(argument).is_file() else argument
    return [parse_vkey(line) for line in text.splitlines() if line.strip()]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when everything verifies, 1 when something does not, 2 for unreadable files."""
    parser = argparse.ArgumentParser(description="Verify an exported log, or one entry's proof, offline.")
    commands = parser.add_subparsers(dest="command", required=True)
    log = commands.add_parser("log", help="a whole exported log")
    log.add_argument("export", type=Path)
    log.add_argument("--since", type=Path, help="an older checkpoint that the log must extend")
    proof = commands.add_parser("proof", help="one entry and its .tlog-proof")
    proof.add_argument("entry", type=Path)
    proof.add_argument("proof", type=Path)
    for command in (log, proof):
        command.add_argument("--vkey", required=True, help="name+id+base64, or a file with one a line")
    options = parser.parse_args(arguments)
    try:
        verifiers = _verifiers(options.vkey)
        if options.command == "log":
            since = open_checkpoint(options.since.read_bytes(), verifiers) if options.since else None
            checkpoint = verify_export(options.export, verifiers, since)
        else:
            checkpoint = verify_proof(options.entry.read_bytes(), options.proof.read_bytes(), verifiers)
    except VerificationError as error:
        sys.stderr.write(f"does not verify: {error}\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"cannot be read: {error.strerror}\n")
        return 2
    sys.stdout.write(f"verified: {checkpoint.origin} {checkpoint.size} {checkpoint.root.hex()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
