"""What a week's marks say of its lab: one page for the instructor, with pictures and the figures behind them.

Everything comes from the gradebook, the autograded notebooks and the times of handing in. It
must not know how a submission was run.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from civicml.assignment import Assignment, marking_of, read_assignment, read_notebook
from civicml.autograder.check import error_of, plainly, title_of
from civicml.autograder.settings import said_plainly
from civicml.cohort.directory import Cohort, write_text
from civicml.cohort.grading import graded_learners
from civicml.cohort.marks import Standing, gradebook
from civicml.cohort.similarity import Pair, alike
from civicml.course import Week
from civicml.errors import CivicmlError
from civicml.page import COLOURS, drawing, render

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure
    from nbformat import NotebookNode

FEWEST = 10
"""Submissions from which a correlation is worth a number."""
_BLUE, _ORANGE, _GREEN, _RED = COLOURS[:4]
_LONGEST = 160


@dataclass(frozen=True)
class QuestionReport:
    """How one question went.

    Attributes:
        name: of its answer's cell.
        title: what the lab calls it.
        most: points.
        marked: submissions whose points for it are known; prose waits for a person.
        facility: the mean share of its points that was earned, 0 to 1; NaN where none is marked.
        discrimination: how its points go together with those of the other questions: a correlation,
            −1 to 1; None with too few submissions, or where everybody earned the same.
        full: the share of submissions with all of its points.
        none: the share with no point.
        advice: what to look at; empty when there is nothing.
    """

    name: str
    title: str
    most: float
    marked: int
    facility: float
    discrimination: float | None
    full: float
    none: float
    advice: str


@dataclass(frozen=True)
class FailingTest:
    """A cell of tests, how many lost points in it, and what it said most often."""

    name: str
    title: str
    learners: int
    share: float
    message: str
    times: int


@dataclass(frozen=True)
class WeekReport:
    """One week of one cohort, in figures.

    Attributes:
        week: which week.
        cohort: the cohort's name.
        made: when the report was made, in the course's zone.
        enrolled: learners of the cohort.
        standings: of those whose latest work is graded.
        submitted: learners who handed anything in.
        questions: in the lab's order.
        tests: those that took most points first.
        pairs: submissions that look alike, the most alike first.
    """

    week: Week
    cohort: str
    made: datetime
    enrolled: int
    standings: tuple[Standing, ...]
    submitted: tuple[Standing, ...]
    questions: tuple[QuestionReport, ...]
    tests: tuple[FailingTest, ...]
    pairs: tuple[Pair, ...]

    @property
    def marks(self) -> "pd.Series[float]":
        """What counts for each graded learner, as a share of the points, 0 to 1."""
        found = {s.learner.id: (s.mark or 0.0) / s.max_score for s in self.standings if s.max_score}
        return pd.Series(found, dtype=float)


def week_report(cohort: Cohort, week: Week, now: datetime | None = None) -> WeekReport:
    """Work out a week's report from what is graded.

    Raises:
        CivicmlError: the week was never released, nothing is graded yet, or the gradebook cannot be read.
    """
    if not cohort.notebook("source", week).is_file():
        raise CivicmlError(
            f"{week.name} has not been released in this cohort, so there is nothing to report."
        )
    everybody = gradebook(cohort, week)
    graded = graded_learners(cohort, week)
    standings = [one for one in everybody if one.learner.id in graded and one.score is not None]
    if not standings:
        raise CivicmlError(f"Nothing of {week.name} is graded yet: 'civicml grade {week.name}' first.")
    lab = read_assignment(cohort.notebook("source", week))
    titles = _titles(lab.notebook)
    learners = [one.learner.id for one in standings]
    scores, most = _scores(cohort, week, learners)
    notebooks = {one: _notebook(cohort, week, one) for one in learners}
    return WeekReport(
        week=week,
        cohort=cohort.name,
        made=(now or datetime.now(UTC)).astimezone(cohort.course.zone),
        enrolled=len(everybody),
        standings=tuple(standings),
        submitted=tuple(one for one in everybody if one.submitted is not None),
        questions=tuple(_questions(lab, titles, scores, most)),
        tests=tuple(_tests(lab, titles, scores, most, notebooks)),
        pairs=tuple(_pairs(cohort, week, notebooks)),
    )


def write_report(report: WeekReport, file: Path) -> None:
    """Write the page.

    Raises:
        CivicmlError: the file cannot be written; what was there before is still there.
    """
    place = file.expanduser()
    with said_plainly():
        place.parent.mkdir(parents=True, exist_ok=True)
    write_text(place, report_page(report), mode=0o600)


# --- figures ----------------------------------------------------------------------------------------


def _scores(cohort: Cohort, week: Week, learners: list[str]) -> "tuple[pd.DataFrame, dict[str, float]]":
    """Points by learner and graded cell (NaN: not marked yet), and what each cell is worth."""
    rows, most = {}, {}
    with cohort.logged(), cohort.gradebook() as book:
        for learner in learners:
            row = {}
            for notebook in book.find_submission(week.name, learner).notebooks:
                for grade in notebook.grades:
                    marked = grade.auto_score is not None or grade.manual_score is not None
                    row[grade.name] = grade.score if marked else math.nan
                    most[grade.name] = grade.max_score
            rows[learner] = row
    return pd.DataFrame.from_dict(rows, orient="index").astype(float), most


def _questions(
    lab: Assignment, titles: dict[str, str], scores: pd.DataFrame, most: dict[str, float]
) -> Iterable[QuestionReport]:
    total = scores.sum(axis=1)
    for question in lab.questions:
        cells = [cell.name for cell in question.marked_by if cell.name in scores]
        points = sum(most[cell] for cell in cells)
        if not points:
            continue
        earned = scores[cells].sum(axis=1, skipna=False).dropna()
        facility = float(earned.mean() / points)
        discrimination = discrimination_of(earned, total[earned.index] - earned)
        yield QuestionReport(
            name=question.name,
            title=titles.get(question.name, question.name),
            most=points,
            marked=len(earned),
            facility=facility,
            discrimination=discrimination,
            full=float((earned >= points).mean()),
            none=float((earned <= 0).mean()),
            advice=_advice(facility, discrimination, len(earned), len(scores)),
        )


def discrimination_of(earned: "pd.Series[float]", others: "pd.Series[float]") -> float | None:
    """How far a question tells the same learners apart as the others do: a correlation, −1 to 1.

    The question itself is left out of the total, or it would always agree with itself a little (corrected
    item-total correlation; Ebel and Frisbie, *Essentials of Educational Measurement*, 1991).

    Args:
        earned: each learner's points for the question.
        others: each learner's points for all others.

    Returns:
        None with fewer than ``FEWEST`` learners, or where all have the same points.
    """
    if len(earned) < FEWEST or earned.nunique() < 2 or others.nunique() < 2:
        return None
    found = float(np.corrcoef(earned.to_numpy(), others.to_numpy())[0, 1])
    return found if math.isfinite(found) else None


def _advice(facility: float, discrimination: float | None, marked: int, submissions: int) -> str:
    hard = facility < 0.3
    weak = discrimination is not None and discrimination < 0.1 and facility < 0.95
    advice = {
        f"{submissions - marked} not marked yet.": marked < submissions,
        "": submissions < FEWEST,
        "Those who do well elsewhere fail here: read the question and its tests once more.": (
            discrimination is not None and discrimination < 0
        ),
        "Hard for nearly everybody: is it taught, and does the wording say what the test wants?": hard,
        "Tells little of who has understood: chance, or a test that catches on something else.": weak,
        "Nearly everybody has it: fine as a first step, worth little as a mark.": facility > 0.98,
    }
    return next((text for text, applies in advice.items() if applies), "")


def _tests(
    lab: Assignment,
    titles: dict[str, str],
    scores: pd.DataFrame,
    most: dict[str, float],
    notebooks: "dict[str, NotebookNode | None]",
) -> Iterable[FailingTest]:
    owners = {cell.name: question.name for question in lab.questions for cell in question.marked_by}
    found = []
    for cell in lab.notebook.cells:
        marking = marking_of(cell)
        name = str(marking.get("grade_id", ""))
        if not (marking.get("grade") and marking.get("locked")) or name not in scores:
            continue
        lost = scores.index[scores[name] < most[name]]
        if not len(lost):
            continue
        said = Counter(filter(None, (_said(notebooks[learner], name) for learner in lost)))
        message, times = said.most_common(1)[0] if said else ("", 0)
        owner = owners.get(name, name)
        share = len(lost) / len(scores)
        found.append(FailingTest(name, titles.get(owner, owner), len(lost), share, message, times))
    return sorted(found, key=lambda test: (-test.learners, test.name))


def _said(notebook: "NotebookNode | None", name: str) -> str:
    """What a test said to one learner, with numbers left open so that the same complaint counts as one."""
    if notebook is None:
        return ""
    for cell in notebook.cells:
        if marking_of(cell).get("grade_id") == name and (error := error_of(cell)) is not None:
            return re.sub(r"-?\d[\d,]*(\.\d+)?(e-?\d+)?", "…", plainly(error))[:_LONGEST]
    return ""


def _titles(source: "NotebookNode") -> dict[str, str]:
    """What each answer's question is called in the text above it."""
    titles: dict[str, str] = {}
    title = ""
    for cell in source.cells:
        marking = marking_of(cell)
        if marking.get("solution"):
            titles[str(marking["grade_id"])] = title or str(marking["grade_id"])
        elif cell.cell_type == "markdown":
            title = title_of(cell.source) or title
    return titles


def _pairs(cohort: Cohort, week: Week, notebooks: "dict[str, NotebookNode | None]") -> list[Pair]:
    released = _answers(read_notebook(cohort.notebook("release", week)))
    answers = {learner: _answers(notebook) for learner, notebook in notebooks.items() if notebook is not None}
    return alike(answers, released)


def _answers(notebook: "NotebookNode") -> dict[str, str]:
    return {
        str(marking_of(cell)["grade_id"]) + (".md" if cell.cell_type == "markdown" else ""): cell.source
        for cell in notebook.cells
        if marking_of(cell).get("solution")
    }


def _notebook(cohort: Cohort, week: Week, learner: str) -> "NotebookNode | None":
    try:
        return read_notebook(cohort.notebook("autograded", week, learner))
    except CivicmlError:
        return None


# --- the page ---------------------------------------------------------------------------------------


def report_page(report: WeekReport) -> str:
    """The report as one HTML page: no script, nothing fetched, pictures described in words."""
    marks = report.marks
    names = {one.learner.id: one.learner.name for one in report.standings}
    return render(
        "report.html.j2",
        title=f"Week {report.week.number}: {report.week.title}",
        cohort=report.cohort,
        enrolled=report.enrolled,
        submitted=len(report.submitted),
        late=sum(one.seconds_late > 0 for one in report.submitted),
        graded=len(report.standings),
        waiting=sum(one.state == "needs marking" for one in report.standings),
        median=float(marks.median()),
        questions=report.questions,
        tests=report.tests[:10],
        pairs=[(pair, names[pair.one], names[pair.other]) for pair in report.pairs],
        marks_picture=_marks_picture(marks),
        questions_picture=_questions_picture(report),
        times_picture=_times_picture(report),
        fewest=FEWEST,
        made=f"{report.made.day} {report.made:%B %Y, %H:%M}",
    )


def _new_figure(height: float = 3.4) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(8.2, height), layout="constrained")


def _marks_picture(marks: "pd.Series[float]") -> "Markup":
    from matplotlib.ticker import MaxNLocator

    figure = _new_figure()
    axes = figure.subplots()
    percent = 100 * marks.to_numpy()
    counts, edges, _ = axes.hist(percent, bins=list(range(0, 101, 10)), color=_BLUE, edgecolor="white")
    axes.axvline(float(np.median(percent)), color=_RED, linestyle="--", label="median")
    axes.set(xlabel="mark (% of the points)", ylabel="learners", xlim=(0, 100))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    low, high = np.percentile(percent, [25, 75])
    busiest = int(np.argmax(counts))
    return drawing(
        figure,
        f"Marks of {len(marks)} learners. The median is {np.median(percent):.0f}%; half of them are between "
        f"{low:.0f}% and {high:.0f}%. Most, {int(counts[busiest])}, are between {edges[busiest]:.0f}% and "
        f"{edges[busiest + 1]:.0f}%. Lowest {percent.min():.0f}%, highest {percent.max():.0f}%.",
    )


def _questions_picture(report: WeekReport) -> "Markup":
    questions = report.questions[::-1]
    figure = _new_figure(1.2 + 0.42 * len(questions))
    left, right = figure.subplots(1, 2, sharey=True)
    places = np.arange(len(questions))
    left.barh(places, [100 * question.facility for question in questions], color=_BLUE)
    left.set(xlabel="facility (% of the points earned)", xlim=(0, 100))
    left.set_yticks(places, [_short(question.title) for question in questions])
    known = [
        (place, q.discrimination)
        for place, q in zip(places, questions, strict=True)
        if q.discrimination is not None
    ]
    right.axvline(0, color="#505a5f", linewidth=0.8)
    right.scatter([value for _, value in known], [place for place, _ in known], color=_RED, zorder=3)
    right.set(xlabel="discrimination (correlation)", xlim=(-1, 1))
    right.grid(axis="x", color="#d8dadb")
    marked = [question for question in report.questions if question.marked]
    hardest = min(marked, key=lambda question: question.facility)
    easiest = max(marked, key=lambda question: question.facility)
    text = (
        f"How hard each question was, and how well it tells learners apart. Hardest: {hardest.title}, where "
        f"{hardest.facility:.0%} of the points were earned; easiest: {easiest.title}, {easiest.facility:.0%}."
    )
    if known:
        weakest = min(
            (q for q in report.questions if q.discrimination is not None), key=lambda q: q.discrimination or 0
        )
        text += f" Lowest discrimination: {weakest.title}, {weakest.discrimination:.2f}."
    else:
        text += f" Discrimination is not shown: it takes at least {FEWEST} submissions that differ."
    return drawing(figure, text)


def _times_picture(report: WeekReport) -> "Markup":
    from matplotlib.ticker import MaxNLocator

    figure = _new_figure()
    axes = figure.subplots()
    hours = np.sort(
        [(one.submitted - one.deadline).total_seconds() / 3600 for one in report.submitted if one.submitted]
    )
    if not len(hours):
        return drawing(figure, "Nobody handed in through the exchange, so no times are known.")
    days = hours / 24
    axes.step(
        np.append(days, max(days[-1], 0)),
        np.append(np.arange(1, len(days) + 1), len(days)),
        where="post",
        color=_BLUE,
    )
    axes.axvline(0, color=_RED, linestyle="--", label="due")
    axes.set(
        xlabel="days from each learner's own deadline", ylabel="learners who had handed in", ylim=(0, None)
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    last_day, late = int(((hours > -24) & (hours <= 0)).sum()), int((hours > 0).sum())
    return drawing(
        figure,
        f"When the latest work of {len(hours)} learners came in. Half had handed in "
        f"{_before(float(np.median(hours)))}; {last_day} came on the last day, {late} late.",
    )


def _before(hours: float) -> str:
    unit = f"{abs(hours) / 24:.1f} days" if abs(hours) >= 48 else f"{abs(hours):.0f} hours"
    return f"{unit} before it was due" if hours <= 0 else f"{unit} after it was due"


def _short(title: str) -> str:
    return title if len(title) <= 34 else f"{title[:33]}…"
