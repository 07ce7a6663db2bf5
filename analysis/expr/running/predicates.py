"""Pure. The functions that evaluate a predicate for each element of a list."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from analysis.expr.errors import RunError
from analysis.expr.gotypes.values import Groups, Value, go_type, to_bool
from analysis.expr.running.frame import Frame, Scope
from analysis.expr.running.operations import add
from analysis.expr.running.sorting import insertion_sorted

Step = Callable[[Frame], Value]


@contextmanager
def _loop(frame: Frame, collection: Value) -> Iterator[Scope]:
    scope = Scope(collection, frame.scopes[-1] if frame.scopes else None)
    frame.scopes.append(scope)
    try:
        yield scope
    finally:
        frame.scopes.pop()


def _turns(frame: Frame, scope: Scope, backwards: bool = False, begin: int = 0) -> Iterator[int]:
    for index in range(scope.size - 1, -1, -1) if backwards else range(begin, scope.size):
        frame.tick()
        scope.index = index
        yield index


def _quantified(stop: bool, otherwise: bool) -> Callable[[Step, Step], Step]:
    """Ends with `not otherwise` at the first element for which the predicate is `stop`."""

    def build(collection: Step, predicate: Step) -> Step:
        def run(frame: Frame) -> Value:
            with _loop(frame, collection(frame)) as scope:
                for _ in _turns(frame, scope):
                    if to_bool(predicate(frame)) is stop:
                        return not otherwise
            return otherwise

        return run

    return build


def _count(collection: Step, predicate: Step | None = None, enough: Step | None = None) -> Step:
    def run(frame: Frame) -> int:
        with _loop(frame, collection(frame)) as scope:
            found, most = 0, scope.size if enough is None else enough(frame)
            for _ in _turns(frame, scope):
                found += to_bool(scope.item() if predicate is None else predicate(frame))
                if found >= most:
                    break
            return found

    return run


def _one(collection: Step, predicate: Step) -> Step:
    count = _count(collection, predicate)
    return lambda frame: count(frame) == 1


def _sum(collection: Step, term: Step | None = None) -> Step:
    def run(frame: Frame) -> Value:
        with _loop(frame, collection(frame)) as scope:
            total: Value = 0
            for _ in _turns(frame, scope):
                total = add(scope.item() if term is None else term(frame), total)
            return total

    return run


def _filter(collection: Step, predicate: Step) -> Step:
    def run(frame: Frame) -> Value:
        with _loop(frame, collection(frame)) as scope:
            kept = [scope.item() for _ in _turns(frame, scope) if to_bool(predicate(frame))]
        return frame.sized(kept)

    return run


def _map(collection: Step, body: Step) -> Step:
    def run(frame: Frame) -> Value:
        with _loop(frame, collection(frame)) as scope:
            mapped = [body(frame) for _ in _turns(frame, scope)]
        return frame.sized(mapped)

    return run


def _find(index: bool, backwards: bool, must: bool = False) -> Callable[[Step, Step], Step]:
    def build(collection: Step, predicate: Step) -> Step:
        def run(frame: Frame) -> Value:
            with _loop(frame, collection(frame)) as scope:
                for at in _turns(frame, scope, backwards):
                    if to_bool(predicate(frame)):
                        return at if index else scope.item()
            if must:
                raise RunError("reflect: slice index out of range")
            return None

        return run

    return build


def _group_by(collection: Step, key: Step) -> Step:
    def run(frame: Frame) -> Groups:
        groups = Groups()
        with _loop(frame, collection(frame)) as scope:
            for _ in _turns(frame, scope):
                found = key(frame)
                if isinstance(found, (list, dict, bytes)):
                    raise RunError(f"hash of unhashable type: {go_type(found)}")
                group = groups.get(found)
                if not group:
                    groups.set(found, group := [])
                group.append(scope.item())
            frame.grow(scope.size)
        return groups

    return run


def _sort_by(collection: Step, key: Step, order: Step | None = None) -> Step:
    def run(frame: Frame) -> Value:
        items: list[Value] = []
        keys: list[Value] = []
        with _loop(frame, collection(frame)) as scope:
            direction = "asc" if order is None else order(frame)
            if direction not in ("asc", "desc"):
                text = "unknown order, use asc or desc"
                raise RunError(text if isinstance(direction, str) else "sortBy order argument must be a string")
            for _ in _turns(frame, scope):
                keys.append(key(frame))
                items.append(scope.item())
        frame.grow(len(items))
        return insertion_sorted(items, keys, descending=direction == "desc")

    return run


def _reduce(collection: Step, body: Step, initial: Step | None = None) -> Step:
    def run(frame: Frame) -> Value:
        with _loop(frame, collection(frame)) as scope:
            if initial is not None:
                scope.accumulated = initial(frame)
            elif scope.size == 0:
                raise RunError("reduce of empty array with no initial value")
            else:
                scope.accumulated = scope.item()
            for _ in _turns(frame, scope, begin=0 if initial is not None else 1):
                scope.accumulated = body(frame)
            return scope.accumulated

    return run


LOOPS: dict[str, Callable[..., Step]] = {
    "all": _quantified(stop=False, otherwise=True),
    "none": _quantified(stop=True, otherwise=True),
    "any": _quantified(stop=True, otherwise=False),
    "one": _one,
    "count": _count,
    "sum": _sum,
    "filter": _filter,
    "map": _map,
    "find": _find(index=False, backwards=False),
    "findLast": _find(index=False, backwards=True),
    "filter[0]": _find(index=False, backwards=False, must=True),
    "filter[-1]": _find(index=False, backwards=True, must=True),
    "findIndex": _find(index=True, backwards=False),
    "findLastIndex": _find(index=True, backwards=True),
    "groupBy": _group_by,
    "sortBy": _sort_by,
    "reduce": _reduce,
}
"""Builtins with a predicate: each takes the steps of its arguments and gives its own."""
