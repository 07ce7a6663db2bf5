"""Pure. What the language's own functions take and give, as far as it is checked before an expression runs."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from analysis.expr.gotypes.types import (
    ANY,
    DURATION,
    FLOAT,
    FLOATS,
    INT,
    INTS,
    LIST,
    LOCATION,
    PAIRS,
    STRING,
    STRINGS,
    TIME,
    Function,
    Sort,
    Type,
)

PREDICATES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("all", "none", "any", "one", "filter", "map"), ("list", "predicate")),
    **dict.fromkeys(("find", "findIndex", "findLast", "findLastIndex", "groupBy"), ("list", "predicate")),
    **dict.fromkeys(("count", "sum"), ("list", "predicate?")),
    **dict.fromkeys(("sortBy", "reduce"), ("list", "predicate", "expression?")),
}
"""Builtins that evaluate a predicate, with what they take; a question mark says that it may be left out."""

_LISTS = (Sort.ANY, Sort.LIST)
_NUMBERS = (Sort.INTEGER, Sort.FLOAT)
Check = Callable[[str, Sequence[Type]], Type]


class SignatureError(ValueError):
    """A builtin was called with something that it does not take."""


def named(type_: Type) -> str:
    """A type's name in an error about arguments."""
    return "%!s(<nil>)" if type_.sort is Sort.NIL else type_.go


def _exactly(count: int, args: Sequence[Type]) -> None:
    if len(args) != count:
        raise SignatureError(f"invalid number of arguments (expected {count}, got {len(args)})")


def _one(result: Type | None, *sorts: Sort, text: str = "invalid argument for {name} (type {type})") -> Check:
    """Exactly one argument, of one of `sorts`; the result is `result`, or the argument's own type when None."""

    def check(name: str, args: Sequence[Type]) -> Type:
        _exactly(1, args)
        if args[0].sort not in sorts:
            raise SignatureError(text.format(name=name, type=named(args[0])))
        return args[0] if result is None else result

    return check


def _end(name: str, args: Sequence[Type]) -> Type:
    _exactly(1, args)
    if args[0].sort not in _LISTS:
        raise SignatureError(f"cannot get {name} element from {named(args[0])}")
    return ANY if args[0].sort is Sort.ANY else _go_element(args[0])


def _go_element(list_: Type) -> Type:
    return {"[]float64": FLOAT, "[]int": INT, "[]string": STRING}.get(list_.go, ANY)


def _aggregate(name: str, args: Sequence[Type]) -> Type:
    if not args:
        raise SignatureError(f"not enough arguments to call {name}")
    for arg in args:
        if arg.sort in _LISTS:
            return ANY
        if arg.sort not in (*_NUMBERS, Sort.DURATION):
            raise SignatureError(f"invalid argument for {name} (type {named(arg)})")
    return args[0]


def _take(name: str, args: Sequence[Type]) -> Type:
    _exactly(2, args)
    if args[0].sort not in _LISTS:
        raise SignatureError(f"cannot {name} from {named(args[0])}")
    if args[1].sort not in (Sort.ANY, Sort.INTEGER):
        raise SignatureError(f"cannot {name} {named(args[1])} elements")
    return replace(args[0], element=_go_element(args[0]))


def _concat(name: str, args: Sequence[Type]) -> Type:
    if not args:
        raise SignatureError("invalid number of arguments (expected at least 1, got 0)")
    for arg in args:
        if arg.sort not in _LISTS:
            raise SignatureError(f"cannot {name} {named(arg)}")
    return LIST


def _now(name: str, args: Sequence[Type]) -> Type:
    if not args or (len(args) == 1 and args[0].sort is Sort.LOCATION):
        return TIME
    raise SignatureError(f"invalid number of arguments (expected 0, got {len(args)})")


def _date(name: str, args: Sequence[Type]) -> Type:
    if not args:
        raise SignatureError("invalid number of arguments (expected at least 1, got 0)")
    rest = args[1:] if args[0].sort is Sort.LOCATION else args
    if len(rest) > 3:
        raise SignatureError(f"invalid number of arguments (expected at most 3, got {len(rest)})")
    return TIME


_from = "cannot get {name} from {type}"
CHECKS: dict[str, Check] = {
    "len": _one(INT, Sort.LIST, Sort.MAP, Sort.STRING, Sort.ANY),
    "abs": _one(None, *_NUMBERS, Sort.DURATION, Sort.ANY),
    **dict.fromkeys(("ceil", "floor", "round"), _one(FLOAT, *_NUMBERS, Sort.DURATION, Sort.ANY)),
    "int": _one(INT, *_NUMBERS, Sort.DURATION, Sort.OTHER, Sort.STRING, Sort.ANY),
    "float": _one(FLOAT, *_NUMBERS, Sort.DURATION, Sort.OTHER, Sort.STRING, Sort.ANY),
    **dict.fromkeys(("max", "min", "mean", "median"), _aggregate),
    "first": _end,
    "last": _end,
    "take": _take,
    "keys": _one(LIST, Sort.ANY, Sort.MAP, text=_from),
    "values": _one(LIST, Sort.ANY, Sort.MAP, text=_from),
    "toPairs": _one(LIST, Sort.ANY, Sort.MAP, text="cannot transform {type} to pairs"),
    "fromPairs": _one(PAIRS, *_LISTS, text="cannot transform {type} from pairs"),
    "reverse": _one(LIST, *_LISTS, text="cannot reverse {type}"),
    "uniq": _one(LIST, *_LISTS, text="cannot uniq {type}"),
    "flatten": _one(LIST, *_LISTS, text="cannot flatten {type}"),
    "concat": _concat,
    "now": _now,
    "date": _date,
}
"""Builtins whose arguments are checked by their own rule; each gives the type of the result."""


def _texts(count: int, result: Type = STRING, *further: Type) -> Function:
    return Function((*(STRING,) * count, *further), result)


_BITS = (Function((INT, INT), INT),)
OVERLOADS: dict[str, tuple[Function, ...]] = {
    "type": (Function((ANY,), STRING),),
    "string": (Function((ANY,), STRING),),
    "trim": (_texts(1), _texts(2)),
    "trimPrefix": (_texts(2), _texts(1)),
    "trimSuffix": (_texts(2), _texts(1)),
    "upper": (_texts(1),),
    "lower": (_texts(1),),
    "split": (_texts(2, STRINGS), _texts(2, STRINGS, INT)),
    "splitAfter": (_texts(2, STRINGS), _texts(2, STRINGS, INT)),
    "replace": (_texts(3, STRING, INT), _texts(3)),
    "repeat": (_texts(1, STRING, INT),),
    "join": (
        Function((STRINGS, STRING), STRING),
        Function((LIST, STRING), STRING),
        Function((LIST,), STRING),
        Function((STRINGS,), STRING),
    ),
    "indexOf": (_texts(2, INT),),
    "lastIndexOf": (_texts(2, INT),),
    "hasPrefix": (_texts(2, Type(Sort.BOOL, "bool")),),
    "hasSuffix": (_texts(2, Type(Sort.BOOL, "bool")),),
    "toJSON": (Function((ANY,), STRING),),
    "fromJSON": (_texts(1, ANY),),
    "toBase64": (_texts(1),),
    "fromBase64": (_texts(1),),
    "duration": (_texts(1, DURATION),),
    "timezone": (_texts(1, LOCATION),),
    "sort": (
        *(Function((list_, STRING), LIST) for list_ in (LIST, INTS, FLOATS, STRINGS)),
        *(Function((list_,), LIST) for list_ in (LIST, FLOATS, STRINGS, INTS)),
    ),
    **dict.fromkeys(("bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr", "bitushr"), _BITS),
    "bitnot": (Function((INT,), INT),),
}
"""Builtins with fixed parameters; the first overload that fits is taken."""

BUILTINS = frozenset((*PREDICATES, *CHECKS, *OVERLOADS, "get"))
