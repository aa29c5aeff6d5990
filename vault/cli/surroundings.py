"""What `doctor` can say without opening the vault: this machine, this process, this file system."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vault.flows.inspect import Check

NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs", "glusterfs"})


def checks(folder: Path) -> Iterator[Check]:
    """Python, locks, memory, core dumps, swap, and what kind of file system the vault is on."""
    yield Check(
        "platform", "ok", f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    if importlib.util.find_spec("fcntl") is None:
        yield Check(
            "platform", "fail", "this platform has no flock: several processes must not share a vault"
        )
    else:
        yield Check("platform", "ok", "flock, fork handlers and file modes are available")
    yield _file_system(folder)
    yield from _memory()


def _file_system(folder: Path) -> Check:
    kind = file_system(folder, _read("/proc/self/mounts"))
    if kind is None:
        return Check(
            "platform", "warn", "the kind of file system cannot be told here; locks and fsync must work on it"
        )
    if kind in NETWORK:
        return Check(
            "platform", "fail", f"the vault is on {kind}: locks and fsync are not reliable over a network"
        )
    return Check("platform", "ok", f"the vault is on a local file system ({kind})")


def file_system(folder: Path, mounts: str) -> str | None:
    """The type of the mount that holds `folder`, from the text of /proc/self/mounts."""
    place, best, kind = str(folder.absolute()), -1, None
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) < 3:
            continue
        mount = words[1].replace("\\040", " ")
        inside = place == mount or place.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= best:
            best, kind = len(mount), words[2]
    return kind


def _memory() -> Iterator[Check]:
    yield Check(
        "memory",
        "warn",
        "keys are wiped after use, but Python memory is not locked: texts and keys may be swapped",
    )
    if sys.platform == "win32":
        return
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_CORE)
    if soft == 0:
        yield Check("memory", "ok", "core dumps are off for this process")
    else:
        yield Check(
            "memory", "warn", "core dumps are on: a crash may write keys and texts to disk (ulimit -c 0)"
        )
    lines = _read("/proc/swaps").splitlines()
    if len(lines) > 1:
        yield Check("memory", "warn", "swap is on: see that it is encrypted")
    elif lines:
        yield Check("memory", "ok", "swap is off")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
