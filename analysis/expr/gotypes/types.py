"""Pure. Static types: what is known of a value before an expression runs."""

from dataclasses import dataclass, replace
from enum import Enum, auto

from analysis.expr.gotypes.values import AnyMap, Duration, FloatList, Groups, IntList, StringList, Struct, Value


class Sort(Enum):
    """Kinds of static types. UNKNOWN and ANY hold anything; only ANY has a name in Go."""

    UNKNOWN = auto()
    ANY = auto()
    NIL = auto()
    BOOL = auto()
    INTEGER = auto()
    FLOAT = auto()
    STRING = auto()
    LIST = auto()
    MAP = auto()
    STRUCT = auto()
    FUNCTION = auto()
    TIME = auto()
    DURATION = auto()
    LOCATION = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Type:
    """A static type. `go` is its name in Go; `element` what a list or map holds; `key` what a map is looked up by."""

    sort: Sort
    go: str = "unknown"
    element: "Type | None" = None
    key: "Type | None" = None
    fields: tuple[tuple[str, "Type"], ...] = ()
    function: "Function | None" = None

    def __hash__(self) -> int:
        return hash(self.go)

    def __str__(self) -> str:
        return self.go

    @property
    def unknown(self) -> bool:
        """Whether the value may be anything."""
        return self.sort in (Sort.UNKNOWN, Sort.ANY)

    @property
    def number(self) -> bool:
        """Whether it is an integer or a float."""
        return self.sort in (Sort.INTEGER, Sort.FLOAT)

    @property
    def item(self) -> "Type":
        """What a list or map holds."""
        return self.element or ANY


@dataclass(frozen=True, slots=True)
class Function:
    """A function's parameters and result; with `variadic` the last parameter may repeat."""

    parameters: tuple[Type, ...]
    result: Type
    variadic: bool = False


UNKNOWN = Type(Sort.UNKNOWN)
ANY = Type(Sort.ANY, "interface {}")
NIL = Type(Sort.NIL)
BOOL = Type(Sort.BOOL, "bool")
INT = Type(Sort.INTEGER, "int")
INT64 = Type(Sort.INTEGER, "int64")
FLOAT = Type(Sort.FLOAT, "float64")
STRING = Type(Sort.STRING, "string")
BYTE = Type(Sort.INTEGER, "uint8")
BYTES = Type(Sort.LIST, "[]uint8", BYTE)
LIST = Type(Sort.LIST, "[]interface {}", ANY)
FLOATS = Type(Sort.LIST, "[]float64", FLOAT)
INTS = Type(Sort.LIST, "[]int", INT)
STRINGS = Type(Sort.LIST, "[]string", STRING)
MAP = Type(Sort.MAP, "map[string]interface {}", ANY, STRING)
GROUPS = Type(Sort.MAP, "map[interface {}][]interface {}", LIST, ANY)
PAIRS = Type(Sort.MAP, "map[interface {}]interface {}", ANY, ANY)
TIME = Type(Sort.TIME, "time.Time")
DURATION = Type(Sort.DURATION, "time.Duration")
LOCATION = Type(Sort.LOCATION, "*time.Location")
MONTH = Type(Sort.OTHER, "time.Month")
WEEKDAY = Type(Sort.OTHER, "time.Weekday")

_NILABLE = frozenset((Sort.ANY, Sort.MAP, Sort.LIST, Sort.FUNCTION, Sort.LOCATION))
_BY_CLASS: dict[type, Type] = {
    bool: BOOL,
    int: INT,
    float: FLOAT,
    str: STRING,
    bytes: BYTES,
    list: LIST,
    FloatList: FLOATS,
    IntList: INTS,
    StringList: STRINGS,
    dict: MAP,
    AnyMap: PAIRS,
    Groups: GROUPS,
    Duration: DURATION,
}
_BY_NAME = {type_.go: type_ for type_ in (TIME, LOCATION, MONTH, WEEKDAY)}


def list_of(element: Type) -> Type:
    """A []any whose elements are known to be `element`."""
    return replace(LIST, element=element)


def function(result: Type, *parameters: Type, variadic: bool = False) -> Type:
    """The type of a function."""
    return Type(Sort.FUNCTION, "func", function=Function(parameters, result, variadic))


def type_of(value: Value) -> Type:
    """The static type that a value of the environment has."""
    if value is None:
        return NIL
    if isinstance(value, Struct):
        return Type(Sort.STRUCT, value.go, fields=tuple((name, type_of(item)) for name, item in value.fields.items()))
    return _BY_CLASS.get(type(value)) or _BY_NAME.get(getattr(value, "go", ""), UNKNOWN)


def assignable(value: Type, target: Type) -> bool:
    """Whether Go would store `value` in a variable of `target`."""
    if value.sort is Sort.NIL:
        return target.sort in _NILABLE
    if Sort.UNKNOWN in (value.sort, target.sort) or target.sort is Sort.NIL:
        return False
    return target.sort is Sort.ANY or value.go == target.go


def comparable(left: Type, right: Type) -> bool:
    """Whether `==` may stand between the two."""
    if left.unknown or right.unknown or Sort.NIL in (left.sort, right.sort):
        return True
    if left.number and right.number:
        return True
    if left.sort is right.sort and left.sort in (Sort.DURATION, Sort.TIME, Sort.LIST):
        return True
    return assignable(left, right)


def compatible(left: Type, right: Type, *sorts: Sort) -> bool:
    """Whether the two may fit one of `sorts` at run time: one is unknown and the other is unknown or of such a sort."""
    if left.unknown:
        return right.unknown or right.sort in sorts
    return right.unknown and left.sort in sorts
