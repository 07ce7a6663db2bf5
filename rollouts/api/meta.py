"""Pure. What every Kubernetes object carries: its metadata, and the selectors that find it."""

from collections.abc import Mapping

from pydantic import Field

from analysis.part import Part
from analysis.schema import Obj, Time


class ObjectMeta(Part):
    """Name, owner, age and labels of an object."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    owner_references: tuple[Obj, ...] = ()


class PodTemplateMetadata(Part):
    """Labels and annotations to put on pods."""

    labels: dict[str, str] = Field(default_factory=dict, description="Labels to add.")
    annotations: dict[str, str] = Field(default_factory=dict, description="Annotations to add.")


class LabelSelectorRequirement(Part):
    """One condition on one label."""

    key: str = Field(description="Label that the condition is about.")
    operator: str = Field(description="In, NotIn, Exists or DoesNotExist.")
    values: tuple[str, ...] = Field((), description="Values for In and NotIn.")

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet the condition; an unknown operator is never met."""
        match self.operator:
            case "In":
                return labels.get(self.key) in self.values
            case "NotIn":
                return labels.get(self.key) not in self.values
            case "Exists":
                return self.key in labels
            case "DoesNotExist":
                return self.key not in labels
        return False

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        forms = {"Exists": self.key, "DoesNotExist": f"!{self.key}", "NotIn": f"{self.key} notin ({values})"}
        return forms.get(self.operator, f"{self.key} in ({values})")


class LabelSelector(Part):
    """Which objects are meant, by their labels; all conditions must hold."""

    match_labels: dict[str, str] = Field(
        default_factory=dict, description="Labels that must be there with exactly this value."
    )
    match_expressions: tuple[LabelSelectorRequirement, ...] = Field((), description="Further conditions on labels.")

    @property
    def empty(self) -> bool:
        """An empty selector selects everything."""
        return not self.match_labels and not self.match_expressions

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        exact = all(labels.get(key) == value for key, value in self.match_labels.items())
        return exact and all(requirement.matches(labels) for requirement in self.match_expressions)

    def __str__(self) -> str:
        """The form of a `labelSelector` query and of `status.selector`: `a=b,c in (d,e),!f`, sorted by key."""
        terms = [(key, f"{key}={value}") for key, value in self.match_labels.items()]
        terms += [(requirement.key, str(requirement)) for requirement in self.match_expressions]
        return ",".join(text for _, text in sorted(terms, key=lambda term: term[0]))
