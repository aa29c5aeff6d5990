"""Loading a pack: files, schema, digest, extended packs, policy.

A pack is a folder of YAML files. Nothing in it is optional to understand: an unknown file or key, a broken
reference or a newer rule language is a load error that names the file and the key path, never a value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

import rfc8785
from pydantic import BaseModel, ValidationError

from vault.errors import PolicyInvalidError
from vault.policy import safe_yaml
from vault.policy.combine import Pack, combine
from vault.policy.coverage import Measured, check_coverage
from vault.policy.decide import Decision, Policy, Request
from vault.policy.locate import MANIFEST, is_name, shipped
from vault.policy.model import (
    ENGINE,
    FILES,
    RESERVED,
    AccessFile,
    DetectionFile,
    PackFile,
    PurposesFile,
    RetentionFile,
    RightsFile,
    TaxonomyFile,
    TelemetryFile,
    TestsFile,
)

__all__ = [
    "Decision",
    "Measured",
    "Pack",
    "Policy",
    "Request",
    "check_coverage",
    "load",
    "read",
    "shipped",
]

MAX_FILES: Final = 64
MAX_EXTENDS_DEPTH: Final = 8
TESTS_FOLDER: Final = "tests"
_DIGEST_LABEL: Final = b"pmv/policy/v1\x00"
_IGNORED: Final = frozenset(
    {"README.md", "LICENSE", "NOTICE"}
)  # for people; not read, not part of the digest
_NEEDED_BY_ROOT: Final = ("taxonomy", "detection", "purposes", "access", "retention")
_MESSAGES: Final[Mapping[str, str]] = {
    "extra_forbidden": "unknown key",
    "missing": "required key is missing",
    "literal_error": "not one of the allowed words",
    "string_pattern_mismatch": "not of the required form",
    "too_short": "too few entries",
    "too_long": "too many entries",
}

_Model = TypeVar("_Model", bound=BaseModel)


def load(name_or_path: str | Path) -> Policy:
    """The policy of a shipped pack (by name) or of a pack folder (by path).

    Raises PolicyInvalidError: policy.missing, policy.file, policy.size, policy.yaml, policy.schema,
    policy.unknown, policy.rule, policy.engine, policy.extends, policy.relaxed, policy.conflict.
    """
    return _Loader().policy(_folder(name_or_path))


def read(name_or_path: str | Path) -> tuple[Pack, Policy]:
    """The parsed files of a pack, its tests among them, with its policy. Raises what `load` raises."""
    loader = _Loader()
    folder = _folder(name_or_path)
    policy = loader.policy(folder)
    return loader.packs[folder], policy


def _folder(name_or_path: str | Path) -> Path:
    if isinstance(name_or_path, str) and is_name(name_or_path):
        return shipped(name_or_path)
    return Path(name_or_path)


class _Loader:
    """Loads a pack after those it extends, each once."""

    def __init__(self) -> None:
        self.packs: dict[Path, Pack] = {}
        self._policies: dict[Path, Policy] = {}
        self._open: list[Path] = []

    def policy(self, folder: Path) -> Policy:
        if folder in self._policies:
            return self._policies[folder]
        if folder in self._open or len(self._open) >= MAX_EXTENDS_DEPTH:
            raise PolicyInvalidError("policy.extends", "pack.yaml: extends: a cycle, or nested too deeply")
        self._open.append(folder)
        files = _parsed(folder)
        manifest = _manifest(files)
        parents = [self._parent(folder, manifest, index) for index in range(len(manifest.extends))]
        pack = _pack(manifest, files, {parent.name: parent.digest for parent in parents})
        self._open.pop()
        self.packs[folder] = pack
        self._policies[folder] = combine(pack, parents)
        return self._policies[folder]

    def _parent(self, folder: Path, manifest: PackFile, index: int) -> Policy:
        """A shipped pack, else one beside this pack's folder; its id has to be the name asked for."""
        where, name = f"pack.yaml: extends[{index}]", manifest.extends[index]
        if name in manifest.extends[:index]:
            raise PolicyInvalidError("policy.extends", f"{where}: named twice")
        try:
            found = shipped(name)
        except PolicyInvalidError:
            found = folder.parent / name
            if not (found / MANIFEST).is_file():
                raise PolicyInvalidError("policy.missing", f"{where}: no such pack") from None
        parent = self.policy(found)
        if parent.name != name:
            raise PolicyInvalidError("policy.extends", f"{where}: the pack found there has another id")
        return parent


def _parsed(folder: Path) -> dict[str, bytes]:
    """Every file of the folder by its name within it, as canonical JSON."""
    return {name: _canonical(_bytes(path, name), name) for name, path in _listed(folder)}


@lru_cache(maxsize=4 * MAX_FILES)
def _canonical(data: bytes, name: str) -> bytes:
    """The same bytes are parsed once in a process: reading YAML is most of what opening a vault takes."""
    return rfc8785.dumps(safe_yaml.load(data, name))


def _listed(folder: Path) -> list[tuple[str, Path]]:
    try:
        entries = sorted(folder.iterdir())
        tests = sorted((folder / TESTS_FOLDER).iterdir()) if (folder / TESTS_FOLDER).is_dir() else []
    except (OSError, ValueError):
        raise PolicyInvalidError("policy.missing", "the pack is not a readable folder") from None
    files: list[tuple[str, Path]] = []
    for entry in entries:
        stem, _, suffix = entry.name.rpartition(".")
        if entry.name in _IGNORED or (entry.name == TESTS_FOLDER and entry.is_dir()):
            continue
        if stem in RESERVED and suffix == "yaml":
            raise PolicyInvalidError("policy.engine", f"{stem}.yaml: this engine does not enforce it")
        if suffix != "yaml" or stem not in FILES or stem == TESTS_FOLDER or not entry.is_file():
            raise PolicyInvalidError("policy.file", f"{_printable(entry.name)}: not a file of a pack")
        files.append((entry.name, entry))
    for entry in tests:
        name = f"{TESTS_FOLDER}/{entry.name}"
        if not (is_name(entry.stem) and entry.suffix == ".yaml" and entry.is_file()):
            raise PolicyInvalidError("policy.file", f"{_printable(name)}: not a file of a pack")
        files.append((name, entry))
    if len(files) > MAX_FILES:
        raise PolicyInvalidError("policy.size", f"a pack has at most {MAX_FILES} files")
    return files


def _bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(safe_yaml.MAX_FILE_BYTES + 1)
    except OSError:
        raise PolicyInvalidError("policy.missing", f"{name}: cannot be read") from None


def _manifest(files: Mapping[str, bytes]) -> PackFile:
    if MANIFEST not in files:
        raise PolicyInvalidError("policy.missing", "pack.yaml: the folder has none")
    manifest = _validated(PackFile, MANIFEST, files[MANIFEST])
    if tuple(int(part) for part in manifest.min_engine.split(".")) > ENGINE:
        raise PolicyInvalidError("policy.engine", "pack.yaml: min_engine: the pack needs a newer engine")
    for stem in () if manifest.extends else _NEEDED_BY_ROOT:
        if f"{stem}.yaml" not in files:
            raise PolicyInvalidError("policy.missing", f"{stem}.yaml: needed by a pack that extends none")
    return manifest


def _pack(manifest: PackFile, files: Mapping[str, bytes], parents: Mapping[str, str]) -> Pack:
    def read(model: type[_Model], name: str) -> _Model | None:
        return _validated(model, name, files[name]) if name in files else None

    tests = {
        name: _validated(TestsFile, name, data)
        for name, data in files.items()
        if name.startswith(f"{TESTS_FOLDER}/")
    }
    return Pack(
        manifest=manifest,
        taxonomy=read(TaxonomyFile, "taxonomy.yaml"),
        detection=read(DetectionFile, "detection.yaml"),
        purposes=read(PurposesFile, "purposes.yaml"),
        access=read(AccessFile, "access.yaml"),
        retention=read(RetentionFile, "retention.yaml"),
        rights=read(RightsFile, "rights.yaml"),
        telemetry=read(TelemetryFile, "telemetry.yaml"),
        tests=tests,
        digest=_digest(files, parents),
    )


def _digest(canonical: Mapping[str, bytes], parents: Mapping[str, str]) -> str:
    """SHA-256 over RFC 8785 JSON of {"extends": {name: digest}, "files": {name: content}}.

    Canonical members in the order of their names are canonical JSON again: file names are ASCII.
    """
    members = b",".join(rfc8785.dumps(name) + b":" + canonical[name] for name in sorted(canonical))
    body = b'{"extends":' + rfc8785.dumps(dict(parents)) + b',"files":{' + members + b"}}"
    return hashlib.sha256(_DIGEST_LABEL + body).hexdigest()


def _validated(model: type[_Model], name: str, data: bytes) -> _Model:
    try:
        return model.model_validate_json(data)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_context=False, include_input=False)[0]
        path = "".join(_step(part) for part in first["loc"]).lstrip(".")
        reason = _MESSAGES.get(first["type"], "not of the required type or size")
        raise PolicyInvalidError("policy.schema", f"{name}: {path}: {reason}") from None


def _step(part: int | str) -> str:
    return f"[{part}]" if isinstance(part, int) else f".{_printable(part)}"


def _printable(name: str) -> str:
    """A file name or key as errors may show it: shortened, and letters, digits and a few marks only."""
    return "".join(char if char.isalnum() or char in "-_./" else "?" for char in name[:64])
