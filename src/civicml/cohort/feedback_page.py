"""The page that a learner gets back: each question's points, what failed, and what to try next.

Made from the notebook as it was run. Nothing of a hidden test's text is in it, and nothing
that a learner's code displayed can act on its reader. It must not know how a submission was run
or where pages are kept.
"""

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from markupsafe import Markup
from nbconvert.exporters.exporter import ResourcesDict

from civicml.assignment import marking_of
from civicml.autograder.check import early_stop, error_of, plainly, title_of
from civicml.autograder.hidden import BEGIN, HideHiddenTests
from civicml.autograder.verdict import AFTER_TESTS, HIDDEN, NO_VERDICT
from civicml.page import code, code_style, photograph, prose, render, table_only, terminal, uncoloured

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from civicml.cohort.feedback import QuestionMark, ReturnedMarks

_LONGEST_OUTPUT = 5_000
_MOST_OUTPUTS = 30
_BLANK = "No response."
"""nbgrader's comment on prose that was not touched."""
_POINTER = re.compile(r"^-+>\s*(\d+)\s", re.MULTILINE)
_RERUN = "Then choose Restart Kernel and Run All Cells, and 'civicml check' it."
_OTHER_VALUES = (
    "Try your answer on other values of the same kind: one row, no rows, repeated values, a missing one."
)


@dataclass(frozen=True)
class Note:
    """What a learner should know of one graded cell.

    Attributes:
        kind: how it is set apart.
        heading: what it is about.
        said: the test's or the marker's own words.
        next: what to try.
    """

    kind: Literal["lost", "right", "person"]
    heading: str
    said: str = ""
    next: str = ""


@dataclass
class _Section:
    title: str
    anchor: str
    answer: str
    """The name of the cell to fill in."""
    cells: "list[NotebookNode]" = field(default_factory=list)
    score: float = 0.0
    most: float = 0.0
    notes: list[Note] = field(default_factory=list)
    blocks: list[Markup] = field(default_factory=list)
    state: str = ""


def feedback_page(
    notebook: "NotebookNode",
    marks: "ReturnedMarks",
    *,
    course: str,
    title: str,
    made: datetime,
    handed_in: "NotebookNode | None" = None,
) -> str:
    """A learner's feedback on one lab, as one HTML page.

    Args:
        notebook: as it was run, with the tests, hidden ones too; it is not changed.
        marks: what it earned.
        course: the course's title.
        title: the week's title.
        made: when, to say so in the page.
        handed_in: the notebook as the learner saved it, for the outputs of cells that ran after hidden tests.
    """
    known = {question.name: question for question in marks.questions}
    hidden_failed = {
        _name(cell) for cell in notebook.cells if marking_of(cell).get("locked") and _fails_hidden(cell)
    }
    shown, _ = HideHiddenTests().preprocess(copy.deepcopy(notebook), ResourcesDict())
    saved = _saved_outputs(handed_in)
    sections, others = _sections(shown)
    for section in sections:
        graded = [cell for cell in section.cells if _name(cell) in known]
        section.score = sum(known[_name(cell)].score for cell in graded)
        section.most = sum(known[_name(cell)].max_score for cell in graded)
        stopped = next(filter(None, map(error_of, _own_cells(section))), None)
        for cell in graded:
            section.notes += _notes(cell, known[_name(cell)], stopped, hidden_failed)
        section.notes = list(dict.fromkeys(section.notes))
        section.state = _state(section)
        section.blocks = [block for cell in section.cells for block in _blocks(cell, saved)]
    return render(
        "feedback.html.j2",
        title=f"{title}: your feedback",
        course=course,
        learner=marks.learner,
        mark=marks.mark,
        most=marks.max_score,
        score=marks.score,
        penalty=marks.late_penalty,
        complete=marks.complete,
        problem=marks.problem,
        start=_start(shown, sections),
        questions=sections,
        others=[block for cell in others for block in _blocks(cell, saved)],
        made=f"{made.day} {made:%B %Y, %H:%M}",
        code_style=code_style(),
    )


# --- what belongs together --------------------------------------------------------------------------


def _sections(notebook: "NotebookNode") -> "tuple[list[_Section], list[NotebookNode]]":
    """The cells of each question, from the text above its answer to its last test; and all others."""
    cells = notebook.cells
    answers = [number for number, cell in enumerate(cells) if marking_of(cell).get("solution")]
    ends: dict[int, int] = {}
    for place, answer in enumerate(answers):
        name = _name(cells[answer])
        until = answers[place + 1] if place + 1 < len(answers) else len(cells)
        own = [n for n in range(answer, until) if n == answer or _name(cells[n]).startswith(f"{name}_")]
        ends[answer] = own[-1]
    sections: list[_Section] = []
    taken: set[int] = set()
    for answer in answers:
        begin = answer
        while begin and begin - 1 not in taken and _is_text(cells[begin - 1]):
            begin -= 1
            if title_of(cells[begin].source):
                break
        title = next(filter(None, (title_of(cell.source) for cell in cells[begin:answer])), "")
        name = _name(cells[answer])
        section = _Section(
            title or name, f"question-{len(sections) + 1}", name, cells[begin : ends[answer] + 1]
        )
        taken.update(range(begin, ends[answer] + 1))
        sections.append(section)
    return sections, [cell for number, cell in enumerate(cells) if number not in taken]


def _is_text(cell: "NotebookNode") -> bool:
    return cell.cell_type == "markdown" and not marking_of(cell).get("solution")


def _own_cells(section: _Section) -> "Iterator[NotebookNode]":
    """The learner's code of a question: its answer, and what was written around it."""
    return (cell for cell in section.cells if cell.cell_type == "code" and not marking_of(cell).get("locked"))


def _name(cell: "NotebookNode") -> str:
    return str(marking_of(cell).get("grade_id", ""))


def _fails_hidden(cell: "NotebookNode") -> bool:
    """Whether it is a hidden test of this cell that failed: the line that the traceback points to."""
    error = error_of(cell)
    if error is None or BEGIN not in cell.source:
        return False
    if HIDDEN in cell.metadata:  # the engine knows
        return bool(cell.metadata[HIDDEN])
    lines = cell.source.splitlines()
    begin = next(number for number, line in enumerate(lines, start=1) if BEGIN in line)
    end = next((n for n, line in enumerate(lines, start=1) if n > begin and "END HIDDEN" in line), len(lines))
    pointed = _POINTER.search(uncoloured("\n".join(error.get("traceback", []))))
    if pointed is not None:
        return begin <= int(pointed[1]) <= end
    return not any(line.strip() and not line.lstrip().startswith("#") for line in lines[: begin - 1])


# --- what to say ------------------------------------------------------------------------------------


def _notes(
    cell: "NotebookNode",
    mark: "QuestionMark",
    stopped: "NotebookNode | None",
    hidden_failed: set[str],
) -> Iterator[Note]:
    comment = mark.comment.strip()
    blank = comment == _BLANK
    if comment and not blank:
        yield Note("person", "Your marker says", comment)
    if marking_of(cell).get("solution"):
        if blank:
            yield Note("lost", "Not answered", next="Write your answer in the cell below.")
    elif mark.score < mark.max_score:
        yield _lost(cell, mark, stopped, hidden=mark.name in hidden_failed)


def _lost(
    cell: "NotebookNode", mark: "QuestionMark", stopped: "NotebookNode | None", *, hidden: bool
) -> Note:
    """Why a cell of tests did not give all of its points, and what to try."""
    error = error_of(cell)
    if "NotImplementedError" in (getattr(stopped, "ename", ""), getattr(error, "ename", "")):
        return Note("lost", "Not answered", next="Replace the line that raises NotImplementedError.")
    if stopped is not None:
        again = f"Run that cell alone and mend the line that is named. {_RERUN}"
        return Note("lost", "Your own cell stops, so its tests cannot pass", plainly(stopped), again)
    if error is None:
        heading = "Some of the tests did not pass" if mark.score else "The tests did not pass"
        return Note("lost", heading, next=f"{_OTHER_VALUES} {_RERUN}")
    if error.ename == NO_VERDICT:
        return Note("lost", "This could not be tested", next="Your instructor is told, and will look at it.")
    said = plainly(error)
    if hidden:
        return Note("lost", "A test that you cannot see does not pass", said, f"{_OTHER_VALUES} {_RERUN}")
    again = f"The test is below your answer: change the answer and run it until it says nothing. {_RERUN}"
    return Note("lost", "A test does not pass", said, again)


def _state(section: _Section) -> str:
    if any(note.heading == "Not answered" for note in section.notes):
        return "Not answered"
    if not section.most or section.score >= section.most:
        return "Right" if section.most else "Not marked"
    return "Look again"


def _start(notebook: "NotebookNode", sections: list[_Section]) -> str:
    if stops := early_stop(notebook):
        said = stops[0].removeprefix("Look at this first: ")
        return f"{said[0].upper()}{said[1:]} Mend it first: what comes after may only follow from it."
    lost = [section for section in sections if section.state in ("Look again", "Not answered")]
    if not lost:
        return ""
    first = min(lost, key=lambda section: section.state != "Look again")
    return (
        f"“{first.title}” is the first to look at again."
        if first.state == "Look again"
        else (f"“{first.title}” is the first that is not answered.")
    )


# --- cells ------------------------------------------------------------------------------------------


def _saved_outputs(handed_in: "NotebookNode | None") -> "dict[str, list[NotebookNode]]":
    """What the learner's own cells showed when they were saved, by their source."""
    if handed_in is None:
        return {}
    return {
        cell.source: list(cell.get("outputs", [])) for cell in handed_in.cells if cell.cell_type == "code"
    }


def _blocks(cell: "NotebookNode", saved: "Mapping[str, list[NotebookNode]]") -> Iterator[Markup]:
    if cell.cell_type == "markdown":
        yield prose(cell.source)
        return
    if cell.cell_type != "code" or not cell.source.strip():
        return
    if marking_of(cell).get("locked"):
        yield Markup("<details><summary>The test</summary>{}</details>").format(code(cell.source))
        return
    yield code(cell.source)
    outputs = list(cell.get("outputs", []))
    if cell.metadata.get(AFTER_TESTS):
        errors = [output for output in outputs if output.output_type == "error"]
        outputs = [output for output in saved.get(cell.source, []) if output.output_type != "error"]
        if outputs:
            yield Markup("<p class='soft'>As it was when you handed it in:</p>")
        outputs += errors
    for output in outputs[:_MOST_OUTPUTS]:
        yield _output(output)
    if len(outputs) > _MOST_OUTPUTS:
        yield Markup("<p class='note'>{:,} more outputs are left out.</p>").format(
            len(outputs) - _MOST_OUTPUTS
        )


def _output(output: "NotebookNode") -> Markup:
    if output.output_type == "stream":
        return _printed(_text(output.get("text", "")))
    if output.output_type == "error":
        return _printed(plainly(output))
    data = output.get("data", {})
    if "image/png" in data:
        return photograph(
            _text(data["image/png"]), _text(data.get("text/plain", "")) or "A picture from your cell"
        )
    if "<table" in _text(data.get("text/html", "")).lower():
        html = _text(data["text/html"])
        if len(html) <= 10 * _LONGEST_OUTPUT:
            return Markup('<div class="scroll">{}</div>').format(table_only(html))
    if "text/markdown" in data:
        return prose(_text(data["text/markdown"])[:_LONGEST_OUTPUT])
    return _printed(_text(data.get("text/plain", "")))


def _printed(text: str) -> Markup:
    if not text.strip():
        return Markup()
    cut = len(text) - _LONGEST_OUTPUT
    block = Markup("<pre class='said'>{}</pre>").format(terminal(text[:_LONGEST_OUTPUT]))
    return block + Markup("<p class='soft'>… {:,} more characters.</p>").format(cut) if cut > 0 else block


def _text(value: object) -> str:
    """What nbformat keeps as a text or as a list of lines."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value)
