"""Write docs/error-codes.md and vault/observe/codes.py: every code that the source raises; --check compares."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from vault import errors
from vault.errors import VaultError

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "error-codes.md"
MODULE = ROOT / "vault" / "observe" / "codes.py"
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


def module() -> str:
    """The module of the codes that stand in the source as they are, without those that an argument names."""
    codes = sorted({code for code, _, _ in raised() if "<" not in code})
    words = "\n".join(textwrap.wrap(" ".join(codes), 110, break_on_hyphens=False))
    head, _, rest = MODULE.read_text(encoding="utf-8").partition('_WORDS: Final = """\n')
    return head + '_WORDS: Final = """\n' + words + '\n"""' + rest.partition('"""')[2]


def main() -> int:
    wanted = {PAGE: page(), MODULE: module()}
    if "--check" in sys.argv[1:]:
        stale = [path for path, text in wanted.items() if path.read_text(encoding="utf-8") != text]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is out of date: run python tools/error_reference.py")
        return int(bool(stale))
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
