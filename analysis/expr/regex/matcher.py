"""Pure. Matching in time linear in the text, so that no pattern can stall the caller."""

from analysis.expr.regex.charclass import RegexError
from analysis.expr.regex.compiler import compile
from analysis.expr.regex.program import Program

MAX_STEPS = 3_000_000


def search(pattern: str, text: str) -> bool:
    """Whether `pattern` is found anywhere in `text`. RegexError when it is no expression, or too costly."""
    program = compile(pattern)
    active: list[int] = []
    steps = 0
    for at in range(len(text) + 1):
        seen: set[int] = set()
        reached: list[int] = []
        for state in (*active, program.start):
            if _follow(program, state, text, at, seen, reached):
                return True
        steps += len(seen)
        if steps > MAX_STEPS:
            raise RegexError(f"matching took more than {MAX_STEPS} steps")
        if at < len(text):
            char = text[at]
            active = []
            for number in reached:
                _, member, following = program.states[number]
                if member(char):  # type: ignore[operator]  # the state of a character holds a Member
                    active.append(following)
    return False


def _follow(program: Program, state: int, text: str, at: int, seen: set[int], reached: list[int]) -> bool:
    """Collect the character states that are reached from `state` without reading; True when a match is."""
    stack = [state]
    while stack:
        number = stack.pop()
        if number in seen:
            continue
        seen.add(number)
        kind, what, following = program.states[number]
        if kind == "match":
            return True
        if kind == "char":
            reached.append(number)
        elif kind == "split":
            stack += (following, int(what))  # type: ignore[call-overload]  # the state of a split holds a number
        elif _holds(str(what), text, at):
            stack.append(following)
    return False


def _is_word(char: str) -> bool:
    return char.isascii() and (char.isalnum() or char == "_")


def _holds(assertion: str, text: str, at: int) -> bool:
    match assertion:
        case "begin":
            return at == 0
        case "end":
            return at == len(text)
        case "line begin":
            return at == 0 or text[at - 1] == "\n"
        case "line end":
            return at == len(text) or text[at] == "\n"
        case _:
            before, after = at > 0 and _is_word(text[at - 1]), at < len(text) and _is_word(text[at])
            return (before != after) == (assertion == "word")
