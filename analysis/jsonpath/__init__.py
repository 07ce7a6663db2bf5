"""Pure. JSONPath in the dialect of Kubernetes: fields, elements, unions, filters, `..`, and text around braces."""

from analysis.jsonpath.finder import find
from analysis.jsonpath.path import JsonPathError, Path
from analysis.jsonpath.reader import parse

__all__ = ["JsonPathError", "Path", "find", "parse"]
