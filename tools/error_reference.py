"""Write docs/error-codes.md, every code that the source raises, from the source; --check compares."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from vault import errors
from vault.errors import VaultError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "error-codes.md"
KINDS = {
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, VaultError) and kind is not VaultError
}
CODE = re.compile(r"[a-z_0-9<>]+(\.[a-z_0-9<>]+)+")
INTRO = """# Error codes

Every code that the source raises, with its class and what it says, made by `python tools/error_reference.py`; a test
holds that it is current. What to do about a class, its HTTP status and exit code: [Errors](errors.md); about some codes
at three in the morning: [Operations](operations.md). `<argument>` stands for the name of an argument, `...` for a name
or a number, never for content; where nothing stands, the sentence depends on the cause. Codes stay; sentences may
change.

| code | class | says |
|---|---|---|
"""


def text(node: ast.expr | None) -> str:
    """A literal, or an f-string with `...` in the place of what it fills in; nothing for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) or "..." for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return text(node.left) + (text(node.right) or "...")
    return ""


def argument(node: ast.expr) -> str:
    """A code, with `<argument>` where it begins with the name of one."""
    return text(node).replace("...", "<argument>")


def raised() -> Iterator[tuple[str, str, str]]:
    """(code, class, sentence) wherever an error is built with a code that can be read off, or a table of codes is."""
    for path in sorted((ROOT / "vault").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                code = argument(node.args[0])
                if name in KINDS and CODE.fullmatch(code):
                    yield code, name, text(node.args[1]) if len(node.args) > 1 else ""
            elif path.name == "files.py" and isinstance(node, ast.Tuple) and len(node.elts) == 2:
                code, said = text(node.elts[0]), text(node.elts[1])
                if CODE.fullmatch(code) and " " in said:
                    yield code, "StorageError", said


def page() -> str:
    """The whole page."""
    found: dict[tuple[str, str], str] = {}
    for code, name, said in raised():
        found[code, name] = found.get((code, name)) or said
    lines = [
        f"| `{code}` | `{name}` | {' '.join(said.split()).replace('|', chr(92) + '|').replace('<', '&lt;')} |"
        for (code, name), said in sorted(found.items())
    ]
    return INTRO + "\n".join(lines) + "\n"


def main() -> int:
    wanted = page()
    if "--check" in sys.argv[1:]:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == wanted
        if not current:
            print("docs/error-codes.md is out of date: run python tools/error_reference.py")
        return int(not current)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
