"""Pure. RE2's regular expressions: how they are read, and how they are matched."""

from analysis.expr.regex.charclass import RegexError
from analysis.expr.regex.compiler import compile
from analysis.expr.regex.matcher import search

__all__ = ["RegexError", "compile", "search"]
