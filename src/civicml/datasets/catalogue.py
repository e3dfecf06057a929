"""Finds datasets: each is a folder ``datasets/<domain>/<name>/`` of the course, holding a ``recipe.py``.

Also the one place that tells a learner's kit (a course root with ``kit.toml``) from
the instructors' repository.
"""

from dataclasses import dataclass
from pathlib import Path

from civicml.course import find_root
from civicml.datasets.schema import Schema, read_schema
from civicml.errors import CivicmlError

KIT_FILE = "kit.toml"
RECIPE_FILE = "recipe.py"
DATASHEET_FILE = "datasheet.md"


@dataclass(frozen=True)
class Dataset:
    """Where a dataset is: a folder with a recipe, or with the published tables in a learner's kit."""

    name: str
    folder: Path
    in_kit: bool

    @property
    def domain(self) -> str:
        """The part of the public service it comes from; a kit does not sort by it."""
        return "" if self.in_kit else self.folder.parent.name

    @property
    def schema(self) -> Schema:
        """What its published tables hold."""
        return read_schema(self.folder)


def all_datasets(root: Path | None = None) -> list[Dataset]:
    """Every dataset of the course in `root` (by default the one around the working directory), by name."""
    root = root or find_root()
    if (root / KIT_FILE).is_file():
        places = sorted((root / "data").glob("*/schema.toml"))
        return [Dataset(place.parent.name, place.parent, in_kit=True) for place in places]
    places = sorted((root / "datasets").glob(f"*/*/{RECIPE_FILE}"), key=lambda place: place.parent.name)
    return [Dataset(place.parent.name, place.parent, in_kit=False) for place in places]


def find_dataset(name: str, root: Path | None = None) -> Dataset:
    """The dataset called `name`.

    Raises:
        CivicmlError: there is none; the sentence lists those there are.
    """
    known = all_datasets(root)
    found = next((dataset for dataset in known if dataset.name == name), None)
    if found is None:
        offered = ", ".join(dataset.name for dataset in known) or "none yet"
        raise CivicmlError(f"There is no dataset called '{name}'. Datasets you can use: {offered}.")
    return found


def refuse_in_kit(dataset: Dataset, layer: str) -> None:
    """Raise if `dataset` is in a learner's kit, where only the published tables are.

    Raises:
        CivicmlError: it is.
    """
    if dataset.in_kit:
        raise CivicmlError(
            f"The {layer} tables of '{dataset.name}' are not in a learner's kit, and cannot be made from it: "
            f"load('{dataset.name}') gives the published tables."
        )
