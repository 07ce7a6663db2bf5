"""The loop in which waiting is free: when nobody can run, time jumps to the next timer.

Everything else stays plain asyncio: code sleeps with `asyncio.sleep` and reads the date from a `Clock`, so the same
code runs on the wall clock and here, where a day of timers takes milliseconds and always the same course.

Two things hold the jump back, because nobody can know how long they take: a call in a thread (time stands still until
it returns) and a registered socket (time passes as on the wall, so a served port never makes the loop spin).
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias, TypeVar

Clock: TypeAlias = Callable[[], datetime]
"""Says what time it is: an aware datetime in UTC."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The date at which every virtual loop begins."""

_RESOLUTION = time.get_clock_info("monotonic").resolution
"""By how much asyncio runs timers early, in seconds."""

_STANDSTILL = 200_000
"""After so many turns of the loop in the same moment, nobody is going to let time pass any more."""

_T = TypeVar("_T")


class DeadlockError(RuntimeError):
    """Every task waits for another one, and no timer will ever wake any of them."""


class LivelockError(RuntimeError):
    """Tasks keep waking each other, or themselves, without letting any time pass."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time moves only while all tasks wait, and then at once to the next timer."""

    def __init__(self, epoch: datetime = EPOCH) -> None:
        self.epoch = epoch
        self._jumper = _Jumper(self)
        super().__init__(self._jumper)

    def time(self) -> float:
        """Seconds since this loop began."""
        return self._jumper.seconds

    def now(self) -> datetime:
        """The loop's date: its epoch and the seconds that have passed on it."""
        return self.epoch + timedelta(seconds=self.time())

    def call_at(  # type: ignore[override] # because typeshed spells the arguments as a TypeVarTuple
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """A timer. One that asyncio would run too early, because it is nearer than its resolution, moves the clock:
        whoever looks whether his time has come, and sets his timer anew, would else be woken in the same moment for
        ever."""
        if self.time() < when <= self.time() + _RESOLUTION:
            self._jumper.seconds = when
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override] # because typeshed spells the arguments as a TypeVarTuple
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self._jumper.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *args: Any) -> None:
        self._jumper.threads += 1
        try:
            await super().shutdown_default_executor(*args)
        finally:
            self._jumper.threads -= 1

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._jumper.threads -= 1


class _Jumper(selectors.DefaultSelector):
    """What the loop waits in: it does not wait, it moves the hands of the clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.seconds = 0.0
        self.threads = 0
        self.turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0) if self.outside else self.turn()
        self.turns = 0
        if len(self.get_map()) > 1:  # one is the loop's own pipe, by which threads wake it
            return self.wait(timeout)
        if self.threads:
            return super().select(None)
        if timeout is None:
            raise DeadlockError(_complaint("every task waits and no timer is set:", self.loop))
        self.seconds += timeout
        return []

    @property
    def outside(self) -> bool:
        """Whether anything but a timer can wake the loop; asking the kernel for nothing costs most of a step."""
        return self.threads > 0 or len(self.get_map()) > 1

    def turn(self) -> list[tuple[selectors.SelectorKey, int]]:
        self.turns += 1
        if self.turns > _STANDSTILL:
            self.turns = 0
            raise LivelockError(_complaint("time stands still, and these tasks go on:", self.loop))
        return []

    def wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        ready = super().select(timeout)
        passed = time.monotonic() - began
        self.seconds += passed if ready or timeout is None else timeout
        return ready


def _complaint(what: str, loop: asyncio.AbstractEventLoop) -> str:
    waiting = sorted(_where(task) for task in asyncio.all_tasks(loop))
    return "\n  ".join([what, *waiting])


def _where(task: asyncio.Task[Any]) -> str:
    """A task's name and the innermost line of ours at which it stands."""
    at: Any = task.get_coro()
    while (inner := getattr(at, "cr_await", None)) is not None and hasattr(inner, "cr_frame"):
        at = inner
    frame = getattr(at, "cr_frame", None)
    place = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame is not None else "an unknown place"
    return f"{task.get_name()} in {getattr(at, '__qualname__', '?')} at {place}"


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end on a virtual loop of its own. Raises DeadlockError when it can never end."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def now() -> datetime:
    """The date of the running loop: virtual on a VirtualLoop, the wall clock's everywhere else."""
    loop = asyncio.get_running_loop()
    return loop.now() if isinstance(loop, VirtualLoop) else datetime.now(UTC)
