"""Puts a submitted notebook back into the released lab's shape before it is graded.

nbgrader believes the metadata in a submission: points, flags, names. Here the released
lab is believed instead, and what differed is said in words. It must not know how cells
are run or what they earn.
"""

import copy
from pathlib import Path

from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from civicml.assignment import marking_of, read_notebook


class Canonicalise(NbGraderPreprocessor):  # type: ignore[misc]
    """The first of nbgrader's sanitising steps, so that the others meet nothing unexpected."""

    released = Unicode("", help="The directory of released labs: <released>/week01/lab.ipynb.").tag(
        config=True
    )

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Restore the notebook in place; do nothing for an assignment that was never released."""
        of = resources["nbgrader"]
        released = Path(self.released) / of["assignment"] / f"{of['notebook']}.ipynb"
        if released.is_file():
            for note in canonicalise(nb, read_notebook(released)):
                self.log.warning("%s: %s", of["student"], note)
        return nb, resources


def canonicalise(notebook: NotebookNode, released: NotebookNode) -> list[str]:
    """Give `notebook` the released lab's graded cells: each once, in order, with its points.

    Cells are recognised by nbgrader's name, or by their notebook id where that name was lost.
    A learner's own cells stay where they are. The text of locked cells is not restored here:
    nbgrader does that from its gradebook, which also holds the hidden tests.

    Args:
        notebook: a submission; changed in place.
        released: the student version of the lab.

    Returns:
        What was not as released, one sentence each.
    """
    canonical = {str(marking_of(cell)["grade_id"]): cell for cell in released.cells if marking_of(cell)}
    notes = _recognise(notebook, canonical)
    notes += _restore_order(notebook, list(canonical))
    notes += _put_back(notebook, canonical)
    return notes


def unanswered(notebook: NotebookNode, released: NotebookNode) -> list[str]:
    """The questions whose cell is still as it was released, by name, in order."""
    given = {marking_of(cell).get("grade_id"): cell.source.strip() for cell in notebook.cells}
    return [
        str(marking_of(cell)["grade_id"])
        for cell in released.cells
        if marking_of(cell).get("solution")
        and given.get(marking_of(cell)["grade_id"], cell.source.strip()) == cell.source.strip()
    ]


def _name(cell: NotebookNode) -> str | None:
    marking = cell.metadata.get("nbgrader")
    name = marking.get("grade_id") if isinstance(marking, dict) else None
    return name if isinstance(name, str) else None


def _recognise(notebook: NotebookNode, canonical: dict[str, NotebookNode]) -> list[str]:
    notes = []
    named = {_name(cell) for cell in notebook.cells}
    lost = {cell.get("id"): name for name, cell in canonical.items() if name not in named and cell.get("id")}
    seen: set[str] = set()
    # From the end, as nbgrader does it: of two copies the last one is graded, after all the code.
    for cell in reversed(notebook.cells):
        name = _name(cell)
        if name is None and cell.get("id") in lost:
            name = lost[cell["id"]]
            notes.append(f"Cell '{name}' had lost its marking; it was recognised and graded.")
        if name is None or name not in canonical or name in seen:
            if "nbgrader" in cell.metadata:
                del cell.metadata["nbgrader"]
                reason = (
                    "is there more than once; the last one was graded" if name in seen else "is not the lab's"
                )
                notes.append(f"Cell '{name}' {reason}.")
            continue
        seen.add(name)
        notes += _restore(cell, name, canonical[name])
    return notes[::-1]


def _restore(cell: NotebookNode, name: str, canonical: NotebookNode) -> list[str]:
    notes = []
    was, marking = cell.metadata.get("nbgrader"), marking_of(canonical)
    ours = {key: value for key, value in marking.items() if key not in ("checksum", "cell_type")}
    if isinstance(was, dict) and any(was.get(key) != value for key, value in ours.items()):
        notes.append(f"The points or flags of '{name}' had been changed; the lab's own count.")
    if marking.get("locked") and _text(cell) != _text(canonical):
        notes.append(f"The locked cell '{name}' had been changed; the lab's own was used.")
    cell.metadata["nbgrader"] = copy.deepcopy(canonical.metadata["nbgrader"])
    return notes


def _text(cell: NotebookNode) -> tuple[str, str]:
    return cell.cell_type, "\n".join(line.rstrip() for line in cell.source.strip().splitlines())


def _restore_order(notebook: NotebookNode, order: list[str]) -> list[str]:
    """Sort the lab's cells into the lab's order, in the places that they hold together."""
    places = [place for place, cell in enumerate(notebook.cells) if _name(cell)]
    cells = [notebook.cells[place] for place in places]
    ordered = sorted(cells, key=lambda cell: order.index(_name(cell) or ""))
    if ordered == cells:
        return []
    for place, cell in zip(places, ordered, strict=True):
        notebook.cells[place] = cell
    return ["The lab's cells had been moved; they were graded in the lab's order."]


def _put_back(notebook: NotebookNode, canonical: dict[str, NotebookNode]) -> list[str]:
    """Add the graded cells that are missing, as late as possible: before the lab's next cell."""
    notes = []
    place = len(notebook.cells)
    positions = {_name(cell): number for number, cell in enumerate(notebook.cells) if _name(cell)}
    for name, cell in reversed(canonical.items()):
        if name in positions:
            place = positions[name]
        elif marking_of(cell).get("grade") or marking_of(cell).get("task"):
            notebook.cells.insert(place, copy.deepcopy(cell))
            notes.append(f"The graded cell '{name}' was missing; it was put back.")
    return notes[::-1]
