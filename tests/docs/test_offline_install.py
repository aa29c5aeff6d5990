"""`pip install --no-index --find-links FOLDER memvault` into an empty environment, and the result works.

The folder holds memvault's own wheel, built here, and one wheel per package it needs. The second kind is
packed again from the files that are installed beside this suite, so that the test needs no network either;
the full-size test collects them as docs/install-offline.md says, from a registry.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}  # what an installer added


def needed(requirements: Iterable[str], extra: str = "") -> dict[str, Distribution]:
    """The installed distributions that the requirements need, and what those need."""
    found: dict[str, Distribution] = {}
    waiting = [(Requirement(text), extra) for text in requirements]
    while waiting:
        requirement, wanted = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": wanted}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            found[name] = distribution(name)
            for part in {"", *requirement.extras}:
                waiting += [(Requirement(text), part) for text in found[name].requires or ()]
    return found


def pack(installed: Distribution, folder: Path) -> Path:
    """The wheel that an installed distribution came from, without what its installer added (PEP 427)."""
    tags = re.findall(r"^Tag: (\S+)-(\S+)-(\S+)$", installed.read_text("WHEEL") or "", re.MULTILINE)
    python, abi, platform = (".".join(sorted(set(parts))) for parts in zip(*tags, strict=True))
    files = [
        file
        for file in installed.files or ()
        if ".." not in file.parts and file.suffix != ".pyc" and file.name not in LEFT_OUT
    ]
    (info,) = {file.parts[0] for file in files if file.parts[0].endswith(".dist-info")}
    path = folder / f"{info.removesuffix('.dist-info')}-{python}-{abi}-{platform}.whl"
    record = []
    with zipfile.ZipFile(path, "w") as wheel:
        for file in files:
            data = Path(str(installed.locate_file(file))).read_bytes()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f'"{file}",sha256={digest},{len(data)}')
            wheel.writestr(str(file), data)
        wheel.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,"]) + "\n")
    return path


def run(*arguments: str | Path, folder: Path, text: str = "") -> str:
    """Run in an environment that knows no registry, no configuration and no home but the folder."""
    environment = {
        "HOME": str(folder),
        "PATH": os.defpath,
        "USER": "operator",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(
        [str(argument) for argument in arguments],
        cwd=folder,
        env=environment,
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{arguments[:4]} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def own_wheel(folder: Path) -> Path:
    run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        folder,
        ROOT,
        folder=folder,
    )
    (wheel,) = folder.glob("memvault-*.whl")
    return wheel


def install_and_use(wheels: Path, folder: Path) -> None:
    venv.create(folder / "empty", with_pip=True)
    python = folder / "empty" / "bin" / "python"
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-compile",
        "--find-links",
        wheels,
        "memvault",
        folder=folder,
    )
    run(python, "-m", "pip", "check", folder=folder)
    memvault = folder / "empty" / "bin" / "memvault"
    run(memvault, "init", folder / "clinic", folder=folder)
    vault = ("--vault", str(folder / "clinic"), "--user", "pat-1")
    fact = "Allergic to penicillin; write to nurse@example.org"
    run(memvault, *vault, "add", folder=folder, text=fact)
    found = run(memvault, *vault, "search", "which drugs to avoid?", folder=folder)
    assert "penicillin" in found
    assert "nurse@example.org" not in found
    run(memvault, *vault, "audit", "verify", folder=folder)
    run(memvault, "demo", folder=folder)


def test_the_wheel_carries_what_it_needs_at_run_time(tmp_path: Path) -> None:
    with zipfile.ZipFile(own_wheel(tmp_path)) as wheel:
        names = wheel.namelist()
    packs = {path.relative_to(ROOT / "policies") for path in (ROOT / "policies").rglob("*.yaml")}
    assert packs
    assert {f"vault/policy/packs/{path}" for path in packs} <= set(names)
    assert any(
        name.startswith("vault/embedding/") and name.endswith((".npz", ".npy", ".safetensors", ".bin"))
        for name in names
    )
    assert any(name.endswith("licenses/LICENSE") for name in names)
    strangers = {name.partition("/")[0] for name in names} - {"vault"}
    assert all(stranger.endswith(".dist-info") for stranger in strangers)


@pytest.mark.slow
def test_installing_from_a_folder_of_wheels_gives_a_working_vault(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    own_wheel(wheels)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for installed in needed(project["dependencies"]).values():
        pack(installed, wheels)
    install_and_use(wheels, tmp_path)


@pytest.mark.soak
def test_collecting_wheels_from_a_registry_as_documented(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    documented = (ROOT / "docs" / "install-offline.md").read_text(encoding="utf-8")
    assert "pip wheel --wheel-dir wheels ." in documented
    assert "pip install --no-index --find-links wheels memvault" in documented
    collect = [sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", str(wheels), "."]
    subprocess.run(collect, cwd=ROOT, check=True, timeout=600)
    install_and_use(wheels, tmp_path)
