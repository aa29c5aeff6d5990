"""Certificates that are not what they seem: each is refused, and the check that refuses it is named.

Three kinds of forger: one without a key changes the file; one with the log's real signing key signs another statement
over an honest log; one with that key writes the log as well, which only meaning, or a checkpoint kept elsewhere, shows.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta

import pytest
from support.erasures import (
    LATER,
    OTHERS,
    PERSON,
    PROBE,
    REQUEST,
    Case,
    MemoryLog,
    asserted,
    content_only,
    destroyed,
    ended,
    live_erased,
    one_memory,
    resigned,
    scheduled,
    signer,
    two_epochs,
    unpacked,
    whole_tenant,
)
from support.forgeries import (
    KEY,
    NEW_EPOCH,
    STATE,
    Bundle,
    Forged,
    Statement,
    another_origin,
    as_asserted,
    as_destroyed,
    asked_last,
    edit,
    edited_checkpoint,
    epoch,
    flip,
    flip_path,
    flipped_consistency,
    foreign,
    forked_before,
    from_the_other_tenant,
    further_neighbour,
    in_envelope,
    in_leaf,
    in_proofs,
    in_signature,
    key_of,
    larger_s,
    never_held,
    of,
    other_checkpoint,
    other_erasure,
    other_member,
    other_person,
    other_size,
    other_subject,
    own_log,
    own_name,
    parts,
    predicate,
    probed_first,
    refused,
    rewritten,
    shifted_neighbour,
    sign_as,
    stamp,
    state_not_last,
    told,
    typed,
    with_live_key,
    without_epoch,
)

from vault.audit import verify
from vault.audit.certified import Count
from vault.audit.events import b64u
from vault.audit.verify import VerificationError
from vault.errors import IntegrityViolationError

CONTROLS = {
    "backup-proof": destroyed,
    "asserted": asserted,
    "scheduled": scheduled,
    "live-erased": live_erased,
    "backup-proof, two epochs": two_epochs,
    "backup-proof, one memory": one_memory,
    "live-erased, content only": content_only,
    "backup-proof, whole tenant": whole_tenant,
}


@pytest.mark.parametrize("name", CONTROLS)
def test_the_untouched_certificate_verifies(name: str) -> None:
    case = CONTROLS[name]()
    data = case.build()
    verdict = verify.verify_certificate(data, case.verifiers(), request=REQUEST)
    assert verdict.state == name.partition(",")[0]
    assert verdict.sentences()[0].startswith(f"verified: {verdict.state}:")
    assert [word for _, word, _ in verdict.epochs] == [one.state for one in case.epochs]
    assert case.forged() == data
    bundle, statement = unpacked(data)
    verify.verify_certificate(resigned(bundle, statement, case.log.key, case.log.origin), case.verifiers())


# --- without a key ---------------------------------------------------------------------------------------------------

UNSIGNED: list[tuple[str, str, Callable[[Bundle], object]]] = [
    ("statement edited", "dsse-signature", edit(lambda s: s["predicate"].update(ground="gdpr.17.1.a"))),
    ("scope edited", "dsse-signature", edit(lambda s: s["predicate"].update(scope="tenant"))),
    ("signature flipped", "dsse-signature", in_signature(lambda s: s.update(sig=flip(s["sig"])))),
    ("signature spelled otherwise", "dsse-signature", larger_s),
    ("signature with a line end", "dsse-signature", in_signature(lambda s: s.update(sig=s["sig"] + "\n"))),
    ("payload type swapped", "payload-type", in_envelope(lambda e: e.update(payloadType="application/json"))),
    ("payload type of a note", "payload-type", in_envelope(lambda e: e.update(payloadType="text/plain"))),
    ("signed by somebody else", "trust-key", lambda b: sign_as(b, 7)),
    ("signed by somebody else in the log's name", "dsse-signature", lambda b: sign_as(b, 7, name=own_name(b))),
    ("two signatures, one by a stranger", "dsse-signature", lambda b: sign_as(b, 7, add=True)),
    ("two signatures, one bad", "dsse-signature", lambda b: sign_as(b, 7, name=own_name(b), add=True)),
    ("one signature twice", "dsse-signature", in_envelope(lambda e: e["signatures"].append(e["signatures"][0]))),
    ("no signature", "trust-key", in_envelope(lambda e: e.update(signatures=[]))),
    ("the forger's whole log", "trust-key", own_log),
    ("the forger's key in the file", "bundle", lambda b: b.update(vkeys=["memvault/t/00+00000000+AA=="])),
    ("another kind of file", "bundle", lambda b: b.update(mediaType="application/vnd.dev.sigstore.bundle.v0.3+json")),
    ("a later format", "bundle", lambda b: b.update(format=2)),
    ("proofs left out", "bundle", lambda b: b.pop("proofs")),
    ("checkpoint edited", "checkpoint-signature", edited_checkpoint),
    ("checkpoint of another tenant", "checkpoint-signature", from_the_other_tenant("checkpoint")),
    ("older checkpoint in the place of the newer", "checkpoint", in_proofs(lambda p: p.update(checkpoint=p["before"]))),
    ("newer checkpoint in the place of the older", "checkpoint", in_proofs(lambda p: p.update(before=p["checkpoint"]))),
    ("consistency proof flipped", "consistency", flipped_consistency),
    ("consistency proof dropped", "consistency", in_proofs(lambda p: p.update(consistency=[]))),
    ("inclusion proof flipped", "inclusion:tombstones", in_proofs(lambda p: flip_path(p["tombstones"][0]))),
    ("foreign inclusion proof", "inclusion:request", foreign("proof")),
    ("foreign entry", "inclusion:request", foreign("entry")),
    ("leaf of another tenant", "inclusion:probe", from_the_other_tenant("probe")),
    ("state of another tenant", "inclusion:state_after", from_the_other_tenant("state_after")),
    ("entry flipped", "inclusion:epochs", in_leaf("epochs", "entry")),
    ("proof under another checkpoint", "inclusion:epochs", other_checkpoint),
    ("blind flipped", "opening:tombstones", in_leaf("tombstones", "blind")),
    ("detail flipped", "opening:probe", in_leaf("probe", "detail")),
    ("opening of another entry", "opening:request", foreign("blind", "detail")),
    ("another keystore root", "state-opening", in_leaf("state_after", "detail")),
    ("states swapped", "inclusion:state_before", in_proofs(lambda p: p.update(state_before=p["state_after"]))),
    ("tombstone proof dropped", "leaves", in_proofs(lambda p: p.update(tombstones=[]))),
    ("epoch proof dropped", "leaves", in_proofs(lambda p: p.update(epochs=[]))),
    ("membership dropped", "member-before", in_proofs(lambda p: p["keys_before"].update(leaves=[]))),
    ("membership of another key", "member-before", other_member),
    ("membership from the newer tree", "member-before", in_proofs(lambda p: p.update(keys_before=p["keys_after"]))),
    ("neighbours from the older tree", "nonmember-after", in_proofs(lambda p: p.update(keys_after=p["keys_before"]))),
    ("neighbour dropped", "adjacent", in_proofs(lambda p: p["keys_after"]["leaves"].pop())),
    ("no neighbours", "adjacent", in_proofs(lambda p: p["keys_after"].update(leaves=[]))),
    ("neighbours that are not adjacent", "adjacent", further_neighbour),
    ("neighbours numbered as if adjacent", "nonmember-after", shifted_neighbour),
    ("neighbours adjacent in a smaller tree", "nonmember-after", other_size),
    ("neighbours in another order", "adjacent", in_proofs(lambda p: p["keys_after"]["leaves"].reverse())),
]  # fmt: skip


@pytest.mark.parametrize(("check", "forge"), [row[1:] for row in UNSIGNED], ids=[row[0] for row in UNSIGNED])
def test_changed_without_a_key(check: str, forge: Callable[[Bundle], object]) -> None:
    case = destroyed()
    bundle = json.loads(case.build())
    forge(bundle)
    assert refused(json.dumps(bundle).encode(), case) == check


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-3],
        lambda data: data.replace(b'"format": 1', b'"format": 1, "format": 1'),
        lambda data: data.replace(b'"format": 1', b'"format": 1.0'),
        lambda data: data.replace(b'"format": 1', b'"format": NaN'),
        lambda data: b"\xff" + data,
        lambda data: b"",
        lambda data: b"[" * 200_000,
    ],
    ids=["cut off", "a key twice", "a float", "no number", "no UTF-8", "empty", "nested"],
)
def test_a_file_of_more_than_one_meaning(spoil: Callable[[bytes], bytes]) -> None:
    case = destroyed()
    assert refused(spoil(case.build()), case) == "strict-json"


# --- with the real key, over an honest log ---------------------------------------------------------------------------

RESIGNED: list[tuple[str, Callable[[], Case], str, Callable[[Statement], object]]] = [
    ("another statement type", destroyed, "statement-type", typed(_type="https://in-toto.io/Statement/v0.1")),
    ("another predicate type", destroyed, "predicate-type", typed(predicateType="https://slsa.dev/provenance/v1")),
    ("a later predicate", destroyed, "predicate-type", predicate(format=2)),
    ("a field more", destroyed, "schema", predicate(anonymised=True)),
    ("a field less", destroyed, "schema", parts(lambda p: p.pop("withheld"))),
    ("a state that does not exist", destroyed, "schema", predicate(state="gone")),
    ("a number as a text", destroyed, "schema", parts(lambda p: p["probe"].update(hits="0"))),
    ("a negative number", destroyed, "schema", parts(lambda p: p["probe"].update(needles=-31))),
    ("true in the place of a number", destroyed, "schema", parts(lambda p: p["probe"].update(needles=True))),
    ("a text that steers a terminal", destroyed, "schema", predicate(residual="none\x1b[8m")),
    ("another subject of the statement", destroyed, "subject", other_subject),
    ("no subject of the statement", destroyed, "subject", lambda s: s.update(subject=[])),
    ("another log's name", destroyed, "origin", of("log", origin="memvault/t/" + "75" * 16)),
    ("another size", destroyed, "checkpoint", of("log", size=11)),
    ("another root", destroyed, "checkpoint", of("log", root=base64.b64encode(bytes(32)).decode())),
    ("another older size", destroyed, "checkpoint", parts(lambda p: p["log"]["before"].update(size=3))),
    ("another leaf", destroyed, "inclusion:probe", parts(lambda p: p["log"]["leaves"].update(probe=2))),
    ("a leaf less", destroyed, "leaves", parts(lambda p: p["log"]["leaves"].update(epochs=[]))),
    ("another request", destroyed, "request-match", predicate(request="00" * 16)),
    ("another erasure", destroyed, "tombstone-match", other_erasure),
    ("another scope", one_memory, "scope", predicate(scope="subject")),
    ("a smaller scope", destroyed, "scope", predicate(scope="memory")),
    ("another ground", destroyed, "ground", predicate(ground="gdpr.17.1.a")),
    ("another key", destroyed, "tombstone-match", key_of(**KEY)),
    ("a key more", destroyed, "tombstone-match", parts(lambda p: p["tombstones"].append(KEY))),
    ("a key less", destroyed, "tombstone-match", parts(lambda p: p["tombstones"].pop())),
    ("a key twice", destroyed, "tombstone-match", parts(lambda p: p["tombstones"].append(p["tombstones"][-1]))),
    ("a generation that cannot be", destroyed, "tombstone-match", key_of(generation=1 << 32)),
    ("no keys", destroyed, "tombstone-match", predicate(tombstones=[])),
    ("scheduled shown as destroyed", scheduled, "epoch-state", as_destroyed),
    ("asserted shown as destroyed", asserted, "epoch-state", as_destroyed),
    ("scheduled shown as asserted", scheduled, "epoch-state", as_asserted),
    ("backup-proof over an asserted end", asserted, "state", predicate(state="backup-proof")),
    ("backup-proof over a scheduled end", scheduled, "state", predicate(state="backup-proof")),
    ("asserted over a scheduled end", scheduled, "state", predicate(state="asserted")),
    ("backup-proof over nothing", live_erased, "state", predicate(state="backup-proof")),
    ("less than it could claim", destroyed, "state", predicate(state="live-erased")),
    ("an end that came earlier", scheduled, "epoch-state", epoch(effective_at=stamp(timedelta()))),
    ("an end at another provider", asserted, "epoch-state", epoch(provider="pkcs11-2")),
    ("other evidence", asserted, "epoch-state", epoch(evidence="the device refuses every handle")),
    ("other epochs live", destroyed, "epoch-state", epoch(live=[5])),
    ("another epoch", destroyed, "epoch-leaf", epoch(epoch=2)),
    ("an epoch that the log does not know", destroyed, "epoch-leaf", parts(lambda p: p["epochs"].insert(0, NEW_EPOCH))),
    ("an epoch twice", destroyed, "epoch-leaf", parts(lambda p: p["epochs"].append(p["epochs"][0]))),
    ("other counts before", destroyed, "counts", parts(lambda p: p["counts"][0].update(before=2))),
    ("a store left out", destroyed, "counts", parts(lambda p: p["counts"].pop())),
    ("no store", destroyed, "counts", predicate(counts=[])),
    ("a probe with more needles", destroyed, "probe", parts(lambda p: p["probe"].update(needles=32))),
    ("another prober", destroyed, "probe", parts(lambda p: p["probe"].update(version="2"))),
    ("something withheld left out", destroyed, "withheld", predicate(withheld=[])),
    ("another review day", destroyed, "withheld", parts(lambda p: p["withheld"][0].update(review="2099-01-01"))),
    ("another policy pack", destroyed, "pack", parts(lambda p: p["policy"].update(digest="ab" * 32))),
    ("another person", destroyed, "subject-commitment", other_person),
    ("nobody", destroyed, "subject-commitment", predicate(subjects=[])),
    ("asked for earlier", destroyed, "times", of("times", requested=stamp(-LATER))),
    ("probed later", destroyed, "times", of("times", probed=stamp(timedelta(seconds=40)))),
    ("erased before the tombstone", destroyed, "times", of("times", live_erased=stamp(-timedelta(minutes=20)))),
    ("erased after the probe", destroyed, "times", of("times", live_erased=stamp(timedelta(minutes=20)))),
    ("ended earlier", destroyed, "times", of("times", backup_proof=stamp(-LATER))),
    ("no end", destroyed, "times", of("times", backup_proof=None)),
    ("an end where none is", asserted, "times", of("times", backup_proof=stamp(timedelta(seconds=9)))),
    ("issued tomorrow", destroyed, "times", of("times", issued=stamp(timedelta(days=2)))),
    ("issued before its checkpoint", destroyed, "times", of("times", issued=stamp(-LATER))),
    ("issued on no day", destroyed, "times", of("times", issued="2026-02-30T00:00:00.000Z")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "check", "forge"), [row[1:] for row in RESIGNED], ids=[row[0] for row in RESIGNED]
)
def test_signed_with_the_real_key(
    base: Callable[[], Case], check: str, forge: Callable[[Statement], object]
) -> None:
    case = base()
    bundle, statement = unpacked(case.build())
    forge(statement)
    assert refused(resigned(bundle, statement, case.log.key, case.log.origin), case) == check


def test_an_epoch_left_out_with_its_proof() -> None:
    case = two_epochs()
    bundle, statement = unpacked(case.build())
    without_epoch(statement)
    bundle["proofs"]["epochs"].pop(0)
    assert refused(resigned(bundle, statement, case.log.key, case.log.origin), case) == "epoch-cover"


def test_signed_by_keys_of_two_logs() -> None:
    case, other = destroyed(), Case(log=MemoryLog(b"u" * 16, signer(2))).told()
    bundle = json.loads(case.build())
    payload = base64.b64decode(bundle["envelope"]["payload"])
    name = verify.key_name(other.verifiers()[0])
    signature = other.log.key.sign(verify.pae(verify.PAYLOAD_TYPE, payload))
    bundle["envelope"]["signatures"].append({"keyid": name, "sig": base64.b64encode(signature).decode()})
    with pytest.raises(VerificationError) as caught:
        verify.verify_certificate(json.dumps(bundle).encode(), [*case.verifiers(), *other.verifiers()])
    assert caught.value.check == "origin"


# --- with the real key, the log forged as well -----------------------------------------------------------------------

LOGGED: list[tuple[str, str, Forged]] = [
    ("the probe found something", "probe", told(probe=replace(PROBE, hits=1))),
    ("the probe looked for nothing", "probe", told(probe=replace(PROBE, needles=0))),
    ("the probe looked nowhere", "probe", told(probe=replace(PROBE, pages=0, files=0))),
    ("something was left in a store", "counts", told(counts=[Count("memories", 12, 0), Count("tokens", 5, 1)])),
    ("no store was counted", "counts", told(counts=[])),
    ("one store was counted twice", "counts", told(counts=[Count("memories", 12, 0), Count("memories", 5, 0)])),
    ("no key was given up", "tombstone-match", told(logged_keys=[], keys=[])),
    ("the key is its own neighbour", "nonmember-after", with_live_key),
    ("another generation lives", "generations", told(after=[*((kid, 1) for kid in OTHERS), (PERSON, 3)])),
    ("an older generation lives", "generations", told(keys=[(PERSON, 2)], after=[(PERSON, 1), (OTHERS[0], 1)])),
    ("the key was never held", "member-before", never_held),
    ("destroyed in three days", "epoch-state", told(epochs=[ended(3, "destroyed", LATER)])),
    ("asserted in three days", "epoch-state", told(epochs=[ended(3, "asserted", LATER)])),
    ("destroyed and live", "epoch-cover", told(live=[3, 4])),
    ("an older epoch lives", "epoch-cover", told(live=[2, 4])),
    ("no epoch lives", "epoch-cover", told(live=[])),
    ("the keystore is in the destroyed epoch", "epoch-cover", told(epoch_after=3)),
    ("the keystore went back", "epoch-cover", told(epoch_before=4, epoch_after=3, epochs=[], live=[4])),
    ("an epoch in between is not accounted for", "epoch-cover", told(epoch_before=2)),
    ("asked for last", "leaf-order", asked_last),
    ("probed first", "leaf-order", probed_first),
    ("the state is not the last entry", "leaf-order", state_not_last),
    ("a refused tombstone", "entry:tombstones", rewritten("tombstones", res="refused")),
    ("a denied request", "entry:request", rewritten("request", res="denied")),
    ("an entry in another place", "entry:probe", rewritten("probe", seq=3)),
    ("an entry of another log", "entry:epochs", rewritten("epochs", log=b64u(b"u" * 16))),
    ("an entry of another format", "entry:epochs", rewritten("epochs", v=2)),
    ("an entry of another action", "opening:request", rewritten("request", act="memory.search")),
    ("an entry with a field more", "opening:probe", rewritten("probe", note="x")),
    ("another of the opened actions", "entry:probe", rewritten("probe", act="state", detail=STATE)),
    ("a person's entry", "opening:tombstones", rewritten("tombstones", detail={"actor": "j.roe"})),
    ("a detail with a name", "opening:request", rewritten("request", detail={"user_id": "pat-42"})),
    ("another request's tombstone", "request-match", rewritten("tombstones", detail={"request": "0" * 32})),
    ("another request's probe", "request-match", rewritten("probe", detail={"request": "0" * 32})),
    ("another erasure's tombstone", "tombstone-match", rewritten("tombstones", detail={"erasure": "0" * 32})),
    ("another key's tombstone", "tombstone-match", rewritten("tombstones", detail={"keys": [KEY]})),
    ("under another policy", "pack", rewritten("tombstones", pack="ab" * 8)),
    ("scheduled in the log only", "epoch-state", rewritten("epochs", detail={"state": "scheduled"})),
    ("asserted in the log only", "epoch-state", rewritten("epochs", detail={"state": "asserted"})),
    ("the end of another epoch", "epoch-leaf", rewritten("epochs", detail={"epoch": 2})),
    ("more hits in the log", "probe", rewritten("probe", detail={"probe": {**asdict(PROBE), "hits": 2}})),
    ("no state", "state-opening", rewritten("state_after", detail={"keystore": "none"})),
    ("another keystore", "nonmember-after", rewritten("state_after", detail={"keystore": "00" * 32})),
    ("another keystore before", "member-before", rewritten("state_before", detail={"keystore": "00" * 32})),
    ("logged in the past", "times", rewritten("probe", t=stamp(-LATER))),
    ("logged in the future", "times", rewritten("state_after", t=stamp(LATER))),
    ("a checkpoint of another log's name", "checkpoint-signature", another_origin),
    ("a fork before the erasure", "consistency", forked_before),
]  # fmt: skip


@pytest.mark.parametrize(("check", "forge"), [row[1:] for row in LOGGED], ids=[row[0] for row in LOGGED])
def test_signed_with_the_real_key_over_a_forged_log(check: str, forge: Forged) -> None:
    case, data = forge()
    assert refused(data, case) == check


def test_there_are_enough_of_them() -> None:
    assert len(UNSIGNED) >= 25
    assert len(RESIGNED) + len(LOGGED) >= 50
    rows = [row[0] for row in (*UNSIGNED, *RESIGNED, *LOGGED)]
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize(
    "parts",
    [
        {"probe": replace(PROBE, hits=1)},
        {"counts": [Count("memories", 12, 1)]},
        {"epochs": [ended(3, "destroyed", LATER)]},
        {"live": [3, 4]},
        {"epoch_before": 2},
    ],
    ids=["hits", "left over", "not destroyed yet", "epoch alive", "epoch left out"],
)
def test_the_builder_refuses_what_would_not_verify(parts: Bundle) -> None:
    with pytest.raises(IntegrityViolationError) as caught:
        Case(**parts).told().build()
    assert caught.value.code == "certificate.refused"
