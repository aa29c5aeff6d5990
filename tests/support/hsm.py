"""SoftHSM2: a hardware security module in software, behind the same PKCS#11 calls as any other; fresh per test."""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from vault.keys.pkcs11 import Pkcs11Provider

SO_PIN = "so-" + "8254617390"
PLACES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)


def module() -> Path:
    """SoftHSM2's module; skips the test, with the reason, where it or the driver is absent."""
    if importlib.util.find_spec("pkcs11") is None:
        pytest.skip("python-pkcs11 is not installed (the extra memvault[hsm])")
    found = next((Path(place) for place in PLACES if Path(place).is_file()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed (on Debian: apt-get install softhsm2)")
    return found


@dataclass
class Hsm:
    """One SoftHSM2 with a token in it; its folder is the hardware."""

    folder: Path
    module: Path
    label: str = "clinic"
    pin: str = field(default_factory=lambda: f"pin-{secrets.token_hex(6)}")
    vault_id: str = field(default_factory=lambda: secrets.token_hex(8))
    given: list[Pkcs11Provider] = field(default_factory=list)
    pins: list[bytearray] = field(default_factory=list)

    @property
    def tokens(self) -> Path:
        return self.folder / "tokens"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def init_token(self, label: str) -> None:
        command = ["softhsm2-util", "--init-token", "--free", "--label", label]
        subprocess.run(
            [*command, "--so-pin", SO_PIN, "--pin", self.pin],
            env=self.environment, check=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def source(self) -> bytearray:
        self.pins.append(bytearray(self.pin.encode()))
        return self.pins[-1]

    def provider(
        self,
        *,
        token: str | None = None,
        pin: Callable[[], bytearray] | None = None,
        vault_id: str | None = None,
        timeout_s: float = 20.0,
    ) -> Pkcs11Provider:
        made = Pkcs11Provider(
            self.module,
            token or self.label,
            pin or self.source,
            vault_id or self.vault_id,
            timeout_s=timeout_s,
        )
        self.given.append(made)
        return made

    def start(self, code: str) -> subprocess.Popen[str]:
        """Run `code` in another process, with a provider `p` of this vault."""
        head = f"""
from pathlib import Path
from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext
from vault.keys.pkcs11 import Pkcs11Provider
CONTEXT = WrapContext(tenant=bytes(16), level="kek", id=b"1", epoch=1)
p = Pkcs11Provider(Path({str(self.module)!r}), {self.label!r}, lambda: bytearray({self.pin.encode()!r}),
                   {self.vault_id!r}, timeout_s=20.0)
"""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-c", head + code + "\np.close()\n"]
        return subprocess.Popen(command, env=self.environment, text=True, **pipes)

    def elsewhere(self, code: str) -> str:
        """What `code` printed when it ran in another process to its end."""
        with self.start(code) as child:
            out, err = child.communicate(timeout=120)
        assert (child.returncode, err) == (0, "")
        return out.strip()

    def session(self) -> Any:
        """A session of the driver's own, logged in, for looking at what is on the token."""
        import pkcs11

        return pkcs11.lib(str(self.module)).get_token(token_label=self.label).open(rw=True)

    def objects(self) -> set[str]:
        """The files of what is on the token: keys and marks."""
        return {path.name for path in self.tokens.rglob("*.object")}

    def close(self) -> None:
        for one in self.given:
            one.close()
