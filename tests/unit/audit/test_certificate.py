"""Certificates of real erasures in a real vault, key proofs, the page for people, and the verifier on its own."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.calls import session_of
from support.erasures import (
    BLIND,
    ERASURE,
    OTHERS,
    PROBE,
    REQUEST,
    Case,
    asserted,
    destroyed,
    live_erased,
    scheduled,
    tree,
)

from vault import Vault
from vault.audit import certificate, certificate_html, certified, merkle, nonmembership, proofs, verify
from vault.audit.certified import Count, Withheld
from vault.audit.nonmembership import HIGHEST, LOWEST, KeyProof
from vault.audit.verify import VerificationError
from vault.errors import AuditChainError, ConflictError, IntegrityViolationError, InvalidInputError
from vault.flows.sign import sign_leaves
from vault.keys import repair

# --- a real vault ----------------------------------------------------------------------------------------------------


def erased(vault: Vault) -> tuple[bytes, list[str]]:
    """Erase pat-42 by hand, step by step, and certify it; the certificate and the log's verifier keys."""
    stages = vault._opened()
    tenant = stages.tenant("clinic")
    subject = stages.keystore.subject(tenant, "user", "pat-42")
    assert subject is not None
    keys = [(subject.kid, generation) for generation in subject.deks]
    old, log = stages.keystore.epoch, {}
    with stages.stores.use(tenant) as store:
        store.log.pack = stages.policy.digest[:16]
        _, leaves = sign_leaves(stages.keystore, store)
        before = nonmembership.prove_present(leaves, keys)

        def note(event: certified.Event) -> int:
            with store.records.transaction():
                return store.log.append(event) - 1

        log["request"] = note(
            certified.requested(REQUEST, "subject", "gdpr.17.1.b", purpose="rights-request")
        )
        people = [certified.commit(BLIND, "user", "pat-42")]
        log["tombstones"] = [
            note(certified.tombstone(REQUEST, ERASURE, keys, people, purpose="rights-request"))
        ]
        repair.bury(stages.keystore, tenant.tid, keys, erase_id=bytes.fromhex(ERASURE))
        when = datetime.now(UTC)
    vault.admin(replace(session_of(vault)._caller.principal, roles=("operator",))).keys_rotate("root")
    tenant = stages.tenant("clinic")
    with stages.stores.use(tenant) as store:
        store.log.pack = stages.policy.digest[:16]
        gone, live = stages.provider.destroy_epoch(old), stages.provider.live_epochs()
        log["epochs"] = [
            note(certified.epoch_destroyed(gone, stages.provider.name, live, purpose="operations"))
        ]
        counts = [Count("memories", 2, 0), Count("log details", 3, 0)]
        log["probe"] = note(certified.probed(REQUEST, PROBE, counts, purpose="rights-request"))
        _, leaves = sign_leaves(stages.keystore, store)
        gathered = proofs.gather(
            store.records,
            store.log,
            **log,
            keys_before=before,
            keys_after=nonmembership.prove_absent(leaves, keys),
        )
        facts = certificate.ErasureFacts(
            live_erased=when,
            issued=datetime.now(UTC),
            policy=certificate.PolicyRef(stages.policy.name, stages.policy.version, stages.policy.digest),
            software="memvault",
            horizon=date(2027, 2, 1),
        )
        return certificate.build(facts, gathered, store.log.signers()), store.log.vkeys()


@pytest.fixture
def clinic_erased(clinic: Vault) -> tuple[bytes, list[str]]:
    for person in ("pat-41", "pat-42", "pat-43"):
        app = session_of(clinic, user_id=person)
        app.add("Takes metoprolol since spring.")
        app.add("Prefers to be called in the morning.")
    return erased(clinic)


def test_an_erasure_in_a_real_vault(clinic_erased: tuple[bytes, list[str]]) -> None:
    data, vkeys = clinic_erased
    verifiers = [verify.parse_vkey(key) for key in vkeys]
    opening = certified.subject_opening(BLIND, "user", "pat-42")
    verdict = verify.verify_certificate(data, verifiers, request=REQUEST, subject=opening)
    assert verdict.state == "asserted"  # a key file is wiped, which no device vouches for
    assert [word for _, word, _ in verdict.epochs] == ["asserted"]
    assert "pat-42" not in data.decode()
    for secret in ("pat-42", "metoprolol", "intake-bot", "clinic"):
        shown = json.loads(data)
        parts = [base64.b64decode(leaf["detail"]) for leaf in shown["proofs"]["tombstones"]]
        parts.append(base64.b64decode(shown["envelope"]["payload"]))
        assert not any(secret.encode() in part for part in parts)


def test_the_file_alone_verifies_where_there_is_no_vault(
    clinic_erased: tuple[bytes, list[str]], tmp_path: Path
) -> None:
    """Copied elsewhere and run in isolated mode from there, where the package cannot be imported."""
    data, vkeys = clinic_erased
    place = tmp_path / "auditor"
    place.mkdir()
    script = shutil.copy(verify.__file__, place / "verify.py")
    (place / "certificate.json").write_bytes(data)
    (place / "keys.txt").write_text("\n".join(vkeys))
    (place / "me.json").write_bytes(certified.subject_opening(BLIND, "user", "pat-42"))
    gone = place / "nothing-of-the-vault.py"
    gone.write_text(
        "import importlib.abc, runpy, sys\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'vault' or name.startswith('vault.'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "sys.argv = sys.argv[1:]\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", gone, script, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=place, check=False)

    asked = ("certificate", "certificate.json", "--vkey", "keys.txt")
    good = run(*asked, "--request", REQUEST, "--subject", "me.json", "--seen", "seen.jsonl")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("verified: asserted: ")
    again = run(*asked, "--seen", "seen.jsonl", "--json")
    assert again.returncode == 5
    assert json.loads(again.stdout) == {
        "ok": False,
        "failed": "replay",
        "reason": "this certificate was seen before",
    }
    assert again.stderr == "does not verify: replay: this certificate was seen before\n"
    shown = run(*asked, "--json")
    assert json.loads(shown.stdout)["ok"] is True
    assert json.loads(shown.stdout)["state"] == "asserted"
    for wrong in (
        ("certificate", "absent.json", "--vkey", "keys.txt"),
        asked[:2],
        ("certificate",),
        ("nonsense",),
    ):
        assert run(*wrong).returncode == 2
    assert run("certificate", "keys.txt", "--vkey", "keys.txt").returncode == 5
    assert run(*asked[:3], "not a key").returncode == 5


# --- key proofs ------------------------------------------------------------------------------------------------------

LEAVES = tree([(kid, 1) for kid in OTHERS])


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 12])
def test_every_key_is_either_in_the_tree_or_between_two_neighbours(count: int) -> None:
    leaves = tree([(kid, 1) for kid in OTHERS[:count]])
    for at, kid in enumerate(OTHERS):
        if at < count:
            proof = nonmembership.prove_present(leaves, [(kid, 1)])
            assert [leaf.leaf for leaf in proof.leaves] == [kid + b"\x00\x00\x00\x01"]
            with pytest.raises(InvalidInputError):
                nonmembership.prove_absent(leaves, [(kid, 1)])
        else:
            proof = nonmembership.prove_absent(leaves, [(kid, 1)])
            low, high = proof.leaves
            assert low.leaf < nonmembership.key_leaf((kid, 1)) < high.leaf
            assert high.index == low.index + 1
            with pytest.raises(InvalidInputError):
                nonmembership.prove_present(leaves, [(kid, 1)])
        for leaf in proof.leaves:
            merkle.verify_inclusion(
                leaf.index, proof.size, merkle.leaf_hash(leaf.leaf), leaf.path, proof.root
            )
        assert KeyProof.from_json(json.loads(json.dumps(proof.to_json())), proof.root) == proof


def test_one_generation_of_a_key_is_absent_where_another_is_there() -> None:
    proof = nonmembership.prove_absent(LEAVES, [(OTHERS[0], 2), (OTHERS[0], 0)])
    assert [leaf.leaf for leaf in proof.leaves].count(OTHERS[0] + b"\x00\x00\x00\x01") == 1
    assert len(proof.leaves) == 3


@pytest.mark.parametrize(
    "leaves", [LEAVES[::-1], LEAVES[1:], LEAVES[:-1], [*LEAVES, HIGHEST], [LOWEST, *LEAVES]],
    ids=["reversed", "no lowest", "no highest", "highest twice", "lowest twice"],
)  # fmt: skip
def test_a_keystore_tree_that_is_not_sorted_is_refused(leaves: list[bytes]) -> None:
    with pytest.raises((IntegrityViolationError, InvalidInputError)):
        nonmembership.prove_absent(leaves, [(b"\x80" * 16, 1)])


@pytest.mark.parametrize("key", [(b"short", 1), (b"k" * 16, -1), (b"k" * 16, 1 << 32)])
def test_keys_out_of_form(key: tuple[bytes, int]) -> None:
    with pytest.raises(InvalidInputError):
        nonmembership.key_leaf(key)


# --- gathering -------------------------------------------------------------------------------------------------------


def test_a_keystore_that_moved_on_is_not_certified() -> None:
    case = destroyed()
    for name in ("keys_before", "keys_after"):
        with pytest.raises(ConflictError) as caught:
            case.proofs(**{name: nonmembership.prove_absent(LEAVES[:-2] + LEAVES[-1:], [(b"\x01" * 16, 1)])})
        assert caught.value.code == "certificate.state"


def test_a_newer_checkpoint_of_the_same_keystore_is_taken() -> None:
    case = destroyed()
    case.log.reads(3)
    case.log.sign(case.leaves_after, 4)
    case.log.reads(1)
    assert case.proofs().state_after.index == len(case.log.entries) - 2


def test_details_that_a_certificate_does_not_show_stay_closed() -> None:
    case = destroyed()
    event = replace(certified.requested(REQUEST, "subject", "gdpr.17.1.b", purpose="x"), actor="j.roe")
    number = case.log.append(event)
    case.log.sign(case.leaves_after, 4)
    with pytest.raises(AuditChainError) as caught:
        case.proofs(probe=number)
    assert caught.value.code == "audit.opening"


def test_entries_about_a_subject_are_not_opened(clinic: Vault) -> None:
    session_of(clinic, user_id="pat-42").add("Allergic to penicillin.")
    stages = clinic._opened()
    with stages.stores.use(stages.tenant("clinic")) as store:
        closed = 0
        for row in store.records.log():
            if row.s is not None:
                with pytest.raises(AuditChainError):
                    store.log.opening(row)
                closed += 1
        assert closed


# --- the page --------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in {"src", "href", "action", "background"}
        ]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (destroyed, "as the device that held them reports"),
        (asserted, "unless somebody kept a copy of it"),
        (scheduled, "NOT destroyed yet"),
        (live_erased, "Backups made before can still be read"),
    ],
)
def test_the_page_says_what_the_certificate_says(make: Callable[[], Case], sentence: str) -> None:
    case = make()
    data = case.build()
    text = certificate_html.render(data)
    page = Page(text)
    predicate = certificate.statement_of(data)["predicate"]
    assert sentence in page.words
    assert f"Erasure certificate {REQUEST}" in page.words
    for shown in (predicate["state"], "12", "disclosure-ledger", "2032-01-01", *predicate["limits"]):
        assert shown in page.words
    assert not page.links
    assert {"script", "img", "link", "iframe", "form"}.isdisjoint(page.tags)
    assert "default-src 'none'" in text or "default-src &#x27;none&#x27;" in text
    assert not re.search(r"anonymi[sz]ed", text)


def test_the_page_escapes_every_value() -> None:
    nasty = "<script>alert('x')</script>&\"'"
    case = Case(withheld=[Withheld("a", 1, "b", date(2030, 1, 1))]).told()
    case_facts = case.facts(out_of_scope=(nasty,), residual=nasty, backups=nasty, software=nasty)
    data = certificate.build(case_facts, case.proofs(), [case.log.key])
    text = certificate_html.render(data)
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 4


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"envelope":{"payload":"AAAA"}}', b'{"envelope":{"payload":7}}']
)
def test_no_page_for_what_is_no_certificate(data: bytes) -> None:
    with pytest.raises(VerificationError):
        certificate_html.render(data)
