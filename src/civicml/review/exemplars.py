"""The course's own capstones: the good ones, and those with one fault each that a review must name.

A flawed one is a good one with a few changes, told in its ``fault.toml``. It copies and runs them, and must
not judge.
"""

import shutil
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from civicml.course import find_root
from civicml.errors import CivicmlError
from civicml.review.findings import PartName, Severity

if TYPE_CHECKING:
    from nbformat import NotebookNode

FOLDER = Path("autograder", "capstones")
FLAWED = "flawed_"
NOTEBOOK = "capstone.ipynb"
LONGEST_SECONDS = 300


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(_Settings):
    """One change to a good capstone: `put` takes the place of `find`.

    Attributes:
        until: if given, what lies between `find` and this goes as well.
        whole_cell: of a notebook, the whole cell that has `find` goes.
    """

    file: str
    find: Annotated[str, Field(min_length=1)]
    until: str = ""
    whole_cell: bool = False
    put: str

    def made_in(self, text: str) -> str:
        """The text with the change made.

        Raises:
            ValueError: `find` is not there exactly once, or nothing follows it that begins with `until`.
        """
        if text.count(self.find) != 1:
            raise ValueError(f"'{self.find[:60]}' is there {text.count(self.find)} times")
        begin = text.index(self.find)
        end = begin + len(self.find)
        if self.until:
            end = text.find(self.until, end)
            if end < 0:
                raise ValueError(f"'{self.until[:60]}' does not follow '{self.find[:60]}'")
        return text[:begin] + self.put + text[end:]


class Fault(_Settings):
    """What is wrong with a flawed capstone.

    Attributes:
        reference: the good one that it is made from.
        finding: the code of the finding that a review must make.
        part: of the review.
        severity: that it must have at least.
        story: what the learner was thinking.
    """

    title: str
    reference: str
    finding: str
    part: PartName
    severity: Severity
    story: str
    changes: Annotated[list[Change], Field(min_length=1)]

    @model_validator(mode="after")
    def _good_reference(self) -> Self:
        if self.reference.startswith(FLAWED):
            raise ValueError("a flawed capstone is made from a good one")
        return self


def exemplars(root: Path | None = None) -> dict[str, Fault | None]:
    """The course's own capstones by folder: None for a good one, its fault for a flawed one.

    Raises:
        CivicmlError: a ``fault.toml`` cannot be used.
    """
    home = (root or find_root()) / FOLDER
    return {
        path.name: _fault(path) if path.name.startswith(FLAWED) else None
        for path in sorted(home.glob("*"))
        if path.is_dir()
    }


def assemble(name: str, destination: Path, root: Path | None = None) -> Path:
    """Copy a capstone to `destination`; a flawed one is its reference with the changes made.

    Args:
        name: the folder's, such as ``"health"`` or ``"flawed_leak"``.
        destination: a folder that does not exist yet.
        root: the course's directory; by default the one around the working directory.

    Raises:
        CivicmlError: there is no such capstone, or a change does not fit.
    """
    root = root or find_root()
    known = exemplars(root)
    if name not in known:
        raise CivicmlError(f"There is no capstone '{name}'; there are: {', '.join(known)}.")
    fault = known[name]
    source = root / FOLDER / (name if fault is None else fault.reference)
    shutil.copytree(source, destination, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for number, change in enumerate(fault.changes if fault else (), start=1):
        path = destination / change.file
        try:
            _apply(change, path)
        except (OSError, ValueError) as error:
            raise CivicmlError(f"{root / FOLDER / name / 'fault.toml'}: change {number}: {error}.") from error
    return destination


def run(folder: Path) -> None:
    """Run the capstone's notebook where it lies, which hands its model in.

    Raises:
        CivicmlError: a cell fails.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    path = folder / NOTEBOOK
    notebook = _read(path)
    client = NotebookClient(
        notebook,
        timeout=LONGEST_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError) as error:
        raise CivicmlError(f"{path} fails: {str(error).strip().splitlines()[-1]}") from error
    _write(notebook, path)


def _apply(change: Change, path: Path) -> None:
    if path.suffix != ".ipynb":
        path.write_text(change.made_in(path.read_text(encoding="utf-8")), encoding="utf-8")
        return
    notebook = _read(path)
    cells = [cell for cell in notebook.cells if change.find in cell.source]
    if len(cells) != 1:
        raise ValueError(f"'{change.find[:60]}' is in {len(cells)} cells")
    cells[0].source = change.put if change.whole_cell else change.made_in(cells[0].source)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    _write(notebook, path)


def _fault(folder: Path) -> Fault:
    path = folder / "fault.toml"
    try:
        return Fault.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CivicmlError(f"{path} cannot be read: {error}.") from error
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"])) or "the whole file"
        raise CivicmlError(f"{path}: {place}: {problem['msg']}.") from error


def _read(path: Path) -> "NotebookNode":
    import nbformat

    notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def _write(notebook: "NotebookNode", path: Path) -> None:
    import nbformat

    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
