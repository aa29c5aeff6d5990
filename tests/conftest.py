"""Fixtures: a fresh vault per test, sessions in it, and third-party data where it is at hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vault import Principal, Session, Vault

APP = ("app",)
MEMORY = Path("/dev/shm")
ENOUGH = 4 << 30  # bytes; a test removes what it wrote when it has passed, so a run needs far less


def pytest_configure(config: pytest.Config) -> None:
    """Folders of tests are in memory where there is room: a killed process leaves the same, a sync costs nothing.

    Tests at full size stay on the disk, which they may fill.
    """
    chosen = config.getoption("basetemp") is not None or "PYTEST_DEBUG_TEMPROOT" in os.environ
    if config.getoption("markexpr") == "not soak" and not chosen and roomy(MEMORY):
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


def roomy(place: Path) -> bool:
    """Whether programs can be put and run there, and there is enough space."""
    if not (place.is_dir() and os.access(place, os.W_OK)):
        return False
    found = os.statvfs(place)
    return not found.f_flag & os.ST_NOEXEC and found.f_bavail * found.f_frsize >= ENOUGH


@pytest.fixture
def shared() -> Path:
    """The folder of third-party data; tests that need it skip with a reason where it is absent."""
    place = Path(os.environ.get("MEMVAULT_SHARED", "../shared")).absolute()
    if not place.is_dir():
        pytest.skip("third-party data is not here (set MEMVAULT_SHARED)")
    return place


@pytest.fixture
def make_vault(tmp_path: Path) -> Iterator[Callable[..., Vault]]:
    """Makes vaults in the test's folder, keys beside them; closes them at the end."""
    made: list[Vault] = []

    def make(name: str = "clinic", **options: object) -> Vault:
        vault = Vault.init(tmp_path / name, key_folder=tmp_path / f"{name}-keys", **options)  # type: ignore[arg-type]
        made.append(vault)
        return vault

    yield make
    for vault in made:
        vault.close()


@pytest.fixture
def clinic(make_vault: Callable[..., Vault]) -> Vault:
    return make_vault()


def session_of(
    vault: Vault,
    tenant: str = "clinic",
    *,
    roles: tuple[str, ...] = APP,
    purpose: str = "service",
    user_id: str | None = None,
    name: str = "intake-bot",
) -> Session:
    return vault.session(Principal(tenant=tenant, id=name, roles=roles), purpose=purpose, user_id=user_id)


@pytest.fixture
def app(clinic: Vault) -> Session:
    return session_of(clinic)
