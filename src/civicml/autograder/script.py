# ruff: noqa: ANN401 - values of any kind pass through here
"""A lab and a submission as what is run, cell by cell.

The lab is the instructor's notebook. A submission is put back into its shape: the lab's cells, each once, in
order, with the lab's own text where that is locked; the learner's own cells stay where they are. Points and
kinds come from the lab alone. It must not run anything.
"""

import copy
import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from civicml.autograder.limits import Limits
from civicml.autograder.names import Names, parse, read_names, touched, used
from civicml.errors import CivicmlError

Kind = Literal["learner", "lab", "test", "text"]
_HIDDEN = re.compile(r"###\s*BEGIN HIDDEN TESTS.*?(?:###\s*END HIDDEN TESTS[^\n]*|\Z)", re.DOTALL)
_MOST_DEPTH = 60


class UnreadableError(Exception):
    """A submission that cannot be graded; its text is the reason."""


@dataclass(frozen=True)
class Cell:
    """One cell of a lab, or of a submission put in its shape."""

    kind: Kind
    source: str
    metadata: dict[str, Any]
    cell_type: str
    name: str = ""
    """nbgrader's grade_id; empty for an ordinary cell."""
    points: float = 0.0
    graded: bool = False
    manual: bool = False
    number: int = -1
    """Its place in the lab; -1 for a learner's own cell."""
    id: str = ""

    @property
    def visible(self) -> str:
        """A test's text as learners see it."""
        return _HIDDEN.sub("", self.source)

    def hides(self, line: int) -> bool:
        """Whether a line of the text, counted from 1, is in a hidden test."""
        return any(
            self.source.count("\n", 0, region.start()) + 1
            <= line
            <= self.source.count("\n", 0, region.end()) + 1
            for region in _HIDDEN.finditer(self.source)
        )


@dataclass(frozen=True)
class Script:
    """A lab, read from its instructor's notebook."""

    cells: tuple[Cell, ...]
    notebook_metadata: dict[str, Any]

    @cached_property
    def names(self) -> Names:
        """Whose each name is."""
        return read_names((cell.number, cell.kind, cell.source) for cell in self.cells if cell.kind != "text")

    @cached_property
    def by_name(self) -> dict[str, Cell]:
        """The cells that nbgrader knows."""
        return {cell.name: cell for cell in self.cells if cell.name}

    @cached_property
    def modules(self) -> frozenset[str]:
        """The modules that the lab imports, with their parents."""
        found = {module for _, module, _ in self.names.imports}
        found |= {f"{module}.{name}" for _, module, name in self.names.imports if name}
        return frozenset(".".join(m.split(".")[: n + 1]) for m in found for n in range(m.count(".") + 1))

    @cached_property
    def helping_tests(self) -> frozenset[int]:
        """The tests that define something which a later test uses."""
        tests = [cell for cell in self.cells if cell.kind == "test"]
        return frozenset(
            test.number
            for place, test in enumerate(tests)
            if touched(parse(test.source))
            & {name for later in tests[place + 1 :] for name in used(later.source)}
        )

    @cached_property
    def digest(self) -> str:
        """Changes with anything that decides a mark."""
        told = [(c.kind, c.source, c.name, c.points, c.graded, c.manual) for c in self.cells]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def read_script(path: Path) -> Script:
    """Read an instructor's notebook.

    Raises:
        CivicmlError: it is missing, no notebook, or its markings are not nbgrader's.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells = tuple(read_cell(number, cell) for number, cell in enumerate(notebook["cells"]))
    except OSError as error:
        raise CivicmlError(f"The lab '{path}' cannot be read: {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CivicmlError(
            f"'{path}' is not a lab that can be graded: {type(error).__name__}: {error}."
        ) from error
    names = [cell.name for cell in cells if cell.name]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise CivicmlError(f"'{path}' has two cells called '{doubled}'.")
    return Script(cells, notebook.get("metadata", {}))


def read_cell(number: int, cell: dict[str, Any]) -> Cell:
    """A cell of a notebook whose markings can be relied on: an instructor's, or a sanitised one."""
    marking = cell.get("metadata", {}).get("nbgrader", {})
    graded, solution = bool(marking.get("grade")), bool(marking.get("solution"))
    task = bool(marking.get("task"))
    named = bool(graded or solution or marking.get("locked") or task)
    kind: Kind = "text"
    if cell["cell_type"] == "code":
        kind = (
            "test"
            if graded and not solution
            else "learner"
            if solution or not marking.get("locked")
            else "lab"
        )
    return Cell(
        kind=kind,
        source=_joined(cell["source"]),
        metadata=cell.get("metadata", {}),
        cell_type=cell["cell_type"],
        name=str(marking["grade_id"]) if named else "",
        points=float(marking.get("points", 0) or 0) if graded or task else 0.0,
        graded=graded or task,
        manual=(graded and solution) or task,
        number=number,
        id=str(cell.get("id", "")),
    )


# --- receiving a submission ---------------------------------------------------------------------


def read_submission(path: Path, limits: Limits) -> list[dict[str, Any]]:
    """The cells of a submitted notebook, checked, as nbformat 4 has them.

    Raises:
        UnreadableError: with the reason, as a sentence for the learner.
    """
    notebook = _parsed(receive(path, limits))
    if notebook.get("nbformat") in (1, 2, 3):
        notebook = _upgraded(notebook)
    cells = notebook.get("cells")
    if not isinstance(cells, list):
        raise UnreadableError(f"{path.name} is not a notebook: it has no cells.")
    if len(cells) > limits.cells:
        raise UnreadableError(f"{path.name} has {len(cells):,} cells; {limits.cells:,} are accepted.")
    return [_checked(cell, number) for number, cell in enumerate(cells, start=1)]


def receive(path: Path, limits: Limits) -> bytes:
    """What a submitted file holds, if it is a regular file of its own and not too large.

    Raises:
        UnreadableError: with the reason, as a sentence for the learner.
    """
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise UnreadableError(f"There is no {path.name} in the submission.") from None
    except OSError:
        raise UnreadableError(f"{path.name} is not a regular file.") from None
    told = os.fstat(number)
    if not stat.S_ISREG(told.st_mode):
        os.close(number)
        raise UnreadableError(f"{path.name} is not a regular file.")
    with os.fdopen(number, "rb") as file:
        if told.st_nlink > 1:
            raise UnreadableError(f"{path.name} is also a file somewhere else (a hard link).")
        if told.st_size > limits.notebook_bytes:
            raise UnreadableError(
                f"{path.name} has more than {limits.notebook_bytes >> 20} MB. Clear its outputs."
            )
        return file.read(limits.notebook_bytes + 1)


def _parsed(data: bytes) -> dict[str, Any]:
    if not data.strip():
        raise UnreadableError("The notebook is empty.")
    if kind := archive_kind(data):
        raise UnreadableError(f"The file is {kind}, not a notebook. Hand in the notebook itself.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise UnreadableError("The notebook is not UTF-8 text.") from None
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise UnreadableError("The notebook is damaged: it is not JSON.") from None
    if not isinstance(notebook, dict) or type(notebook.get("nbformat")) is not int:
        raise UnreadableError("The file is not a notebook.")
    return notebook


_ARCHIVES = {
    b"PK": "a zip archive", b"\x1f\x8b": "a gzip archive", b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive", b"\xfd7zXZ": "an xz archive", b"BZh": "a bzip2 archive",
}  # fmt: skip


def archive_kind(data: bytes) -> str:
    """What archive a file that begins with `data` is; empty when it is none. It is never opened."""
    return next((kind for begins, kind in _ARCHIVES.items() if data.startswith(begins)), "")


def _upgraded(notebook: dict[str, Any]) -> dict[str, Any]:
    import nbformat

    try:
        return dict(nbformat.convert(nbformat.from_dict(notebook), 4))  # type: ignore[no-untyped-call]
    except Exception as error:  # an old notebook may be wrong in more ways than nbformat foresees
        raise UnreadableError("The notebook is in an old format and cannot be brought up to date.") from error


def _checked(cell: Any, number: int) -> dict[str, Any]:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        raise UnreadableError(f"Cell {number} of the notebook is damaged.")
    try:
        source = _joined(cell.get("source", ""))
    except TypeError:
        raise UnreadableError(f"Cell {number} of the notebook is damaged.") from None
    metadata = cell.get("metadata")
    kept = metadata if isinstance(metadata, dict) else {}
    return {"cell_type": cell["cell_type"], "source": source, "metadata": kept, "id": cell.get("id")}


def _joined(source: Any) -> str:
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    raise TypeError("a cell's source is no text")


# --- putting it into the lab's shape ------------------------------------------------------------


def restore(cells: list[dict[str, Any]], lab: Script) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    """A submission's cells as they are run, and what was not as released, one sentence each."""
    placed, notes = _recognised(cells, lab)
    at = [place for place, (_, name) in enumerate(placed) if name]
    order = {cell.name: cell.number for cell in lab.cells if cell.name}
    sorted_places = sorted(at, key=lambda place: order[placed[place][1]])
    if sorted_places != at:
        notes.append("The lab's cells had been moved; they were graded in the lab's order.")
        moved = [placed[place] for place in sorted_places]
        for place, item in zip(at, moved, strict=True):
            placed[place] = item
    result = [_shaped(cell, lab.by_name.get(name), notes) for cell, name in placed]
    place = len(result)
    positions = {cell.name: number for number, cell in enumerate(result) if cell.name}
    for cell in reversed([cell for cell in lab.cells if cell.name]):
        if cell.name in positions:
            place = positions[cell.name]
        elif cell.kind in ("test", "lab") or cell.manual:
            blank = cell if cell.kind in ("test", "lab") else _emptied(cell)
            result.insert(place, blank)
            if cell.graded:
                notes.append(f"The graded cell '{cell.name}' was missing; it was put back.")
    return tuple(result), tuple(notes)


def _recognised(
    cells: list[dict[str, Any]], lab: Script
) -> tuple[list[tuple[dict[str, Any], str]], list[str]]:
    notes: list[str] = []
    named = {_name(cell) for cell in cells}
    lost = {cell.id: cell.name for cell in lab.cells if cell.name and cell.id and cell.name not in named}
    seen: set[str] = set()
    placed: list[tuple[dict[str, Any], str]] = []
    # From the end, as nbgrader does it: of two copies the last one is graded, after all the code.
    for cell in reversed(cells):
        name = _name(cell)
        own = cell["id"] if isinstance(cell["id"], str) else ""
        if not name and own in lost and lost[own] not in seen:
            name = lost[own]
            notes.append(f"Cell '{name}' had lost its marking; it was recognised and graded.")
        if name and name not in lab.by_name:
            notes.append(f"Cell '{name[:60]}' is not the lab's.")
            name = ""
        if name in seen:
            notes.append(f"Cell '{name}' is there more than once; the last one was graded.")
            name = ""
        if name:
            seen.add(name)
            _compare_marking(cell, lab.by_name[name], notes)
        placed.append((cell, name))
    return placed[::-1], notes[::-1]


def _name(cell: dict[str, Any]) -> str:
    marking = cell["metadata"].get("nbgrader")
    name = marking.get("grade_id") if isinstance(marking, dict) else None
    return name if isinstance(name, str) else ""


def _compare_marking(cell: dict[str, Any], lab: Cell, notes: list[str]) -> None:
    was = cell["metadata"].get("nbgrader")
    ours = lab.metadata["nbgrader"]
    counted = ("points", "grade", "solution", "locked", "task")
    if isinstance(was, dict) and any(key in ours and was.get(key) != ours[key] for key in counted):
        notes.append(f"The points or flags of '{lab.name}' had been changed; the lab's own count.")


def _shaped(cell: dict[str, Any], lab: Cell | None, notes: list[str]) -> Cell:
    if lab is None:
        metadata = {
            key: value
            for key, value in cell["metadata"].items()
            if key != "nbgrader" and not key.startswith("civicml_")
        }
        kind: Kind = "learner" if cell["cell_type"] == "code" else "text"
        return Cell(kind, cell["source"], metadata, cell["cell_type"])
    if lab.kind in ("test", "lab") or (lab.kind == "text" and not lab.manual):
        if (cell["cell_type"], _tidy(cell["source"])) not in (
            (lab.cell_type, _tidy(lab.source)),
            (lab.cell_type, _tidy(lab.visible)),
        ):
            notes.append(f"The locked cell '{lab.name}' had been changed; the lab's own was used.")
        return lab
    return Cell(
        lab.kind, cell["source"], copy.deepcopy(lab.metadata), lab.cell_type, lab.name, lab.points,
        lab.graded,
        lab.manual, lab.number, lab.id,
    )  # fmt: skip


def _emptied(cell: Cell) -> Cell:
    return Cell(
        cell.kind, "", cell.metadata, cell.cell_type, cell.name, cell.points, cell.graded, cell.manual,
        cell.number,
        cell.id,
    )  # fmt: skip


def _tidy(source: str) -> str:
    return "\n".join(line.rstrip() for line in source.strip().splitlines() if line.strip())
