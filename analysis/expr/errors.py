"""Pure. How an expression is refused: before it runs, or while it runs."""


class ExprError(ValueError):
    """An expression has no value; the text says why, in the words of the language's reference implementation."""


class CompileError(ExprError):
    """The expression can never run: bad syntax, an unknown name, or types that do not fit. `column` counts from 0."""

    def __init__(self, message: str, column: int = 0) -> None:
        super().__init__(message)
        self.column = column


class RunError(ExprError):
    """The expression failed on the values it met."""
