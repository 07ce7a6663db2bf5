"""Pure. Sorting by Go's `<`, where values of different types do not compare."""

from collections.abc import Sequence
from functools import cmp_to_key

from analysis.expr.gotypes.values import Value
from analysis.expr.running.operations import less

_SMALL = 12


def insertion_sorted(items: Sequence[Value], keys: Sequence[Value], *, descending: bool = False) -> list[Value]:
    """`items` in the order of their `keys`. RunError when two keys do not compare.

    Up to twelve elements are sorted by insertion, as Go does, which matters where a NaN makes the order inconsistent.
    """

    def before(left: int, right: int) -> bool:
        return less(keys[right], keys[left]) if descending else less(keys[left], keys[right])

    def compare(left: int, right: int) -> int:
        return -1 if before(left, right) else int(before(right, left))

    if len(items) > _SMALL:
        return [items[index] for index in sorted(range(len(items)), key=cmp_to_key(compare))]
    order = list(range(len(items)))
    for end in range(1, len(order)):
        at = end
        while at > 0 and before(order[at], order[at - 1]):
            order[at], order[at - 1] = order[at - 1], order[at]
            at -= 1
    return [items[index] for index in order]
