"""The reference pages against the code: what is missing from a page is found here, not by a reader."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

import vault.errors
from vault.config import VaultConfig
from vault.errors import VaultError

ROOT = Path(__file__).resolve().parents[2]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows(text: str) -> list[list[str]]:
    """The cells of every table row."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|") and not line.startswith(("|--", "|:-"))
    ]


def sections(text: str, level: int) -> dict[str, str]:
    """Heading to body, for headings of one level; a body ends at the next of that level or above."""
    found: dict[str, str] = {}
    heading = None
    for line in text.splitlines():
        match = re.match(r"(#+) (.*)", line)
        if match and len(match[1]) <= level:
            heading = match[2].strip() if len(match[1]) == level else None
            if heading is not None:
                found[heading] = ""
        elif heading is not None:
            found[heading] += line + "\n"
    return found


# --- errors ---

ERRORS = {
    name: kind
    for name, kind in inspect.getmembers(vault.errors, inspect.isclass)
    if issubclass(kind, VaultError)
}


def raised() -> Iterator[tuple[str, str]]:
    """(class, code) wherever an error is built with a literal code."""
    for path in sorted((ROOT / "vault").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            code = node.args[0]
            if name in ERRORS and isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield name, code.value


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_is_documented_with_its_status_and_exit_code(name: str) -> None:
    kind = ERRORS[name]
    (row,) = [row for row in rows(page("docs/errors.md")) if row[0] == f"`{name}`"]
    assert row[-2:] == [str(kind.status), str(kind.exit_code)]


def test_every_code_begins_as_documented() -> None:
    prefixes = {
        row[0].strip("`"): re.findall(r"`([a-z_]+\.)`", row[2]) for row in rows(page("docs/errors.md"))[1:]
    }
    undocumented = {
        f"{name}: {code}"
        for name, code in raised()
        if prefixes[name] and not code.startswith(tuple(prefixes[name]))
    }
    assert not undocumented


def test_codes_named_on_the_operator_page_exist() -> None:
    codes = {code for _, code in raised()} | set(re.findall(r'"([a-z]+\.[a-z_]+)"', page("vault/storage.py")))
    areas = {code.partition(".")[0] for code in codes}
    named = {
        code
        for code in re.findall(r"`([a-z]+\.[a-z_]+)`", page("docs/operations.md"))
        if code.partition(".")[0] in areas and not code.endswith((".md", ".py", ".db", ".toml"))
    }
    settings = {f"{section}.{key}" for section, model in config_sections() for key in model.model_fields}
    assert named
    assert not named - codes - settings


def test_every_exit_code_is_on_the_operator_page() -> None:
    documented = {int(row[0]) for row in rows(page("docs/operations.md")) if row[0].isdigit()}
    assert documented == set(range(12))
    assert {kind.exit_code for kind in ERRORS.values()} <= documented


# --- configuration ---


def config_sections(model: type[BaseModel] = VaultConfig) -> list[tuple[str, type[BaseModel]]]:
    """Every section, those in sections too, as `[keys]` and `[keys.pkcs11]`."""
    found: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found += [(name, kind), *((f"{name}.{inner}", one) for inner, one in config_sections(kind))]
    return found


@pytest.mark.parametrize(("section", "model"), config_sections())
def test_every_configuration_key_is_documented_with_its_default(section: str, model: type[BaseModel]) -> None:
    table = {
        row[0].strip("`"): row[1]
        for row in rows(sections(page("docs/configuration.md"), 2)[f"`[{section}]`"])[1:]
    }
    assert sorted(table) == sorted(model.model_fields)
    for key, field in model.model_fields.items():
        if field.is_required():
            assert table[key] == ("needed" if section.startswith("embedder") else "written by `init`")
        elif field.default is None:
            assert table[key] == "none"
        else:
            assert tomllib.loads(f"default = {table[key].strip('`')}")["default"] == plain(field.default)


def plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def test_every_configuration_section_is_documented() -> None:
    headings = set(sections(page("docs/configuration.md"), 2)) - {"Top level"}
    assert headings == {f"`[{section}]`" for section, _ in config_sections()}


# --- command line ---


def verbs() -> dict[str, list[str]]:
    """Every command, as typed, with its long options; derived from the application itself."""
    from typer.main import get_command

    from vault.cli.main import app

    found: dict[str, list[str]] = {}

    def walk(command: object, path: tuple[str, ...]) -> None:
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                walk(child, (*path, name))
        if path and not children:
            options = [
                option
                for parameter in getattr(command, "params", [])
                for option in (*parameter.opts, *parameter.secondary_opts)
                if option.startswith("--") and option != "--help"
            ]
            found[" ".join(path)] = options

    walk(get_command(app), ())
    return found


def test_every_command_and_option_is_documented() -> None:
    documented = {
        heading.removeprefix("memvault ").strip("`").removeprefix("memvault ").split(" <")[0].strip(): body
        for heading, body in sections(page("docs/cli.md"), 3).items()
    }
    commands = verbs()
    assert len(commands) >= 20
    assert sorted(set(commands) ^ set(documented)) == []
    shared = sections(page("docs/cli.md"), 2)["Options of every command"]
    missing = {
        f"{command} {option}"
        for command, options in commands.items()
        for option in options
        if not re.search(rf"`{re.escape(option)}\b", documented[command] + shared)
    }
    assert not missing


# --- log ---


def test_every_audit_action_is_documented() -> None:
    from vault.audit.events import ACTIONS

    kinds = {action.kind for action in ACTIONS.values()}
    documented = {row[0].strip("`"): row[1] for row in rows(page("docs/audit.md")) if row[1] in kinds}
    actions = {name: action.kind for name, action in ACTIONS.items()}
    assert documented == actions


# --- tests ---


def test_every_test_file_named_anywhere_exists() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    named = {
        (path.name, name)
        for path in pages
        for name in re.findall(r"\btests/[\w/.-]+", path.read_text(encoding="utf-8"))
    }
    assert named
    assert sorted(f"{where}: {name}" for where, name in named if not (ROOT / name.rstrip(".")).exists()) == []
