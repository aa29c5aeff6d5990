"""G1 and G9: canaries through every public method; then none of them is in a file, a page, a log line or an error.

Protection is taken away in the last tests, to see the same scan find what it must find.
"""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from support.canaries import KEYED, SAMPLES, Canaries, personal
from support.drive import TABLE, Drive, drive, everything_said, public_methods
from support.drive_cli import VERBS, Terminal, drive_verbs, registered
from support.identity import IdentityDetector, without_sealing
from support.pages import PageReader, decrypted, vault_keys
from support.scan import Scanner, base64_forms, vector_patterns

from vault import Vault
from vault.crypto.primitives import SecretKey
from vault.embedding.static import StaticEmbedder
from vault.index.quantise import quantise
from vault.keys.layout import read_file_key
from vault.redaction.detect import BuiltinDetector
from vault.redaction.evaluation.shipped import samples

ROOT = Path(__file__).parents[2]


def scanner_of(canaries: Canaries, texts: list[str]) -> Scanner:
    """Looks for the canaries, for how their words begin, and for the vectors of every text."""
    embedder = StaticEmbedder()
    patterns: dict[str, bytes] = {}
    for number, vector in enumerate(embedder.embed(texts)):
        patterns |= vector_patterns(f"vector {number}", vector, quantise(vector)[0])
    return Scanner({**canaries.values, **canaries.stems()}, patterns)


def every_page(folder: Path, keys: dict[Path, bytes]) -> bytes:
    """Every page and WAL frame of every database under `folder`, decrypted; a file without a key is an error."""
    found = sorted(folder.rglob("*.db"))
    assert found
    return b"\n".join(b"\n".join(PageReader(path, keys[path]).everything()) for path in found)


def all_keys(folder: Path, *vaults: Vault) -> dict[Path, bytes]:
    """The file keys of the vaults' databases and of every keystore backup."""
    keys: dict[Path, bytes] = {}
    for vault in vaults:
        keys |= vault_keys(vault)
    provider = vaults[0]._opened().provider
    for path in folder.glob("backups/*/keystore-*.db"):
        epoch = int(path.stem.partition("-")[2])
        if epoch in provider.live_epochs():
            keys[path] = bytes(read_file_key(path.parent, provider, epoch).buffer)
        else:  # its epoch was rolled and destroyed: nobody opens it any more
            path.rename(path.with_suffix(".sealed"))
    by_tenant = {path.parent.name: key for path, key in keys.items() if path.name == "records.db"}
    for path in folder.glob("*copies/*/tenants/*/records.db"):
        if path.parent.name in by_tenant:
            keys[path] = by_tenant[path.parent.name]
        else:
            path.rename(path.with_suffix(".sealed"))
    return keys


def test_every_public_method_has_a_driver() -> None:
    assert set(TABLE) == public_methods()


MORE = {
    "OCCUPATION": "She works as a nurse at the clinic.",
    "SENSITIVE_POLITICS": "She is a member of the Green Party.",
    "SOCIAL_HANDLE": "My Twitter is @ana_riv.",
}


def test_every_class_of_the_detector_has_a_sample_that_is_redacted() -> None:
    detector = BuiltinDetector()
    for entity, (text, value) in SAMPLES.items():
        full = text.format(value)
        found = {(f.entity, full[f.start : f.end].rstrip(".")) for f in detector.detect(full)}
        assert (entity, value) in found, entity
    for entity, (key, value) in KEYED.items():
        assert [f.entity for f in detector.detect(value, context=key)] == [entity]
    shown = {entity for entity, text in MORE.items() if entity in {f.entity for f in detector.detect(text)}}
    shipped = samples().samples
    missing = detector.entities - set(KEYED) - set(SAMPLES) - shown
    for sample, found in zip(shipped, detector.batch([one.text for one in shipped]), strict=True):
        spans = {(span.start, span.end, span.label) for span in sample.spans}
        missing -= {one.entity for one in found if (one.start, one.end, one.entity) in spans}
    assert not missing


def test_no_canary_is_in_any_file_page_log_line_or_error(
    tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        d = Drive(work)
        drive(d)
    assert d.covered == public_methods()
    scanner = scanner_of(d.canaries, [*d.texts, *d.canaries.facts])
    assert len(set(d.canaries.values.values())) >= 200
    assert len(d.errors) >= 150

    os.environ["MEMVAULT_TEST_PASSPHRASE"] = d.canaries.values["passphrase 1"]
    try:
        others = [Vault.open(work / "second"), Vault.open(work / "fourth")]
    finally:
        del os.environ["MEMVAULT_TEST_PASSPHRASE"]
    keys = all_keys(work, d.vault, *others)
    for moment in ("open", "closed"):
        if moment == "closed":
            for vault in (d.vault, *others):
                vault.close()
        else:
            assert any(path.stat().st_size for path in work.rglob("*-wal")), "no WAL to read"
        assert scanner.scan_files(tmp_path) == {}, moment
        assert scanner.scan(every_page(work, keys)) == set(), moment

    said = [
        *(text for error in d.errors for text in everything_said(error)),
        log.getvalue(),
        *capfd.readouterr(),
    ]
    said += [str(one.message) for one in warned]
    assert [hits for text in said if (hits := scanner.scan(text.encode("utf-8", "backslashreplace")))] == []


def test_the_same_in_a_process_of_its_own_that_dies_without_closing(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "always", "-m", "support.drive", str(work)],
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tests'}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:].decode()
    values: dict[str, str] = json.loads((tmp_path / "canaries.json").read_text())
    (tmp_path / "canaries.json").unlink()
    scanner = Scanner(values)
    assert len(done.stderr) > 10_000
    assert scanner.scan(done.stderr) == set()
    assert scanner.scan(done.stdout) == set()
    assert scanner.scan_files(tmp_path) == {}

    copy = tmp_path / "copy"
    shutil.copytree(work, copy)
    for name in ("second", "fourth"):
        shutil.rmtree(work / name)
    with Vault.open(
        copy / "vault"
    ) as vault:  # opening changes files: the copy gives the keys, the original is read
        keys = {work / path.relative_to(copy): key for path, key in all_keys(copy, vault).items()}
    for path in (*work.glob("backups/*/keystore-*.db"), *work.glob("*copies/*/tenants/*/records.db")):
        if path not in keys:
            path.unlink()
    assert any(path.stat().st_size for path in work.rglob("*-wal"))
    assert scanner.scan(every_page(work, keys)) == set()


# --- keys ------------------------------------------------------------------------------------------------------


def test_no_key_is_in_any_file_repr_error_or_pickle_but_the_epoch_key_file(
    tmp_path: Path, log: io.StringIO
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    d = Drive(work, seed=3)
    TABLE["Session.add"](d, d.session())
    found = _live_keys()
    TABLE["Admin.keys_rotate"](d, d.admin())
    TABLE["Session.search"](d, d.session())
    found |= _live_keys()
    epochs = {
        f"epoch {number}": bytes(key.buffer) for number, key in d.vault._opened().provider._secrets.items()
    }
    assert len(found) >= 40
    assert set(epochs.values()) <= set(found.values())
    scanner = _key_scanner(found)

    assert scanner.scan(every_page(work, all_keys(work, d.vault))) == set()
    assert scanner.scan(log.getvalue().encode()) == set()
    for error in d.errors:
        assert scanner.scan("\n".join(everything_said(error)).encode("utf-8", "backslashreplace")) == set()
    for thing in _vault_objects():
        assert scanner.scan(repr(thing).encode("utf-8", "backslashreplace")) == set(), type(thing)
        assert scanner.scan(_pickled(thing)) == set(), type(thing)
    d.close()
    key_files = {path: path.read_bytes() for path in (work / "keys").glob("epoch-*.key")}
    assert scanner.scan_files(tmp_path, skip=key_files) == {}
    own = _key_scanner(epochs)
    assert own.scan(b"\n".join(key_files.values()))
    others = _key_scanner({name: key for name, key in found.items() if key not in epochs.values()})
    assert others.scan(b"\n".join(key_files.values())) == set()


def _live_keys() -> dict[str, bytes]:
    """Every key of at least 16 bytes that is in memory and not wiped."""
    keys = [
        one for one in gc.get_objects() if isinstance(one, SecretKey) and not one.closed and len(one) >= 16
    ]
    return {f"key {key.hex()[:8]}": key for key in {bytes(one.buffer) for one in keys} if any(key)}


def _key_scanner(keys: dict[str, bytes]) -> Scanner:
    patterns: dict[str, bytes] = {}
    for name, key in keys.items():
        patterns |= {f"{name} raw": key, f"{name} first half": key[:16], f"{name} second half": key[-16:]}
        patterns |= {f"{name} hex": key.hex().encode(), f"{name} repr": repr(key)[2:-1].encode()}
        patterns |= {f"{name} list": str(list(key))[1:-1].encode()}
        patterns |= {f"{name} {form}": data for form, data in base64_forms(key)}
    return Scanner({}, patterns)


def _vault_objects() -> list[Any]:
    return [one for one in gc.get_objects() if str(type(one).__module__).startswith("vault.")]


def _pickled(thing: Any) -> bytes:
    try:
        return pickle.dumps(thing)
    except Exception:  # noqa: BLE001 - whatever refuses is as good as any other refusal
        return b"refused"


# --- seen to fail ----------------------------------------------------------------------------------------------


def test_without_sealing_the_scan_of_decrypted_pages_finds_every_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_sealing(monkeypatch)
    work = tmp_path / "work"
    work.mkdir()
    d = Drive(work, seed=4)
    for name in ("add", "update", "delete"):
        TABLE[f"Session.{name}"](d, d.session())
    scanner = scanner_of(d.canaries, [*d.texts, *d.canaries.facts])
    hits = scanner.scan(decrypted(d.vault))
    kinds = {name.rsplit(" as ", 1)[0].rstrip("0123456789").strip() for name in hits}
    assert {
        "fact word", "user id", "agent id", "app id", "run id", "metadata key", "metadata value", "message name",
        "principal id", "reason", "vector", "detected EMAIL_ADDRESS", "detected PERSON", "detected US_SSN",
    } <= kinds  # fmt: skip
    assert any("int8" in name for name in hits)
    assert (
        scanner.scan_files(work) == {}
    )  # the file's own encryption still hides it from a reader of raw bytes
    d.close()


def test_a_plaintext_file_beside_the_vault_is_found_in_every_encoding(tmp_path: Path) -> None:
    canaries = Canaries(5)
    word, user = canaries.word("fact word"), canaries.identity("user id")
    scanner = scanner_of(canaries, [canaries.fact()])
    vector = StaticEmbedder().embed(canaries.facts)[0]
    import base64
    import urllib.parse

    raw = f"memory: {word}, {user}".encode()
    written = {
        "raw": raw, "upper": raw.upper(), "utf-16": raw.decode().encode("utf-16-le"), "hex": raw.hex().upper().encode(),
        "base64": base64.b64encode(raw), "base64 shifted": base64.b64encode(b"x" + raw),
        "urlsafe": base64.urlsafe_b64encode(b"xy" + raw), "url": urllib.parse.quote(user).encode(),
        "json": json.dumps({"user": user}).encode(), "float32": b"head" + vector.tobytes(),
        "int8": b"h" + quantise(vector)[0].tobytes(), "stem": word[:11].encode(),
    }  # fmt: skip
    assert scanner.scan_files(tmp_path) == {}
    for name, data in written.items():
        (tmp_path / name).write_bytes(b"\x00" * 7 + data + b"\xff" * 3)
    assert set(scanner.scan_files(tmp_path)) == set(written)
    for path in tmp_path.glob("*"):
        if path.is_file():
            path.unlink()
    (tmp_path / f"export-{word}.json").write_text("{}")
    assert len(scanner.scan_files(tmp_path)) == 1  # names of files count as well


@pytest.mark.parametrize(
    ("data", "met"),
    [
        (b"pin=73921468", True),
        (b"x73921468y", True),
        (b"73921468", True),
        (b"at 1763773921468", False),
        (b"at 7392146817", False),
        (b"at 1763773921468, pin 73921468", True),
        (b"3733393231343638", True),
        (b"13733393231343638", True),
    ],
)
def test_a_few_digits_count_but_not_inside_a_longer_number(data: bytes, met: bool) -> None:
    assert bool(Scanner({"pin": "73921468"}).scan(data)) == met


def test_a_log_line_and_a_cause_that_is_dragged_along_are_found(log: io.StringIO) -> None:
    canaries = Canaries(6)
    word = canaries.word("fact word")
    scanner = Scanner(canaries.values)
    logging.getLogger("host.flows").debug("stored %s", word)
    assert scanner.scan(log.getvalue().encode())
    with pytest.raises(ValueError, match="not valid") as caught:
        _drag_along(word)
    assert any(
        scanner.scan(text.encode("utf-8", "backslashreplace")) for text in everything_said(caught.value)
    )


def _drag_along(text: str) -> None:
    try:
        (text + "\ud800").encode()
    except UnicodeEncodeError:
        raise ValueError("not valid") from None


def test_without_a_detector_the_values_come_back_in_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.compose.BuiltinDetector", IdentityDetector)
    d = Drive(tmp_path / "work", seed=7)
    session = d.session()
    kept = {entity: session.get(session.add(text, user_id="pat-1").memories[0].id).text
            for entity, text in personal(d.canaries).items()}  # fmt: skip
    shown = [entity for entity, text in kept.items() if SAMPLES[entity][1] in text]
    d.close()
    assert len(shown) == len(SAMPLES)


def test_with_the_detector_they_do_not(tmp_path: Path) -> None:
    d = Drive(tmp_path / "work", seed=7)
    session = d.session()
    kept = {entity: session.get(session.add(text, user_id="pat-1").memories[0].id).text
            for entity, text in d.personal.items()}  # fmt: skip
    policy = d.vault._opened().policy
    d.close()
    shown = {entity for entity, text in kept.items() if SAMPLES[entity][1] in text}
    assert shown == {entity for entity in SAMPLES if policy.operator_for(entity) == "keep"}


# --- the command line ---------------------------------------------------------------------------------------------


def test_every_verb_has_a_driver() -> None:
    assert set(VERBS) == set(registered())


def test_no_verb_leaves_a_canary_in_a_file_a_log_line_or_an_error(
    tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    terminal = Terminal(work)
    drive_verbs(terminal)
    scanner = scanner_of(terminal.canaries, terminal.canaries.facts)
    assert len(terminal.said) > 150
    for text in (*terminal.said, log.getvalue(), *capfd.readouterr()):
        assert scanner.scan(text.encode()) == set(), text
    shutil.rmtree(terminal.input)  # what the caller wrote
    assert scanner.scan_files(tmp_path) == {}
    with Vault.open(work / "vault") as vault:
        keys = all_keys(work, vault)
        shutil.rmtree(work / "demo")  # its sample is its own
        assert scanner.scan(every_page(work, keys)) == set()
