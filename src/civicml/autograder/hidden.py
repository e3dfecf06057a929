"""Keeps the text of hidden tests away from learners: in what is released and in what is returned.

A line is hidden when it stands in a hidden test and nowhere that a learner may read. It
must not know what a test is worth or how it was run.
"""

import ast
import builtins
import re
from collections.abc import Iterable

from nbconvert.exporters.exporter import ResourcesDict
from nbconvert.filters import strip_ansi
from nbformat import NotebookNode
from nbgrader.preprocessors import ClearHiddenTests, NbGraderPreprocessor

from civicml.assignment import marking_of
from civicml.autograder.verdict import AFTER_TESTS, MESSAGE, NO_VERDICT

BEGIN = "BEGIN HIDDEN TESTS"
SHORTEST = 12
"""Letters and digits that a line needs before finding them elsewhere proves anything."""
_STAND_IN = "# Hidden tests ran here."
_REMOVED = "[This output was taken out: it showed the text of a hidden test.]"
_LATER = "[Made after a hidden test had run, so it is not shown here. Run your notebook to see it.]"
_TELLING = (NO_VERDICT, "NotImplementedError", "CellTimeoutError", "DeadKernelError", "NotRunError")
"""Names of errors that say by themselves what happened."""
_LONGEST_MESSAGE = 600


class HideHiddenTests(NbGraderPreprocessor):  # type: ignore[misc]
    """One of the steps that make feedback: what the learner gets back names no hidden test's text."""

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Take hidden tests out of sources, tracebacks and every output, in place."""
        hidden = hidden_lines(nb)
        for cell in nb.cells:
            if cell.cell_type != "code":
                continue
            if MESSAGE in cell.metadata and marking_of(cell).get("grade"):
                self._tell(cell)
            elif cell.metadata.get(AFTER_TESTS) and cell.outputs:
                errors = [_bare(output) for output in cell.outputs if output.output_type == "error"]
                later = type(cell)(output_type="stream", name="stdout", text=_LATER)
                cell.outputs = errors or [later]
            elif BEGIN in cell.source and marking_of(cell).get("locked"):
                self._strip(cell, hidden)
            else:
                cell.outputs = [_scrubbed(output, hidden) for output in cell.outputs]
        return nb, resources

    def _tell(self, cell: NotebookNode) -> None:
        """Leave of a test that the engine ran: its visible lines, and what its learner is told."""
        message = cell.metadata[MESSAGE]
        names = {output.get("ename") for output in cell.outputs if output.output_type == "error"}
        if BEGIN in cell.source:
            self._strip(cell, frozenset())
        name = next((kept for kept in _TELLING if kept in names), "AssertionError")
        told = {"output_type": "error", "ename": name, "evalue": message, "traceback": [message]}
        cell.outputs = [type(cell)(told)] if message else []

    def _strip(self, cell: NotebookNode, hidden: frozenset[str]) -> None:
        """Leave of a cell with hidden tests: its visible lines, and what failed."""
        messages = _messages(cell.source)
        remover = ClearHiddenTests(parent=self)
        remover.preprocess_cell(cell, {}, 0)
        cell.source = "\n".join(part for part in (cell.source.strip("\n"), _STAND_IN) if part)
        # What else was printed may be the learner's own functions telling what they were called with.
        cell.outputs = [
            _verdict(output, hidden, messages) for output in cell.outputs if output.output_type == "error"
        ]


def _bare(error: NotebookNode) -> NotebookNode:
    """An error's kind and line; what it says could be what a hidden test passed in."""
    name = str(error.get("ename", ""))
    known = isinstance(getattr(builtins, name, None), type)
    error["ename"] = name if known or name in _TELLING else "Error"
    error["evalue"] = ""
    error["traceback"] = re.findall(
        r"Cell In\[\d+\], line \d+", _plain("\n".join(error.get("traceback", [])))
    )
    return error


def _messages(source: str) -> list[str]:
    """The texts that a cell of tests means to say when it fails, squeezed, the longest first."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    said = [
        node.msg if isinstance(node, ast.Assert) else getattr(node, "exc", None) for node in ast.walk(tree)
    ]
    texts = [
        part.value
        for expression in said
        if expression is not None
        for part in ast.walk(expression)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]
    return sorted(filter(None, map(squeeze, texts)), key=len, reverse=True)


def _verdict(output: NotebookNode, hidden: frozenset[str], messages: list[str]) -> NotebookNode:
    message = _plain(str(output.get("evalue", "")))[:_LONGEST_MESSAGE]
    # What the test means to say is for the learner; what a learner's function put into it may be stolen.
    rest = squeeze(message)
    for text in messages:
        rest = rest.replace(text, "", 1)
    if any(line in rest for line in hidden):
        message = "(the message showed the text of a hidden test)"
    name = output.get("ename", "Error")
    output["evalue"] = message
    output["traceback"] = [f"{name}: {message}" if message else str(name)]
    return output


def _scrubbed(output: NotebookNode, hidden: frozenset[str]) -> NotebookNode:
    if shows("\n".join(_texts(output)), hidden):
        return type(output)(output_type="stream", name="stdout", text=_REMOVED)
    return output


def _texts(value: object) -> Iterable[str]:
    """Every text in an output, however deep; pictures are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if not str(key).startswith(("image/png", "image/jpeg")):
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def hidden_lines(notebook: NotebookNode) -> frozenset[str]:
    """The lines of a notebook that only its hidden tests hold, squeezed."""
    return _only_inside(notebook, ("HIDDEN TESTS",))


def secret_lines(notebook: NotebookNode) -> frozenset[str]:
    """The lines of an instructor's notebook that no learner may see: hidden tests, solutions, rubrics."""
    return _only_inside(notebook, ("HIDDEN TESTS", "SOLUTION", "MARK SCHEME"))


def _only_inside(notebook: NotebookNode, regions: tuple[str, ...]) -> frozenset[str]:
    inner: list[str] = []
    outer: list[str] = []
    for cell in notebook.cells:
        # nbgrader replaces a whole solution cell that marks no region.
        whole = (
            "SOLUTION" in regions and marking_of(cell).get("solution") and "BEGIN SOLUTION" not in cell.source
        )
        inside = bool(whole)
        for line in cell.source.splitlines():
            if any(f"{edge} {region}" in line for region in regions for edge in ("BEGIN", "END")):
                inside = "BEGIN" in line
            else:
                (inner if inside else outer).append(line)
    seen = squeeze("\n".join(outer))
    return frozenset(line for line in map(squeeze, inner) if len(line) >= SHORTEST and line not in seen)


def shows(text: str, hidden: Iterable[str]) -> bool:
    """Whether `text` holds one of the `hidden` lines, however it is quoted, escaped or coloured."""
    squeezed = squeeze(text)
    return any(line in squeezed for line in hidden)


def squeeze(text: str) -> str:
    """Only the letters, digits and underscores of `text`: what survives quoting and colouring."""
    # In JSON a line ends in a backslash and an n, which would leave a letter behind.
    return re.sub(r"\\[nrt]|[^A-Za-z0-9_]", "", _plain(text))


def _plain(text: str) -> str:
    return str(strip_ansi(text))  # type: ignore[no-untyped-call]
