"""The YAML subset of packs."""

from __future__ import annotations

import pytest

from vault.errors import PolicyInvalidError
from vault.policy import safe_yaml


def test_plain_values() -> None:
    text = b"""
a: 1
b: [x, true, false, 0.5, 1.0.0, -3, 'yes', "2024-01-01"]
c:
  d: {e: two words, f: []}
  g: >-
    folded
    text
  h: |
    kept
    lines
'42': quoted key
"""
    assert safe_yaml.load(text, "f") == {
        "a": 1,
        "b": ["x", True, False, 0.5, "1.0.0", -3, "yes", "2024-01-01"],
        "c": {"d": {"e": "two words", "f": []}, "g": "folded text", "h": "kept\nlines\n"},
        "42": "quoted key",
    }


def test_line_endings_do_not_matter() -> None:
    text = "a: |\n  one\n  two\nb: 1\n"
    assert safe_yaml.load(text.encode(), "f") == safe_yaml.load(text.replace("\n", "\r\n").encode(), "f")


@pytest.mark.parametrize(
    "plain",
    [
        *("yes", "no", "on", "off", "Yes", "NO", "y", "N", "True", "FALSE"),
        *("", "~", "null", "Null"),
        *("2024-01-01", "2024-01-01T10:00:00Z", "12:30", "1:30:00"),
        *("0x1F", "0o17", "017", "1_000", "+1", "1e3", "1.5e3", ".5", "-.5", "1.", ".inf", ".nan", "-0.5_0"),
        *("12345678901234567890", "=", "<<"),
    ],
)
def test_ambiguous_plain_values_are_refused(plain: str) -> None:
    with pytest.raises(PolicyInvalidError, match=r"f: line 2: ambiguous plain value") as caught:
        safe_yaml.load(f"a: 1\nb: {plain}\n".encode(), "f")
    assert caught.value.code == "policy.yaml"
    assert safe_yaml.load(f"b: '{plain}'".encode(), "f") == {"b": plain}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1", "anchors and aliases"),
        ("a: *x", "anchors and aliases"),
        ("a: &x {b: 1}", "anchors and aliases"),
        ("a: &x [1]", "anchors and aliases"),
        ("a: !!str 1", "tags"),
        ("a: !!python/object/apply:os.system [x]", "tags"),
        ("a: ! x", "tags"),
        ("a: !!set {b: c}", "tags"),
        ("a: 1\nb: 2\na: 3", "line 3: duplicate key"),
        ("a: {b: 1, b: 1}", "duplicate key"),
        ("1: a", "keys must be strings"),
        ("true: a", "keys must be strings"),
        ("? [a]\n: b", "keys must be strings"),
        ("? {a: b}\n: b", "keys must be strings"),
        ("a: 1\n---\nb: 1", "one document"),
        ("%YAML 1.1\n---\na: 1", "without directives"),
        ("- a", "must hold a mapping"),
        ("just text", "must hold a mapping"),
        ("", "must hold a mapping"),
        ("# nothing", "must hold a mapping"),
        ("a: [1", "not well-formed"),
        ("a: 'x", "not well-formed"),
        ("\ta: 1", "not well-formed"),
        ("a: \x07", "not well-formed"),
        ('a: "\\0"', "control characters"),
        ('a: "\\u009b"', "control characters"),
        ("a: " + "[" * 13 + "]" * 13, "nested too deeply"),
        ("a: [" + "x, " * 20_001 + "]", "too many values"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(PolicyInvalidError, match=message) as caught:
        safe_yaml.load(text.encode(), "f")
    assert caught.value.code == "policy.yaml"
    assert str(caught.value).startswith("f: ")


def test_only_utf8_and_only_small_files() -> None:
    with pytest.raises(PolicyInvalidError, match="not UTF-8"):
        safe_yaml.load(b"a: \xff", "f")
    with pytest.raises(PolicyInvalidError, match="larger than") as caught:
        safe_yaml.load(b"#" * (safe_yaml.MAX_FILE_BYTES + 1), "f")
    assert caught.value.code == "policy.size"


def test_errors_are_silent_about_content() -> None:
    canary = "canary@example.org"
    for text in (
        f"a: &{canary[:6]} {canary}",
        f"{canary}: 1\n{canary}: 2",
        f"a: '{canary}",
        f"a: !{canary} 1",
    ):
        with pytest.raises(PolicyInvalidError) as caught:
            safe_yaml.load(text.encode(), "f")
        assert "canary" not in f"{caught.value} {caught.value!r}"
