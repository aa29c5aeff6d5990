"""How certificates are forged: by changing the file, by signing another statement, by writing another log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from support.erasures import (
    BLIND,
    OTHERS,
    PERSON,
    PROBE,
    REQUEST,
    START,
    Case,
    MemoryLog,
    destroyed,
    resigned,
    signer,
    tree,
    unpacked,
)
from vault.audit import certified, merkle, nonmembership, verify
from vault.audit.events import b64u
from vault.audit.jcs import canonical
from vault.audit.note import Checkpoint, format_proof, sign_note, sign_text
from vault.audit.verify import VerificationError

Bundle = dict[str, Any]
Statement = dict[str, Any]


def refused(data: bytes, case: Case, **options: Any) -> str:
    """The name of the check that a certificate fails; it must fail one."""
    with pytest.raises(VerificationError) as caught:
        verify.verify_certificate(data, case.verifiers(), **options)
    assert str(caught.value)
    return caught.value.check


# --- without a key


def edit(change: Callable[[Statement], object]) -> Callable[[Bundle], object]:
    """Edit the statement and leave the signature as it is."""

    def run(bundle: Bundle) -> None:
        statement = json.loads(base64.b64decode(bundle["envelope"]["payload"]))
        change(statement)
        bundle["envelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()

    return run


def in_proofs(change: Callable[[Bundle], object]) -> Callable[[Bundle], object]:
    return lambda bundle: change(bundle["proofs"])


def in_leaf(role: str, part: str) -> Callable[[Bundle], object]:
    """Flip a bit of one part of a proven entry."""

    def run(bundle: Bundle) -> None:
        leaf = bundle["proofs"][role]
        leaf = leaf[0] if isinstance(leaf, list) else leaf
        leaf[part] = flip(leaf[part])

    return run


def in_envelope(change: Callable[[Bundle], object]) -> Callable[[Bundle], object]:
    return lambda bundle: change(bundle["envelope"])


def in_signature(change: Callable[[Bundle], object]) -> Callable[[Bundle], object]:
    return lambda bundle: change(bundle["envelope"]["signatures"][0])


def own_name(bundle: Bundle) -> str:
    return str(bundle["envelope"]["signatures"][0]["keyid"])


def other_checkpoint(bundle: Bundle) -> None:
    """A proof that leads to another checkpoint than the certificate's."""
    leaf = bundle["proofs"]["epochs"][0]
    leaf["proof"] = leaf["proof"].partition("\n\n")[0] + "\n\n" + bundle["proofs"]["before"]


def foreign(*parts_of: str) -> Callable[[Bundle], object]:
    """Parts of the probe's leaf in the place of the request's."""

    def run(bundle: Bundle) -> None:
        proofs = bundle["proofs"]
        proofs["request"].update({name: proofs["probe"][name] for name in parts_of})

    return run


def edited_checkpoint(bundle: Bundle) -> None:
    proofs = bundle["proofs"]
    proofs["checkpoint"] = proofs["checkpoint"].replace("\n12\n", "\n13\n")


def flipped_consistency(bundle: Bundle) -> None:
    path = bundle["proofs"]["consistency"]
    path[0] = flip(path[0])


def other_member(bundle: Bundle) -> None:
    bundle["proofs"]["keys_before"]["leaves"][0]["leaf"] = "00" * 20


def flip(text: str) -> str:
    data = bytearray(base64.b64decode(text))
    data[len(data) // 2] ^= 1
    return base64.b64encode(data).decode()


def flip_path(leaf: dict[str, str]) -> None:
    lines = leaf["proof"].split("\n")
    lines[2] = flip(lines[2])
    leaf["proof"] = "\n".join(lines)


def sign_as(bundle: Bundle, key: int, *, name: str | None = None, add: bool = False) -> None:
    """Sign the payload with another key, under its own name or another's."""
    envelope = bundle["envelope"]
    payload = base64.b64decode(envelope["payload"])
    other = signer(key)
    made = {
        "keyid": name or f"memvault/t/{'74' * 16}+{other.public_bytes()[:4].hex()}",
        "sig": base64.b64encode(other.sign(verify.pae(verify.PAYLOAD_TYPE, payload))).decode(),
    }
    envelope["signatures"] = [*envelope["signatures"], made] if add else [made]


def larger_s(bundle: Bundle) -> None:
    """The same signature with the group order added to its scalar: another spelling, if a verifier is lax."""
    order = 2**252 + 27742317777372353535851937790883648493
    signature = bundle["envelope"]["signatures"][0]
    data = base64.b64decode(signature["sig"])
    scalar = int.from_bytes(data[32:], "little") + order
    signature["sig"] = base64.b64encode(data[:32] + scalar.to_bytes(32, "little")).decode()


def from_the_other_tenant(role: str) -> Callable[[Bundle], object]:
    def run(bundle: Bundle) -> None:
        other = Case(log=MemoryLog(b"u" * 16, signer(2))).told()
        bundle["proofs"][role] = json.loads(other.build())["proofs"][role]

    return run


def further_neighbour(bundle: Bundle) -> None:
    """Honest leaves with honest paths, but not those next to the key's place."""
    leaves = tree([(kid, 1) for kid in OTHERS])
    at = [leaf > PERSON for leaf in leaves].index(True)
    whole = merkle.Tree(map(verify.leaf_hash, leaves))
    bundle["proofs"]["keys_after"]["leaves"] = [
        {
            "index": index,
            "leaf": leaves[index].hex(),
            "path": [base64.b64encode(node).decode() for node in whole.inclusion(index)],
        }
        for index in (at - 2, at)
    ]


def shifted_neighbour(bundle: Bundle) -> None:
    further_neighbour(bundle)
    leaves = bundle["proofs"]["keys_after"]["leaves"]
    leaves[0]["index"] = leaves[1]["index"] - 1


def other_size(bundle: Bundle) -> None:
    """Neighbours that are some way apart, in a tree that claims to be of a size in which they are not."""
    further_neighbour(bundle)
    bundle["proofs"]["keys_after"]["size"] = 9
    leaves = bundle["proofs"]["keys_after"]["leaves"]
    leaves[0]["index"] = leaves[1]["index"] - 1


def own_log(bundle: Bundle) -> None:
    """A whole consistent certificate of a log with the same name, under the forger's key, which comes along."""
    mine = Case(log=MemoryLog(key=signer(9))).told()
    bundle.clear()
    bundle.update(json.loads(mine.build()))


# --- with the real key, over an honest log


def parts(change: Callable[[Statement], object]) -> Callable[[Statement], object]:
    """Change the predicate in place."""
    return lambda statement: change(statement["predicate"])


def typed(**changes: Any) -> Callable[[Statement], object]:
    return lambda statement: statement.update(changes)


def other_subject(s: Statement) -> None:
    s["subject"][0]["digest"]["sha256"] = "00" * 32


def key_of(**changes: Any) -> Callable[[Statement], object]:
    return lambda s: s["predicate"]["tombstones"][0].update(changes)


def predicate(**changes: Any) -> Callable[[Statement], object]:
    return lambda s: s["predicate"].update(changes)


def of(part: str, **changes: Any) -> Callable[[Statement], object]:
    return lambda s: s["predicate"][part].update(changes)


def epoch(**changes: Any) -> Callable[[Statement], object]:
    return lambda s: s["predicate"]["epochs"][0].update(changes)


def as_destroyed(s: Statement) -> None:
    """What a weaker end would have to look like to pass for destruction."""
    p = s["predicate"]
    p["epochs"][0].update(state="destroyed", effective_at=stamp(timedelta(seconds=8)))
    p["state"] = "backup-proof"
    p["times"]["backup_proof"] = p["times"]["probed"]


def stamp(after: timedelta) -> str:
    return certified.timestamp(START + after)


def without_epoch(s: Statement) -> None:
    s["predicate"]["epochs"].pop(0)
    s["predicate"]["log"]["leaves"]["epochs"].pop(0)


def other_erasure(s: Statement) -> None:
    name = "00" * 16
    s["predicate"]["erasures"] = [name]
    digest = hashlib.sha256(name.encode()).hexdigest()
    s["subject"] = [{"name": f"erasure:{name}", "digest": {"sha256": digest}}]


def other_person(s: Statement) -> None:
    s["predicate"]["subjects"] = [certified.commit(BLIND, "user", "pat-43").hex()]


KEY = {"kid": "ee" * 16, "generation": 1}
STATE = {"keystore": "00" * 32, "epoch": 4}
NEW_EPOCH = {
    "epoch": 2,
    "provider": "pkcs11",
    "state": "destroyed",
    "effective_at": stamp(timedelta(seconds=8)),
    "evidence": "gone",
    "live": [4],
}

# --- with the real key, the log forged as well

Forged = Callable[[], tuple[Case, bytes]]


def told(**parts: Any) -> Forged:
    """The vault did and logged something else, and a certificate is made of it without the builder's own check."""

    def run() -> tuple[Case, bytes]:
        case = Case(**parts).told()
        return case, case.forged()

    return run


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def reproved(log: MemoryLog, data: bytes, size: int | None = None) -> bytes:
    """The certificate `data` over the log as it is now: checkpoints, proofs and signatures made again.

    With `size`, the newer checkpoint covers so many entries, whatever stands last.
    """
    bundle, statement = unpacked(data)
    claim, parts = statement["predicate"]["log"], bundle["proofs"]
    first, last = claim["before"]["size"], size or claim["size"]
    whole = merkle.Tree(map(merkle.leaf_hash, log.entries))
    old, new = (
        sign_note(Checkpoint(log.origin, n, whole.root(n)), [log.key]).decode() for n in (first, last)
    )
    for role, index in claim["leaves"].items():
        items, numbers = (parts[role], index) if isinstance(index, list) else ([parts[role]], [index])
        for item, number in zip(items, numbers, strict=True):
            item["entry"] = text(log.entries[number])
            item["blind"], item["detail"] = map(text, log.openings[number])
            item["proof"] = format_proof(number, whole.inclusion(number, last), new.encode()).decode()
    parts.update(checkpoint=new, before=old, consistency=[*map(text, whole.consistency(first, last))])
    claim.update(size=last, root=text(whole.root(last)))
    claim["before"]["root"] = text(whole.root(first))
    return resigned(bundle, statement, log.key, log.origin)


def rewritten(role: str, *, detail: Bundle | None = None, **fields: Any) -> Forged:
    """One entry of an honest log says something else; all that depends on it is made and signed again."""

    def run() -> tuple[Case, bytes]:
        case = destroyed()
        log, data = case.log, case.build()
        number = unpacked(data)[1]["predicate"]["log"]["leaves"][role]
        number = number[0] if isinstance(number, list) else number
        entry, (blind, opened) = json.loads(log.entries[number]), log.openings[number]
        said = json.dumps({**json.loads(opened), **(detail or {})}, separators=(",", ":")).encode()
        entry.update(dc=b64u(hmac.digest(blind, said, "sha256")))
        entry.update(fields)
        log.entries[number], log.openings[number] = canonical(entry), (blind, said)
        return case, reproved(log, data)

    return run


def state_not_last() -> tuple[Case, bytes]:
    """A checkpoint that goes on after the state that is shown: something may have happened since."""
    case = destroyed()
    data = case.build()
    case.log.reads(1)
    return case, reproved(case.log, data, len(case.log.entries))


def with_live_key() -> tuple[Case, bytes]:
    """A key that is still there, given as its own neighbour."""
    case = Case(after=[*((kid, 1) for kid in OTHERS), (PERSON, 2)]).told()
    at = case.leaves_after.index(nonmembership.key_leaf((PERSON, 2)))
    return case, case.forged(keys_after=nonmembership._proof(case.leaves_after, [at - 1, at, at + 1]))


def never_held() -> tuple[Case, bytes]:
    case = Case(before=[(kid, 1) for kid in OTHERS]).told()
    return case, case.forged(keys_before=nonmembership._proof(case.leaves_before, [0]))


def first(event: certified.Event, role: str) -> Forged:
    """A step that must come last came first."""

    def run() -> tuple[Case, bytes]:
        case = Case()
        number = case.log.append(event)
        case.told()
        return case, case.forged(**{role: number})

    return run


def asked_last() -> tuple[Case, bytes]:
    case = Case().told()
    late = case.log.append(certified.requested(REQUEST, "subject", "gdpr.17.1.b", purpose="rights-request"))
    case.log.sign(case.leaves_after, case.epoch_after)
    return case, case.forged(request=late)


def another_origin() -> tuple[Case, bytes]:
    """A checkpoint of another log's name, signed with this log's key under both names."""
    case = destroyed()
    head = Checkpoint("memvault/t/" + "75" * 16, len(case.log.entries), case.log.root())
    note = sign_note(head, [case.log.key]).decode()
    own = sign_text(note.partition("\n\n")[0] + "\n", case.log.origin, [case.log.key])
    bundle, statement = unpacked(case.build())
    bundle["proofs"]["checkpoint"] = own.decode()
    return case, resigned(bundle, statement, case.log.key, case.log.origin)


def forked_before() -> tuple[Case, bytes]:
    """The older checkpoint is of a log that went another way, signed with the same key."""
    case = destroyed()
    other = MemoryLog()
    other.reads(2)
    other.append(certified.requested("0" * 16, "subject", "gdpr.17.1.a", purpose="rights-request"))
    other.sign(case.leaves_before, case.epoch_before)
    bundle, statement = unpacked(case.build())
    bundle["proofs"]["before"] = other.signed[0][1].decode()
    statement["predicate"]["log"]["before"]["root"] = text(other.root())
    return case, resigned(bundle, statement, case.log.key, case.log.origin)


def as_asserted(s: Statement) -> None:
    epoch(state="asserted")(s)
    predicate(state="asserted")(s)


def probed_first() -> tuple[Case, bytes]:
    event = certified.probed(REQUEST, PROBE, Case.counts, purpose="rights-request")
    return first(event, "probe")()
