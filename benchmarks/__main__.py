"""`python -m benchmarks`: speed beside mem0, where the time goes, what it costs to start, one after the other."""

from __future__ import annotations

import sys

from benchmarks import beside_mem0, stages, startup


def main() -> int:
    """Pass `--json`, and nothing else, to each."""
    arguments = [argument for argument in sys.argv[1:] if argument == "--json"]
    code = 0
    for part in (beside_mem0, stages, startup):
        code |= part.main(arguments)
        print(flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
