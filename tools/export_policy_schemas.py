"""Write the JSON Schema of each file of a policy pack to policies/schemas/, or check them with --check."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from vault.policy.model import FILES

FOLDER = Path(__file__).resolve().parents[1] / "policies" / "schemas"


def schemas() -> dict[str, Any]:
    """File name to JSON Schema."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {f"{name}.json": {**dialect, **model.model_json_schema()} for name, model in FILES.items()}


def main() -> int:
    wanted = schemas()
    if "--check" in sys.argv[1:]:
        # As values, not as text: releases of pydantic write 1 or 1.0.
        present = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.json")}
        if present != wanted:
            print("policies/schemas/ is out of date: run tools/export_policy_schemas.py")
        return int(present != wanted)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, schema in wanted.items():
        (FOLDER / name).write_text(json.dumps(schema, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
