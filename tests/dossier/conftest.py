"""A complete dossier to spoil, and what its check says."""

import shutil
from pathlib import Path

import pytest

from civicml.dossier import check, read

EXAMPLE = Path(__file__).parents[2] / "course" / "handbook" / "example-dossier"


class Folder:
    """A copy of the example dossier."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def change(self, file: str, old: str, new: str) -> "Folder":
        """Put `new` in the place of `old`, which must be there."""
        text = (self.path / file).read_text(encoding="utf-8")
        assert old in text, f"{file} does not say {old!r}"
        (self.path / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        return self

    def prose(self, file: str, heading: str, text: str) -> "Folder":
        """Put `text` below `heading`, in the place of all that is there."""
        before, _, after = (self.path / file).read_text(encoding="utf-8").partition(f"## {heading}\n")
        assert after, f"{file} has no heading {heading!r}"
        rest = after.partition("\n## ")
        (self.path / file).write_text(f"{before}## {heading}\n\n{text}\n{rest[1]}{rest[2]}", encoding="utf-8")
        return self

    def problems(self) -> list[str]:
        return [str(problem) for problem in check(read(self.path))]

    def problem(self) -> str:
        """The only thing that is wrong."""
        [found] = self.problems()
        return found


@pytest.fixture
def dossier(tmp_path: Path) -> Folder:
    return Folder(Path(shutil.copytree(EXAMPLE, tmp_path / "dossier")))


@pytest.fixture
def example() -> Path:
    return EXAMPLE
