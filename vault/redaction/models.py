"""Optional models for detectors: what they are called, where they are on this machine, and how one is fetched.

    spacy/NAME          a spaCy pipeline: an installed package
    transformers/NAME   a token classifier for Hugging Face's transformers, in its cache
    gliner/NAME         a GLiNER model, in the same cache

A NAME that begins with "." or "/" is a folder that holds the model. Looking one up never asks the network; only the
command that `fetching` answers does, and only `memvault models install` runs it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, cast, get_args

from vault.errors import ConfigError

Kind = Literal["spacy", "transformers", "gliner"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

_PACKAGE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9][\w.-]{0,95})?", re.ASCII)
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+-]{0,40}|[0-9a-f]{7,40}")
_MARK: Final[Mapping[Kind, str]] = {
    "spacy": "meta.json",
    "transformers": "config.json",
    "gliner": "gliner_config.json",
}
_READ_WHOLE: Final = 1 << 20  # bytes of a model's file that its fingerprint covers; of larger ones the size


@dataclass(frozen=True, slots=True)
class Model:
    """A model by kind and name; `name` is a package, a repository or a folder."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"

    @property
    def is_folder(self) -> bool:
        return self.name.startswith((".", "/"))


def parse(text: str, *, beside: Path | None = None) -> Model:
    """`kind/NAME` as a model; a relative folder is one `beside` the vault. Raises ConfigError `models.name`."""
    kind, _, name = text.partition("/")
    known = kind in KINDS and (
        name.startswith((".", "/")) or (_PACKAGE if kind == "spacy" else _REPOSITORY).fullmatch(name)
    )
    if not known:
        raise ConfigError("models.name", f"a model is named {' or '.join(f'{one}/NAME' for one in KINDS)}")
    if name.startswith(".") and beside is not None:
        name = str((beside / name).resolve())
    return Model(cast("Kind", kind), name)


def locate(model: Model) -> str:
    """Where a model is: the package's name, or a folder. Raises ConfigError `models.missing` naming the command."""
    if model.is_folder:
        if (Path(model.name) / _MARK[model.kind]).is_file():
            return model.name
        raise ConfigError("models.missing", f"the folder given for a {model.kind} model holds none")
    found = _package(model.name) if model.kind == "spacy" else _cached(model.name)
    if found is None:
        raise ConfigError(
            "models.missing", f"the model {model} is not installed: run `memvault models install {model}`"
        )
    return found


def fingerprint(model: Model) -> str:
    """What a detector's version says of a model: a package's release, or a digest over a folder's files."""
    place = locate(model)
    if place == model.name and not model.is_folder:
        return f"{model}-{importlib.metadata.version(model.name)}"
    digest = sha256()
    for path in sorted(path for path in Path(place).rglob("*") if path.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(place)}\0{size}\0".encode())
        if size <= _READ_WHOLE:
            digest.update(path.read_bytes())
    name = Path(model.name).name if model.is_folder else model.name
    return f"{model.kind}/{name}-{digest.hexdigest()[:12]}"


def fetching(model: Model, place: str | None, version: str | None = None) -> list[str]:
    """The command that fetches a model: pip for spaCy, Hugging Face's own client for the others.

    `place` is a wheel, a folder of wheels or an index address; None asks the index pip is set up with. Raises
    ConfigError `models.name` for what cannot be fetched.
    """
    if model.is_folder:
        raise ConfigError("models.name", "a folder is used where it is; there is nothing to install")
    if version is not None and not _VERSION.fullmatch(version):
        raise ConfigError("models.name", "a version is digits, letters, dots, + and -")
    if model.kind != "spacy":
        if place is not None:
            raise ConfigError(
                "models.name", "only spaCy models are installed from a place; name a folder instead"
            )
        revision = [] if version is None else ["--revision", version]
        return [sys.executable, "-m", "huggingface_hub.cli.hf", "download", model.name, *revision]
    wanted = model.name if version is None else f"{model.name}=={version}"
    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps"]
    if place is None:
        return [*pip, wanted]
    if "://" in place:
        if not place.startswith("https://"):
            raise ConfigError("models.name", "an index address begins with https://")
        return [*pip, "--index-url", place, wanted]
    where = Path(place).expanduser()
    if where.is_dir():
        return [*pip, "--no-index", "--find-links", str(where), wanted]
    if where.suffix == ".whl" and where.is_file():
        return [*pip, "--no-index", str(where)]
    raise ConfigError("models.place", "there is no wheel and no folder of that name")


def installed() -> list[tuple[Model, str]]:
    """The models on this machine that a name finds, each with its version, or "" where it has none."""
    packages = importlib.metadata.entry_points(group="spacy_models")
    found = [(Model("spacy", one.name), importlib.metadata.version(one.name)) for one in packages]
    for repository in sorted(_cache().glob("models--*")) if _cache().is_dir() else ():
        name = repository.name.removeprefix("models--").replace("--", "/")
        snapshot = _snapshot(repository)
        if snapshot is not None:
            kinds = [kind for kind in KINDS if kind != "spacy" and (snapshot / _MARK[kind]).is_file()]
            found += [(Model(kind, name), snapshot.name[:12]) for kind in kinds]
    return found


def required_module(kind: Kind) -> str:
    """The package a kind of model runs in. Raises ConfigError `models.runtime` where it is not installed."""
    if importlib.util.find_spec(kind) is None:
        raise ConfigError("models.runtime", f"models of this kind need the package {kind}")
    return kind


def _package(name: str) -> str | None:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return None
    return name


def _cached(name: str) -> str | None:
    """The folder of a repository in Hugging Face's cache, where the model was fetched whole."""
    snapshot = _snapshot(_cache() / ("models--" + name.replace("/", "--")))
    return str(snapshot) if snapshot is not None else None


def _cache() -> Path:
    home: Callable[[str], str | None] = os.environ.get
    base = home("HF_HOME") or f"{home('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(home("HF_HUB_CACHE") or f"{base}/hub").expanduser()


def _snapshot(repository: Path) -> Path | None:
    try:
        revision = (repository / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    folder = repository / "snapshots" / revision
    return folder if re.fullmatch(r"[0-9a-f]{40}", revision) and folder.is_dir() else None
