"""Do our marks agree with nbgrader's? ``python benchmarks/agreement.py [--submissions 500] [--honest 50]``.

Draws honest submissions: for each question of a written week's lab an answer of its bank, right or wrong, or
none; and likewise of the small questions in ``tests/autograder/honest.toml``. Each is graded by nbgrader as
shipped and by the engine, and what the gradebook then holds is compared, cell by cell. Every comparison is
a line of the results file as soon as it is made; run again, the command takes up where it ended.
Ends with 1 where marks differ for another reason than one that the handbook names. ``--again`` grades with
the engine alone, and compares with the marks that nbgrader gave before.
"""

import argparse
import copy
import json
import multiprocessing
import os
import random
import shutil
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from civicml.assignment import NOTEBOOK, marking_of, read_assignment, read_notebook, solution_cells
from civicml.autograder.answers import BANK, read_bank
from civicml.autograder.pool import Grader
from civicml.autograder.proof import reference_source
from civicml.autograder.record import recording
from civicml.autograder.script import read_script
from civicml.autograder.settings import environment, logging_to, open_gradebook, read_settings
from civicml.autograder.verdict import Result
from civicml.cohort import Cohort, open_cohort, release
from civicml.cohort.engine import engine_settings
from civicml.cohort.kernels import variables
from civicml.course import Course, load_course
from civicml.datasets import load
from civicml.rehearsal import scratch_cohort

HONEST = Path(__file__).parents[1] / "tests" / "autograder" / "honest.toml"
HONEST_LAB = "honest"
SEED = 20261122
PATIENCE = 600
"""Seconds that nbgrader gives a cell, here: its own 30 are too few on a busy machine."""
CLOSE = 1e-6
STDERR = "a word on stderr: nbgrader gives 0"
UNKNOWN = "not explained"

Draw = tuple[str, int]
"""The lab's name, and the number of the submission: together they say what is in it."""


@dataclass(frozen=True)
class Difference:
    """A graded cell that earns something else here than there."""

    cell: str
    answer: str
    """What stood in the question's cell: a file of the bank."""
    nbgrader: float | None
    ours: float | None
    nbgrader_said: str
    we_said: str
    reason: str


@dataclass(frozen=True)
class Compared:
    """One submission, graded twice."""

    lab: str
    number: int
    answers: dict[str, str]
    nbgrader: dict[str, float | None]
    nbgrader_said: dict[str, str]
    """What each test cell left as output, where that was an error or went to stderr."""
    differences: list[Difference]
    nbgrader_seconds: float
    our_seconds: float


# --- what is drawn --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """One way to answer a question."""

    name: str
    right: bool
    source: str | None
    """None: the cell stays as it was released."""


@dataclass(frozen=True)
class Lab:
    """A lab and the ways to answer its questions."""

    name: str
    source: Path
    choices: dict[str, tuple[Choice, ...]]

    def draw(self, seed: int, number: int) -> dict[str, Choice]:
        """A learner's answers: half of them right, about one question in twelve left alone."""
        dice = random.Random(f"{seed}:{self.name}:{number}")
        chosen = {}
        for question, choices in self.choices.items():
            wanted = dice.random() < 0.5
            kind = [choice for choice in choices if choice.right is wanted] or list(choices)
            chosen[question] = dice.choice(kind)
            if dice.random() < 1 / 12:
                chosen[question] = Choice("untouched", False, None)
        return chosen


def week_lab(course: Course, name: str) -> Lab:
    """A written week's lab, with its answer bank and its own solution."""
    week = course.week(name)
    source = course.folder(week) / f"{NOTEBOOK}.ipynb"
    assignment = read_assignment(source)
    bank = read_bank(course.root / BANK / week.name, assignment)
    choices: dict[str, tuple[Choice, ...]] = {}
    for question, (_, cell) in solution_cells(assignment.notebook):
        given = [Choice(a.path.name, a.kind == "right", a.source) for a in bank.of(question)]
        choices[question] = (Choice("the lab's own", True, reference_source(cell)), *given)
    return Lab(week.name, source, choices)


def honest_lab(folder: Path) -> Lab:
    """The small questions of the tests as one lab, written into `folder`."""
    questions = tomllib.loads(HONEST.read_text(encoding="utf-8"))
    cells = [_cell("import numpy as np\nimport pandas as pd", "setup", locked=True)]
    choices = {}
    for name, question in questions.items():
        solved = f"### BEGIN SOLUTION\n{question['answer']}\n### END SOLUTION"
        cells.append(_cell(solved, name, solution=True))
        cells.append(_cell(question["tests"], f"{name}_test", grade=True, locked=True, points=10))
        wrong = [Choice(f"wrong {number}", False, text) for number, text in enumerate(question["wrong"])]
        choices[name] = (Choice("right", True, question["answer"]), *wrong)
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}
    lab = folder / f"{NOTEBOOK}.ipynb"
    lab.parent.mkdir(parents=True)
    lab.write_text(json.dumps(notebook), encoding="utf-8")
    return Lab(HONEST_LAB, lab, choices)


def _cell(source: str, name: str, **flags: Any) -> dict[str, Any]:
    marking = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    return {
        "cell_type": "code", "id": name, "metadata": {"nbgrader": {"grade_id": name, **marking, **flags}},
        "source": source, "outputs": [], "execution_count": None,
    }  # fmt: skip


# --- grading twice, in a process of its own -------------------------------------------------------


@dataclass(frozen=True)
class Desk:
    """Where one process grades: its copy of the cohort, and a warm grader for each lab that it met."""

    cohort: Cohort
    around: dict[str, str]
    labs: dict[str, Lab]
    seed: int
    scratch: Path
    graders: dict[str, Grader] = field(default_factory=dict)


_desks: list[Desk] = []


def _enter(cohort: Path, course: Path, labs: dict[str, Lab], seed: int) -> None:
    # Kernels say on the terminal what matters to nobody.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    place = cohort.with_name(f"{cohort.name}-{os.getpid()}")
    shutil.copytree(cohort, place, ignore=lambda folder, _: ["sealed"] if Path(folder) == cohort else [])
    (place / "sealed").symlink_to(cohort / "sealed")
    os.environ["CIVICML_COURSE"] = str(course)
    scratch = place / "scratch"
    scratch.mkdir()
    around = variables(place, course, scratch)
    _desks.append(Desk(open_cohort(place), around, labs, seed, scratch))


def _compare(draw: Draw, before: Compared | None = None) -> Compared:
    desk = _desks[-1]
    name, number = draw
    lab = desk.labs[name]
    answers = lab.draw(desk.seed, number)
    notebook = copy.deepcopy(read_notebook(desk.cohort.root / "release" / name / f"{NOTEBOOK}.ipynb"))
    for question, (_, cell) in solution_cells(notebook):
        told = answers[question].source
        cell.source = cell.source if told is None else told
    stock, own = f"n{number:05}", f"c{number:05}"
    with logging_to(None):
        began = time.monotonic()
        said = _by_nbgrader(desk, name, stock, notebook) if before is None else before.nbgrader_said
        between = time.monotonic()
        result = _by_us(desk, lab, own, notebook)
        ended = time.monotonic()
        theirs = _marks(desk, name, stock) if before is None else before.nbgrader
        ours = _marks(desk, name, own)
    we_said = {
        verdict.name: f"{verdict.status}: {verdict.detail or verdict.message}" for verdict in result.verdicts
    }
    differences = [
        _difference(
            cell, answers, (theirs.get(cell), ours.get(cell)), (said.get(cell, ""), we_said.get(cell, ""))
        )
        for cell in sorted(theirs.keys() | ours.keys())
        if not _same(theirs.get(cell), ours.get(cell))
    ]
    shown = {question: choice.name for question, choice in answers.items()}
    for learner in (stock, own):
        for step in ("submitted", "autograded"):
            shutil.rmtree(desk.cohort.root / step / learner, ignore_errors=True)
    seconds = between - began if before is None else before.nbgrader_seconds
    return Compared(name, number, shown, theirs, said, differences, seconds, ended - between)


def _by_nbgrader(desk: Desk, name: str, learner: str, notebook: Any) -> dict[str, str]:
    """Autograde with nbgrader's own steps and settings; returns what each test left as output."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    root = desk.cohort.root
    _hand_in(root, name, learner, notebook)
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.db_url = f"sqlite:///{root / 'gradebook.db'}"
    config.Execute.timeout = PATIENCE
    with environment(desk.around | {"CIVICML_LEARNER": learner}):
        told = NbGraderAPI(config=config).autograde(name, learner, create=True)
    if not told["success"]:
        raise SystemExit(f"nbgrader gave up on {name} {learner}: {told['error'][-2000:]}")
    graded = read_notebook(root / "autograded" / learner / name / f"{NOTEBOOK}.ipynb")
    return {
        str(marking_of(cell)["grade_id"]): said
        for cell in graded.cells
        if marking_of(cell).get("grade") and cell.cell_type == "code" and (said := _in_short(cell))
    }


def _in_short(cell: Any) -> str:
    said = [
        f"{out.ename}: {out.evalue}" if out.output_type == "error" else f"stderr: {out.text}"
        for out in cell.outputs
        if out.output_type == "error" or (out.output_type == "stream" and out.name == "stderr")
    ]
    return " | ".join(said)[:400]


def _by_us(desk: Desk, lab: Lab, learner: str, notebook: Any) -> Result:
    root = desk.cohort.root
    path = _hand_in(root, lab.name, learner, notebook)
    with open_gradebook(desk.cohort.settings) as gradebook:
        gradebook.update_or_create_student(learner)
    if lab.name not in desk.graders:
        script = read_script(root / "source" / lab.name / f"{NOTEBOOK}.ipynb")
        scratch = desk.scratch / lab.name
        scratch.mkdir()
        settings = engine_settings(script, desk.cohort.course.root, scratch, root)
        desk.graders[lab.name] = Grader(script, settings)
        desk.graders[lab.name].learn()
    result = desk.graders[lab.name].grade(path, {"CIVICML_LEARNER": learner})
    with recording(desk.cohort.settings, lab.name) as recorder:
        recorder.record(learner, result)
    return result


def _hand_in(root: Path, name: str, learner: str, notebook: Any) -> Path:
    import nbformat

    path = root / "submitted" / learner / name / f"{NOTEBOOK}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)  # type: ignore[no-untyped-call]
    return path


def _marks(desk: Desk, name: str, learner: str) -> dict[str, float | None]:
    with open_gradebook(desk.cohort.settings) as gradebook:
        grades = gradebook.find_submission_notebook(NOTEBOOK, name, learner).grades
        return {grade.name: grade.auto_score for grade in grades}


def _same(one: float | None, other: float | None) -> bool:
    return one is other if one is None or other is None else abs(one - other) < CLOSE


def _difference(
    cell: str,
    answers: dict[str, Choice],
    points: tuple[float | None, float | None],
    said: tuple[str, str],
) -> Difference:
    (theirs, ours), (they_said, we_said) = points, said
    owners = [question for question in answers if cell == question or cell.startswith(f"{question}_")]
    owner = max(owners, key=len, default="")
    only_a_word = they_said.startswith("stderr: ") and " | " not in they_said and not theirs
    return Difference(
        cell,
        f"{owner}/{answers[owner].name}" if owner else "",
        theirs,
        ours,
        they_said,
        we_said[:400],
        STDERR if only_a_word else UNKNOWN,
    )


# --- the whole --------------------------------------------------------------------------------------


@contextmanager
def prepared(course: Course, weeks: list[str], honest: bool) -> Iterator[tuple[Cohort, dict[str, Lab]]]:
    """A cohort of nobody with the labs released in it."""
    with scratch_cohort(course) as cohort:
        labs = {name: week_lab(course, name) for name in weeks}
        for name in weeks:
            week = course.week(name)
            for dataset in week.datasets:
                load(dataset)
            release(cohort, week)
        if honest:
            labs[HONEST_LAB] = honest_lab(cohort.root / "source" / HONEST_LAB)
            _generate(cohort)
        yield cohort, labs


def _generate(cohort: Cohort) -> None:
    from nbgrader.apps import NbGraderAPI

    with logging_to(None):
        told = NbGraderAPI(config=read_settings(cohort.root)).generate_assignment(HONEST_LAB)
    if not told["success"]:
        raise SystemExit(f"The lab of small questions cannot be released: {told['error'][-2000:]}")


def read_results(path: Path) -> list[Compared]:
    """What was compared before, the last time that it was; a line that was not finished is left out."""
    if not path.is_file():
        return []
    found: dict[Draw, Compared] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        one = Compared(**{**told, "differences": [Difference(**each) for each in told["differences"]]})
        found[one.lab, one.number] = one
    return list(found.values())


def show(results: list[Compared]) -> list[Difference]:
    """Print what was compared and where marks differ; returns the differences without a reason."""
    console = Console(width=180)
    table = Table(title="Submissions graded twice, by nbgrader as shipped and by the engine")
    for heading in ("lab", "submissions", "cells", "equal", "nbgrader s", "ours s"):
        table.add_column(heading, justify="left" if heading == "lab" else "right")
    for lab in sorted({one.lab for one in results}):
        of = [one for one in results if one.lab == lab]
        cells = sum(len(one.nbgrader) for one in of)
        apart = sum(len(one.differences) for one in of)
        stock, own = (sum(getattr(o, s) for o in of) for s in ("nbgrader_seconds", "our_seconds"))
        table.add_row(
            lab,
            str(len(of)),
            str(cells),
            str(cells - apart),
            f"{stock / len(of):.1f}",
            f"{own / len(of):.1f}",
        )
    console.print(table)
    apart_from = [(one.lab, difference) for one in results for difference in one.differences]
    counts = Counter(
        (lab, d.cell, d.answer, d.nbgrader, d.ours, d.nbgrader_said, d.we_said, d.reason)
        for lab, d in apart_from
    )
    if counts:
        table = Table(title="Where marks differ")
        for heading in ("times", "cell", "answer", "nbgrader", "ours", "nbgrader said", "we said", "reason"):
            table.add_column(heading, overflow="fold")
        for (lab, cell, answer, theirs, ours, they_said, we_said, reason), times in counts.most_common():
            said = (they_said[:120], we_said[:120])
            table.add_row(str(times), f"{lab} {cell}", answer, str(theirs), str(ours), *said, reason)
        console.print(table)
    else:
        console.print("Marks are equal everywhere.")
    return [difference for _, difference in apart_from if difference.reason == UNKNOWN]


def main() -> int:
    """Draw, grade twice, compare; 1 where something differs without a reason."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else "")
    parser.add_argument("--submissions", type=int, default=500, metavar="N", help="of each week's lab")
    parser.add_argument("--honest", type=int, default=50, metavar="N", help="of the lab of small questions")
    parser.add_argument("--weeks", nargs="*", metavar="WEEK", help="weeks; all written ones if not given")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="processes side by side")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument(
        "--results", type=Path, default=Path("agreement.jsonl"), help="added to, and read first"
    )
    parser.add_argument("--again", action="store_true", help="with the engine only, what was compared before")
    parser.add_argument("--show", action="store_true", help="only print what the results file holds")
    told = parser.parse_args()
    results = read_results(told.results)
    if not told.show:
        known = {(one.lab, one.number): one for one in results}
        _run(told, known)
        results = read_results(told.results)
    return 1 if show(results) else 0


def _run(told: argparse.Namespace, known: dict[Draw, Compared]) -> None:
    course = load_course()
    weeks = [course.week(name).name for name in told.weeks or [week.name for week in course.written_weeks]]
    rounds = range(max(told.submissions, told.honest))
    # In turn, so that a run that is stopped early has some of each.
    wanted = [
        draw
        for number in rounds
        for draw in [(HONEST_LAB, number)] * (number < told.honest)
        + [(week, number) for week in weeks if number < told.submissions]
        if (draw in known) is told.again
    ]
    if not wanted:
        return
    told.results.parent.mkdir(parents=True, exist_ok=True)
    with (
        prepared(course, weeks, told.honest > 0) as (cohort, labs),
        Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress,
        told.results.open("a", encoding="utf-8") as file,
        closing(_graded(cohort, labs, told, [(draw, known.get(draw)) for draw in wanted])) as graded,
    ):
        bar = progress.add_task("grading twice", total=len(wanted))
        for one in graded:
            file.write(json.dumps(asdict(one)) + "\n")
            file.flush()
            progress.advance(bar)


def _graded(
    cohort: Cohort,
    labs: dict[str, Lab],
    told: argparse.Namespace,
    wanted: list[tuple[Draw, Compared | None]],
) -> Generator[Compared]:
    with ProcessPoolExecutor(
        max_workers=max(1, told.jobs),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_enter,
        initargs=(cohort.root, cohort.course.root, labs, told.seed),
    ) as pool:
        waiting = [pool.submit(_compare, *one) for one in wanted]
        try:
            for done in as_completed(waiting):
                yield done.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="civicml-agreement-") as folder:
        os.environ.setdefault("JUPYTER_CONFIG_DIR", folder)  # nobody's own settings of nbgrader count
        sys.exit(main())
