"""Loading packs: what is read, what is refused, and what the digest covers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import packs
import pytest
import rfc8785

from vault.errors import ConfigError, PolicyInvalidError
from vault.policy import locate
from vault.policy.decide import Request
from vault.policy.pack import check_coverage, load, read


def refused(folder: Path) -> PolicyInvalidError:
    with pytest.raises(PolicyInvalidError) as caught:
        load(folder)
    assert isinstance(caught.value, ConfigError)
    return caught.value


def test_a_loaded_policy_says_what_the_pack_says(tmp_path: Path) -> None:
    policy = load(packs.write(tmp_path, packs.root()))
    assert (policy.name, policy.version, policy.title) == ("small", "1.0.0", "A small pack")
    assert policy.packs == ("small",)
    assert policy.disclaimer == "An aid, not a certification."
    assert policy.not_covered == ("Everything else.",)
    assert dict(policy.purposes) == {"service": "Service", "care": "Care"}
    assert dict(policy.roles) == {"app": "App", "nurse": "Nurse"}
    assert policy.operators["EMAIL_ADDRESS"] == "token"
    assert policy.default_operator == policy.operator_for("PHONE_NUMBER") == "mask"
    assert policy.operator_for("DATE_TIME") == "keep"
    assert policy.required_classes == {"EMAIL_ADDRESS"}
    assert policy.threshold == 0.5
    assert policy.retention["audit"].min_days == 365
    assert policy.retention["audit"].max_days is None
    assert policy.retention["memory"].max_days == 1000
    assert policy.retention["history"].min_days is None
    assert len(policy.digest) == 64
    assert policy.digest[:16] in repr(policy)


def test_a_policy_cannot_be_changed(tmp_path: Path) -> None:
    policy = load(packs.write(tmp_path, packs.root()))
    with pytest.raises(AttributeError):
        policy.digest = "x"  # type: ignore[misc]
    for mapping in (policy.operators, policy.purposes, policy.retention, policy.classes):
        with pytest.raises(TypeError):
            mapping["X"] = "keep"  # type: ignore[index]


def test_the_shipped_baseline_loads_by_name_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packs.write(tmp_path, {**packs.root(), "pack.yaml": {**packs.ROOT["pack.yaml"], "id": "baseline"}})
    monkeypatch.chdir(tmp_path)
    assert load("baseline").title != "A small pack"
    assert load("./baseline").title == "A small pack"
    assert load(Path("baseline")).title == "A small pack"
    assert "baseline" in locate.names()
    assert locate.shipped("baseline").is_dir()


@pytest.mark.parametrize("name", ["nosuch", "schemas", "..", "../policies/baseline", "BASELINE", ""])
def test_only_shipped_names_are_shipped(name: str) -> None:
    with pytest.raises(PolicyInvalidError, match="no pack of that name"):
        locate.shipped(name)


# --- digest ---


def test_the_digest_is_over_canonical_json_of_every_file(tmp_path: Path) -> None:
    import hashlib

    files = packs.root()
    body = rfc8785.dumps({"extends": {}, "files": files})
    expected = hashlib.sha256(b"pmv/policy/v1\x00" + body).hexdigest()
    assert load(packs.write(tmp_path, files)).digest == expected


def test_the_digest_ignores_layout_and_comments(tmp_path: Path) -> None:
    one = packs.write(tmp_path / "a", packs.root())
    other = packs.write(tmp_path / "b", packs.root())
    for name, content in packs.ROOT.items():
        reordered = dict(reversed(list(content.items())))
        (other / name).write_text("# a comment\n" + json.dumps(reordered), encoding="utf-8")
    (other / "README.md").write_text("for people", encoding="utf-8")
    assert load(one).digest == load(other).digest


@pytest.mark.parametrize("name", sorted(packs.ROOT))
def test_every_file_is_part_of_the_digest(tmp_path: Path, name: str) -> None:
    before = load(packs.write(tmp_path / "a", packs.root())).digest
    files = packs.root()
    text = json.dumps(files[name])
    old = ("A small pack", "Contacts", "Care", "It runs", "Enough", "Two look", "Write to")
    for part in old:
        text = text.replace(part, "Changed")
    text = text.replace('"threshold": 0.5', '"threshold": 0.4')
    files[name] = json.loads(text)
    assert load(packs.write(tmp_path / "b", files)).digest != before


def test_the_digest_covers_extended_packs(tmp_path: Path) -> None:
    packs.write(tmp_path / "a", packs.root())
    one = load(packs.write(tmp_path / "a", packs.child()))
    files = packs.root()
    files["pack.yaml"]["title"] = "Another"
    packs.write(tmp_path / "b", files)
    other = load(packs.write(tmp_path / "b", packs.child()))
    assert one.digest != other.digest


# --- closed world ---


def positions(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every mapping inside a value, itself first."""
    if isinstance(value, dict):
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from positions(inner, (*path, key))


EVERYWHERE = [(name, path) for name, content in packs.ROOT.items() for path in positions(content)]


@pytest.mark.parametrize(("name", "path"), EVERYWHERE)
@pytest.mark.parametrize("key", ["tenant", "tenants", "principal", "x-note", "Tenant"])
def test_unknown_keys_are_refused_at_every_level(
    tmp_path: Path, name: str, path: tuple[str | int, ...], key: str
) -> None:
    files = packs.root()
    target: Any = files[name]
    for step in path:
        target = target[step]
    target[key] = "canary"
    error = refused(packs.write(tmp_path, files))
    assert error.code == "policy.schema"
    assert str(error).startswith(f"{name}: ")
    assert key.lower() in str(error).lower()
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("stem", "change", "message"),
    [
        ("pack", {"id": "Small"}, "pack.yaml: id: not of the required form"),
        ("pack", {"version": "1.0"}, "pack.yaml: version: not of the required form"),
        ("pack", {"version": 1}, "pack.yaml: version: not of the required type or size"),
        ("pack", {"disclaimer": ""}, "pack.yaml: disclaimer"),
        ("pack", {"extends": "small"}, "pack.yaml: extends"),
        ("pack", {"extends": ["../small"]}, "pack.yaml: extends[0]: not of the required form"),
        ("pack", {"controls": {"gdpr": "x"}}, "pack.yaml: controls.gdpr"),
        ("taxonomy", {"classes": {}}, "taxonomy.yaml: classes: too few entries"),
        ("detection", {"threshold": 2}, "detection.yaml: threshold"),
        ("detection", {"threshold": "0.5"}, "detection.yaml: threshold"),
        (
            "detection",
            {"operators": {"EMAIL_ADDRESS": "hash"}},
            "operators.EMAIL_ADDRESS: not one of the allowed",
        ),
        (
            "retention",
            {"rules": [{"id": "x", "record": "memory", "max_days": 0, "why": "w"}]},
            "rules[0].max_days",
        ),
        (
            "retention",
            {"rules": [{"id": "x", "record": "notes", "max_days": 1, "why": "w"}]},
            "rules[0].record",
        ),
        ("access", {"rules": [{"id": "x"}]}, "access.yaml: rules[0].effect: required key is missing"),
    ],
)
def test_schema_errors_name_file_and_key(
    tmp_path: Path, stem: str, change: dict[str, Any], message: str
) -> None:
    files = packs.root()
    files[f"{stem}.yaml"] |= change
    target = packs.write(tmp_path, {**files, "pack.yaml": {**files["pack.yaml"], "id": "small"}})
    (target / "pack.yaml").write_text(json.dumps(files["pack.yaml"]), encoding="utf-8")
    error = refused(target)
    assert error.code == "policy.schema"
    assert message in str(error)


def test_hostile_keys_are_shortened_in_errors(tmp_path: Path) -> None:
    files = packs.root()
    files["pack.yaml"]["a@b.org\u202e" + "x" * 500] = 1
    assert str(refused(packs.write(tmp_path, files))).startswith("pack.yaml: a?b.org?xxx")
    assert len(str(refused(packs.write(tmp_path, files)))) < 150


@pytest.mark.parametrize("stem", ["taxonomy", "detection", "purposes", "access", "retention"])
def test_a_root_pack_has_every_file(tmp_path: Path, stem: str) -> None:
    error = refused(packs.write(tmp_path, packs.root(**{stem: None})))
    assert error.code == "policy.missing"
    assert f"{stem}.yaml" in str(error)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("notes.yaml", "policy.file"),
        ("access.yml", "policy.file"),
        ("access.json", "policy.file"),
        ("tests.yaml", "policy.file"),
        (".hidden", "policy.file"),
        ("tests/notes.txt", "policy.file"),
        ("tests/Upper.yaml", "policy.file"),
        ("disclosure.yaml", "policy.engine"),
        ("approvals.yaml", "policy.engine"),
        ("crypto.yaml", "policy.engine"),
    ],
)
def test_unknown_and_reserved_files_are_refused(tmp_path: Path, name: str, code: str) -> None:
    target = packs.write(tmp_path, packs.root())
    (target / name).write_text("{}", encoding="utf-8")
    error = refused(target)
    assert error.code == code
    assert str(error).startswith(f"{name}: ")


def test_folders_where_files_belong_are_refused(tmp_path: Path) -> None:
    target = packs.write(tmp_path, packs.root(access=None))
    (target / "access.yaml").mkdir()
    assert refused(target).code == "policy.file"
    target = packs.write(tmp_path / "other", packs.root(tests=None))
    (target / "tests").write_text("{}", encoding="utf-8")
    assert refused(target).code == "policy.file"


def test_missing_and_unreadable_packs(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere").code == "policy.missing"
    assert refused(tmp_path / "nul\0").code == "policy.missing"
    (tmp_path / "empty").mkdir()
    assert refused(tmp_path / "empty").code == "policy.missing"
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert refused(tmp_path / "file").code == "policy.missing"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = packs.write(tmp_path, packs.root())
    honest = Path.open

    def broken(self: Path, *args: Any, **kwargs: Any) -> Any:
        if self.name == "detection.yaml":
            raise PermissionError(13, "denied", str(self))
        return honest(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", broken)
    error = refused(target)
    assert error.code == "policy.missing"
    assert "detection.yaml" in str(error)


def test_size_limits(tmp_path: Path) -> None:
    target = packs.write(tmp_path, packs.root())
    (target / "access.yaml").write_text("#" * 300_000, encoding="utf-8")
    assert refused(target).code == "policy.size"
    target = packs.write(tmp_path / "many", packs.root())
    for number in range(64):
        (target / "tests" / f"t{number}.yaml").write_text("{}", encoding="utf-8")
    assert refused(target).code == "policy.size"


def test_a_pack_for_a_newer_engine_is_refused(tmp_path: Path) -> None:
    files = packs.root()
    for version in ("0.4.1", "0.10.0", "1.0.0"):
        files["pack.yaml"]["min_engine"] = version
        assert refused(packs.write(tmp_path / version, files)).code == "policy.engine"


# --- references ---

PERIOD: dict[str, Any] = {"id": "x", "record": "memory", "why": "w"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"actions": ["memory.sell"]}, "policy.unknown"),
        ({"actions": ["state"]}, "policy.schema"),
        ({"actions": ["vault.open"]}, "policy.unknown"),
        ({"actions": ["nothing.*"]}, "policy.unknown"),
        ({"actions": ["mem*"]}, "policy.schema"),
        ({"actions": ["*.add"]}, "policy.schema"),
        ({"actions": []}, "policy.schema"),
        ({"actions": ["*"]}, "policy.rule"),
        ({"purposes": None}, "policy.rule"),
        ({"roles": None}, "policy.rule"),
        ({"purposes": []}, "policy.rule"),
        ({"purposes": ["marketing"]}, "policy.unknown"),
        ({"roles": ["guest"]}, "policy.unknown"),
        ({"controls": ["gdpr.99"]}, "policy.unknown"),
        ({"classes": ["contact"]}, "policy.rule"),
        ({"actions": ["memory.reveal"]}, "policy.rule"),
        ({"actions": ["memory.reveal", "memory.get"], "classes": ["contact"]}, "policy.rule"),
        ({"actions": ["memory.reveal"], "classes": ["finance"]}, "policy.unknown"),
        ({"actions": ["memory.reveal"], "classes": ["US_SSN"]}, "policy.unknown"),
        ({"effect": "forbid", "classes": ["contact"]}, "policy.rule"),
        ({"effect": "allow"}, "policy.schema"),
        ({"id": "app-all"}, "policy.conflict"),
        ({"id": "no-secrets"}, "policy.conflict"),
    ],
)
def test_rules_that_do_not_hold_together_are_refused(
    tmp_path: Path, fields: dict[str, Any], code: str
) -> None:
    files = packs.root()
    files["access.yaml"]["rules"].append(packs.permit(**fields))
    error = refused(packs.write(tmp_path, files))
    assert error.code == code
    assert str(error).startswith("access.yaml: rule")


@pytest.mark.parametrize(
    ("stem", "change", "code"),
    [
        ("detection", {"required": ["US_SSN"]}, "policy.unknown"),
        ("detection", {"operators": {"US_SSN": "token"}}, "policy.unknown"),
        ("detection", {"default_operator": None}, "policy.schema"),
        ("detection", {"threshold": None}, "policy.schema"),
        ("retention", {"rules": [{"id": "x", "record": "memory", "why": "w"}]}, "policy.rule"),
        ("retention", {"rules": [PERIOD | {"min_days": 1, "trigger": "updated"}]}, "policy.rule"),
        ("retention", {"rules": [PERIOD | {"max_days": 1, "trigger": "used"}]}, "policy.schema"),
        ("retention", {"rules": [PERIOD | {"max_days": 1, "action": "archive"}]}, "policy.schema"),
        ("retention", {"rules": [PERIOD | {"max_days": 0}]}, "policy.schema"),
        ("retention", {"rules": [PERIOD | {"record": "audit", "max_days": 4000}]}, "policy.engine"),
    ],
)
def test_other_broken_references(tmp_path: Path, stem: str, change: dict[str, Any], code: str) -> None:
    files = packs.root()
    content = {**files[f"{stem}.yaml"], **change}
    files[f"{stem}.yaml"] = {key: value for key, value in content.items() if value is not None}
    assert refused(packs.write(tmp_path, files)).code == code


def test_controls_are_declared_wherever_they_stand(tmp_path: Path) -> None:
    for name, path in (
        ("taxonomy.yaml", ("classes", "contact")),
        ("purposes.yaml", ("purposes", "care")),
        ("access.yaml", ("rules", 0)),
        ("retention.yaml", ("rules", 0)),
        ("rights.yaml", ("erasure",)),
        ("rights.yaml", ("tenant_erasure",)),
        ("rights.yaml", ("hold_release",)),
        ("rights.yaml", ("grounds", "gdpr.17.1.a")),
    ):
        files = packs.root()
        target: Any = files[name]
        for step in path:
            target = target[step]
        target["controls"] = ["iso.27001"]
        error = refused(packs.write(tmp_path / name / "-".join(map(str, path)), files))
        assert error.code == "policy.unknown"
        assert str(error).startswith(f"{name}: ")


def test_an_entity_has_one_class(tmp_path: Path) -> None:
    files = packs.root()
    files["taxonomy.yaml"]["classes"]["date"]["entities"].append("PASSWORD")
    error = refused(packs.write(tmp_path, files))
    assert error.code == "policy.conflict"
    assert "PASSWORD is in both date and secret" in str(error)


def test_a_minimum_over_a_maximum_names_both_rules(tmp_path: Path) -> None:
    files = packs.root()
    files["retention.yaml"]["rules"].append(
        {"id": "long-facts", "record": "memory", "min_days": 1001, "why": "w"}
    )
    error = refused(packs.write(tmp_path, files))
    assert error.code == "policy.conflict"
    assert "small/facts" in str(error)
    assert "small/long-facts" in str(error)


def test_several_periods_of_one_pack_tighten_each_other(tmp_path: Path) -> None:
    files = packs.root()
    files["retention.yaml"]["rules"] += [
        {"id": "facts-short", "record": "memory", "max_days": 90, "why": "w"},
        {"id": "facts-long", "record": "memory", "max_days": 4000, "min_days": 3, "why": "w"},
        {"id": "log-long", "record": "audit", "min_days": 2192, "why": "w"},
    ]
    policy = load(packs.write(tmp_path, files))
    assert (policy.retention["memory"].min_days, policy.retention["memory"].max_days) == (3, 90)
    assert policy.retention["memory"].max_rule == "small/facts-short"
    assert policy.retention["audit"].min_days == 2192


# --- coverage (G10) ---


def test_a_required_class_without_detector_stops_the_start(tmp_path: Path) -> None:
    policy = load(packs.write(tmp_path, packs.root()))
    check_coverage(policy, frozenset({"EMAIL_ADDRESS", "URL"}))
    with pytest.raises(PolicyInvalidError, match="requires a detector for: EMAIL_ADDRESS") as caught:
        check_coverage(policy, frozenset({"URL"}))
    assert caught.value.code == "policy.coverage"


def test_read_answers_files_and_policy(tmp_path: Path) -> None:
    pack, policy = read(packs.write(tmp_path, packs.root()))
    assert pack.name == policy.name == "small"
    assert pack.digest == policy.digest
    assert list(pack.tests) == ["tests/access.yaml"]


def test_no_wildcard_permits_searching_several_people(tmp_path: Path) -> None:
    files = packs.root()
    files["access.yaml"]["rules"].append(
        packs.permit(actions=["subject.*"], roles=["nurse"], purposes=["care"])
    )
    policy = load(packs.write(tmp_path, files))
    assert policy.decide(Request("subject.find_mentions", "care", ("nurse",))).permit
    assert not policy.decide(Request("subject.search", "care", ("nurse",))).permit
    files["access.yaml"]["rules"][-1]["actions"] = ["subject.search"]
    assert (
        load(packs.write(tmp_path / "named", files))
        .decide(Request("subject.search", "care", ("nurse",)))
        .permit
    )
