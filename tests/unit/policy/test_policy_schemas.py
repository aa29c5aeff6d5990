"""The published JSON Schemas are those of the models."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from vault.policy.model import FILES

ROOT = Path(__file__).resolve().parents[3]


def test_the_schemas_are_up_to_date() -> None:
    tool = [sys.executable, "tools/export_policy_schemas.py", "--check"]
    done = subprocess.run(tool, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_every_object_of_every_schema_is_closed() -> None:
    files = sorted((ROOT / "policies" / "schemas").glob("*.json"))
    assert [path.stem for path in files] == sorted(FILES)
    for path in files:
        schema = json.loads(path.read_text(encoding="utf-8"))
        for part in (schema, *schema.get("$defs", {}).values()):
            if "properties" in part:
                assert part["additionalProperties"] is False
