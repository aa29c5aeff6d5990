"""The gate where a vault starts: the pack's floors against the figures that ship, or that the vault keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import packs
import pytest

from vault import compose
from vault.config import VaultConfig
from vault.errors import PolicyInvalidError
from vault.redaction.detect import BuiltinDetector
from vault.redaction.evaluation import figures


@pytest.fixture(scope="module")
def version() -> str:
    return BuiltinDetector(threshold=0.5).version  # the threshold of the pack in packs.ROOT


def start(folder: Path, **detection: Any) -> None:
    files = packs.root()
    files["detection.yaml"] |= detection
    packs.write(folder, files)
    keys = {"provider": "file:/keys", "backup": "none"}
    compose.policy(VaultConfig.parse({"keys": keys, "policy": {"pack": "./small"}}), folder)


def keep_figures(folder: Path, version: str, recall: float) -> None:
    row = {"samples": 20, "recall": recall, "precision": 1.0, "character_recall": 1.0}
    record = {"version": version, "model": None, "classes": {"EMAIL_ADDRESS": row}}
    (folder / figures.FILE).write_bytes(figures.render("0" * 64, [record]))


def test_without_floors_a_vault_starts_unmeasured(tmp_path: Path) -> None:
    start(tmp_path)


def test_a_detector_without_figures_does_not_start_a_pack_with_floors(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        start(tmp_path, floors={"EMAIL_ADDRESS": 0.9})
    assert caught.value.code == "policy.measure"


def test_figures_in_the_vaults_folder_count_for_their_version(tmp_path: Path, version: str) -> None:
    keep_figures(tmp_path, version, 0.95)
    start(tmp_path, floors={"EMAIL_ADDRESS": 0.9})
    with pytest.raises(PolicyInvalidError) as caught:
        start(tmp_path, floors={"EMAIL_ADDRESS": 0.99})
    assert caught.value.code == "policy.recall"
    assert "EMAIL_ADDRESS (0.950 of 20 samples, floor 0.99)" in str(caught.value)
    keep_figures(tmp_path, "builtin-0+another", 0.95)
    with pytest.raises(PolicyInvalidError) as caught:
        start(tmp_path, floors={"EMAIL_ADDRESS": 0.9})
    assert caught.value.code == "policy.measure"


def test_a_strict_pack_runs_a_strict_detector(tmp_path: Path, version: str) -> None:
    keep_figures(tmp_path, version, 1.0)
    with pytest.raises(PolicyInvalidError) as caught:
        start(tmp_path, floors={"EMAIL_ADDRESS": 0.9}, strict=True)
    assert caught.value.code == "policy.measure"
    keep_figures(tmp_path, BuiltinDetector(threshold=0.5, strict=True).version, 1.0)
    start(tmp_path, floors={"EMAIL_ADDRESS": 0.9}, strict=True)
