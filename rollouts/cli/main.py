"""The executable `rollouts`: runs the controller, or a cluster in a process to try it in.

What a command needs is imported when it runs, so that --help answers at once. Each command reads its own flags:

    controller   rollouts.settings.parse_or_exit, then rollouts.main.run
    sandbox up   rollouts.sandbox.up.run
    demo         rollouts.sandbox.demo.run
    bench        rollouts.sandbox.bench.run
    migrate      rollouts.cli.migrate.run
    doctor       rollouts.cli.doctor.run
    lint         rollouts.cli.lint.run
    explain      rollouts.cli.explain.run
    test         rollouts.cli.analysistest.run
    backtest     rollouts.cli.backtest.run
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeAlias

Run: TypeAlias = Callable[[Sequence[str]], int]
"""Takes the words after the command, returns the exit code."""

_USAGE = """\
usage: rollouts COMMAND [flags]

Progressive delivery for Kubernetes: releases in steps, measured, and taken back by themselves.

commands:
  controller   move the releases of a cluster; runs until it is told to stop
  sandbox up   serve a cluster in this process, for kubectl and the controller
  demo         watch a good release go out and two bad ones come back
  bench        measure API calls, CPU and memory per updated rollout
  migrate      turn a Deployment into a Rollout in place, or back
  doctor gitops  ignore rules for Argo CD or Flux
  lint         find what is wrong with manifests, without a cluster
  explain      say in words what a template or a Rollout will do
  test         try templates on answers that files write down
  backtest     see what a template would have said of the past
  version      print the version

rollouts COMMAND --help lists the flags of a command.
To see and steer releases: kubectl argo rollouts --help
"""


def main() -> None:
    """Entry point: exits with 0 when the command did what it was asked to."""
    sys.exit(run(sys.argv[1:]))


def run(argv: Sequence[str]) -> int:
    """One command line; the exit code, 1 with usage on stderr for a command that does not exist."""
    words = list(argv)
    if not words or words[0] in ("-h", "--help", "help"):
        print(_USAGE, end="")
        return 0
    for name, command in _COMMANDS.items():
        if words[: len(name)] == list(name):
            return command(words[len(name) :])
    print(f"{_USAGE}\nError: unknown command {' '.join(words[:2])!r}{_meant(words[0])}", file=sys.stderr)
    return 1


def _meant(word: str) -> str:
    """A command that begins with this word, or is spelled much like it, as a question."""
    from difflib import get_close_matches

    names = [" ".join(name) for name in _COMMANDS]
    meant = [name for name in names if name.startswith(f"{word} ")] or get_close_matches(word, names, n=1)
    return "".join(f"; did you mean `rollouts {name}`?" for name in meant[:1])


def _controller(argv: Sequence[str]) -> int:
    from rollouts.main import run as run_controller
    from rollouts.settings import parse_or_exit

    return run_controller(parse_or_exit(argv))


def _sandbox_up(argv: Sequence[str]) -> int:
    from rollouts.sandbox.up import run as run_sandbox

    return run_sandbox(argv)


def _demo(argv: Sequence[str]) -> int:
    from rollouts.sandbox.demo import run as run_demo

    return run_demo(argv)


def _bench(argv: Sequence[str]) -> int:
    from rollouts.sandbox.bench import run as run_bench

    return run_bench(argv)


def _migrate(argv: Sequence[str]) -> int:
    from rollouts.cli.migrate import run as run_migration

    return run_migration(argv)


def _doctor_gitops(argv: Sequence[str]) -> int:
    from rollouts.cli.doctor import run as run_doctor

    return run_doctor(argv)


def _lint(argv: Sequence[str]) -> int:
    from rollouts.cli.lint import run as run_lint

    return run_lint(argv)


def _explain(argv: Sequence[str]) -> int:
    from rollouts.cli.explain import run as run_explain

    return run_explain(argv)


def _test(argv: Sequence[str]) -> int:
    from rollouts.cli.analysistest import run as run_tests

    return run_tests(argv)


def _backtest(argv: Sequence[str]) -> int:
    from rollouts.cli.backtest import run as run_backtest

    return run_backtest(argv)


def _version(argv: Sequence[str]) -> int:
    from importlib.metadata import version

    print(f"rollouts v{version('rollouts')}")
    return 0


_COMMANDS: dict[tuple[str, ...], Run] = {
    ("controller",): _controller,
    ("sandbox", "up"): _sandbox_up,
    ("demo",): _demo,
    ("bench",): _bench,
    ("migrate",): _migrate,
    ("doctor", "gitops"): _doctor_gitops,
    ("lint",): _lint,
    ("explain",): _explain,
    ("test",): _test,
    ("backtest",): _backtest,
    ("version",): _version,
    ("--version",): _version,
}
