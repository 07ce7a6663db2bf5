"""Reads lines `{"expr": ..., "result": "<shape>"}` and prints each with its value or error."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from analysis.expr.tagged import outcome, shapes


def main() -> int:
    """Judge the lines of standard input; 2 when a line names a shape that is not there."""
    parser = argparse.ArgumentParser(prog="python -m analysis.expr", description=__doc__)
    parser.add_argument("--shapes", type=Path, required=True, help="JSON file with the named values of `result`")
    known = shapes(parser.parse_args().shapes.read_text())
    for number, line in enumerate(filter(str.strip, sys.stdin), 1):
        case = json.loads(line)
        if case["result"] not in known:
            print(f"line {number}: no shape named {case['result']!r}", file=sys.stderr)
            return 2
        print(json.dumps(case | outcome(case["expr"], known[case["result"]], datetime.now(UTC)), ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
