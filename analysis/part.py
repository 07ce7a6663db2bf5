"""Pure. The base of models whose zeros are left out of the manifest, as Go's `omitempty` leaves them out."""

from functools import cache
from typing import Annotated, TypeAlias

from pydantic import BaseModel, SerializerFunctionWrapHandler, WithJsonSchema, model_serializer

from analysis.schema import IntOrString, Model, Obj

IntOrStr: TypeAlias = Annotated[IntOrString, WithJsonSchema({"x-kubernetes-int-or-string": True})]
"""A model's field for an int-or-string, so that its schema says so."""


@cache
def _always_written(model: type[BaseModel]) -> frozenset[str]:
    """Names and aliases of the fields that are written at their zero too: required ones, pointers, structs."""
    return frozenset(
        name
        for field, info in model.model_fields.items()
        if info.is_required() or info.default is None or isinstance(info.default, BaseModel)
        for name in (field, info.alias or field)
    )


class Part(Model):
    """A piece of a manifest that leaves out zeros, as Go's `omitempty` does.

    A field whose default is None is Go's pointer: `0`, `""` and `false` are then values and are written.
    """

    @model_serializer(mode="wrap")
    def _omit_zeros(self, handler: SerializerFunctionWrapHandler) -> Obj:
        kept = _always_written(type(self))
        dumped: Obj = handler(self)
        return {key: value for key, value in dumped.items() if value or key in kept}
