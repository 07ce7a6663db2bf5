"""`rollouts explain`: a template or a Rollout in words."""

import argparse
import sys
from collections.abc import Sequence

from rollouts.cli.flags import Parser

_ABOUT = """\
Says in words what Rollouts and AnalysisTemplates will do: when each metric measures, what counts as good and bad, how
many bad readings abort a release, and after how long at the earliest.

Nothing is looked up in a table: runs of the template are led through the controller's own engine. It needs no cluster;
give the templates that a Rollout names along with it."""


def parser() -> Parser:
    root = Parser(prog="rollouts explain", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter)
    root.add_argument("paths", nargs="+", metavar="PATH", help="files or folders")
    return root


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code: 1 after `Error: …` on stderr."""
    args = parser().parse_args(argv)
    from rollouts.explain import explain
    from rollouts.lint.fileset import FileSet
    from rollouts.lint.manifests import Unreadable, read

    try:
        documents, bad = read(args.paths)
    except Unreadable as error:
        return _failed(str(error))
    files = FileSet(documents, bad)
    text = explain(files)
    print(text, end="")
    for one in bad:
        _failed(f"{one.path}:{one.line}: {one.text}")
    for malformed in files.malformed:
        document = malformed.document
        _failed(f"{document.path}:{document.line()}: {malformed}")
    if not text and not bad and not files.malformed:
        return _failed("there is neither a Rollout nor a template to explain")
    return int(bool(bad or files.malformed))


def _failed(text: str) -> int:
    print(f"Error: {text}", file=sys.stderr)
    return 1
