"""ServiceLevelObjectives that lie among the files, as an analysis would read them from the cluster."""

from dataclasses import dataclass

from analysis.providers.base import ObjectiveError
from analysis.schema import Obj
from rollouts.lint.fileset import FileSet
from rollouts.lint.manifests import Document


@dataclass(frozen=True)
class FiledObjectives:
    """Those that a manifest may mean by a name; `near` is that manifest."""

    files: FileSet
    near: Document

    async def get(self, namespace: str, name: str) -> Obj:
        """The objective of that name. ObjectiveError when there is none."""
        found = self.files.objective(name, self.near)
        if found is None:
            raise ObjectiveError(f"ServiceLevelObjective '{name}' is in none of the files")
        return found.obj
