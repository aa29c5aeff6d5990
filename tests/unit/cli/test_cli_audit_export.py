"""`memvault audit export`, as an operator sets it up for a collector of logs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.commands import Run, added

from vault.audit import verify


def test_a_file_grows_and_verifies(run: Run, tmp_path: Path) -> None:
    added(run, "pat-42", "Allergic to penicillin")
    path, keys = tmp_path / "log.jsonl", tmp_path / "keys"
    first = run("audit", "export", "--json", "--to", path, "--resume").document
    keys.write_text("\n".join(first["vkeys"]))
    run("list", "--user", "pat-42")
    again = run("audit", "export", "--to", path, "--resume")
    assert again.code == 0, again.err
    assert f"from         {first['next']}" in again.out
    assert verify.main(["log", str(path), "--vkey", str(keys)]) == 0
    refused = run("audit", "export", "--json", "--to", path)
    assert (refused.code, refused.error["code"]) == (2, "to.exists")
    assert run("evidence", "verify", "--json", path, "--vkey", keys).code == 5  # it is no certificate
    shown = run("audit", "show", "--json").document["entries"]
    assert [entry["action"] for entry in shown].count("audit.export") == 2


def test_the_output_is_the_feed_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    memvault = str(Path(sys.executable).parent / "memvault")
    command = [memvault, "--vault", str(folder), "audit", "export", "--format", "ocsf"]
    cursor = ["--cursor", str(tmp_path / "cursor"), "--json"]
    counts = []
    for _ in range(2):
        done = subprocess.run(
            [*command, *cursor], capture_output=True, text=True, check=True, env=dict(os.environ), timeout=60
        )
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert {event["metadata"]["version"] for event in events} == {"1.4.0"}
        assert done.stderr == ""
        counts.append([event["metadata"]["sequence"] for event in events])
    assert counts[1][0] == counts[0][-1] + 1
    assert len(counts[1]) == 2


def test_it_is_for_auditors(run: Run, tmp_path: Path) -> None:
    denied = run("audit", "export", "--json", "--to", tmp_path / "x", "--role", "app", "--purpose", "service")
    assert (denied.code, denied.error["code"]) == (3, "policy.purpose")
    assert "--role auditor" in denied.error["message"]
    assert not list(tmp_path.iterdir())
