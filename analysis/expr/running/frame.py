"""Pure. What one evaluation holds: the environment, variables, the loop it is in, and what it may still spend."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from analysis.expr.errors import RunError
from analysis.expr.gotypes.times import Location, Time
from analysis.expr.gotypes.values import MEMORY_BUDGET, Byte, IntList, Value, reflect_kind, wrap

MAX_ITERATIONS = 200_000


class Scope:
    """One loop of a predicate: the collection, where it stands, and what it has gathered."""

    __slots__ = ("accumulated", "collection", "index", "outer", "size")

    def __init__(self, collection: Value, outer: "Scope | None") -> None:
        self.collection = collection.encode() if isinstance(collection, str) else collection
        if collection is None or not hasattr(self.collection, "__len__"):
            raise RunError(f"reflect: call of reflect.Value.Len on {reflect_kind(collection)} Value")
        self.size = len(self.collection)
        self.index = 0
        self.outer = outer
        self.accumulated: Value = None

    def item(self) -> Value:
        """The element that `#` stands for."""
        if isinstance(self.collection, list):
            return self.collection[self.index]
        if isinstance(self.collection, bytes):
            return Byte(self.collection[self.index])
        raise RunError(f"reflect: call of reflect.Value.Index on {reflect_kind(self.collection)} Value")


@dataclass(slots=True)
class Frame:
    """One evaluation of an expression."""

    environment: Mapping[str, Value]
    variables: list[Value]
    moment: datetime | None = None
    iterations: int = MAX_ITERATIONS
    memory: int = MEMORY_BUDGET
    scopes: list[Scope] = field(default_factory=list)

    @property
    def scope(self) -> Scope:
        """The innermost loop."""
        return self.scopes[-1]

    def tick(self) -> None:
        """Account for one turn of a loop."""
        self.iterations -= 1
        if self.iterations < 0:
            raise RunError(f"step budget exceeded ({MAX_ITERATIONS} loop iterations)")

    def grow(self, size: int) -> None:
        """Account for `size` new elements."""
        self.memory -= size
        if self.memory <= 0:
            raise RunError("memory budget exceeded")

    def sized(self, value: Value) -> Value:
        """`value`, its size accounted for."""
        if isinstance(value, (list, dict, str)):
            self.grow(len(value))
        return value

    def range(self, first: int, last: int) -> IntList:
        """The integers from `first` to `last`, both included."""
        size = max(wrap(last - first + 1), 0)
        self.grow(size)
        return IntList(range(first, first + size))

    def now(self, zone: Value = None) -> Time:
        """The moment of this evaluation."""
        if self.moment is None:
            raise RunError("now() is not available here")
        time = Time.of(self.moment)
        return Time(time.ns, zone.zone) if isinstance(zone, Location) else time
