"""A week of the course and the review of a capstone, played through the same functions as the commands.

What is done is kept: run it again, or stop it and run it again, and it goes on from
there to the same result. It must not know which weeks or questions a course has.
"""

import asyncio
import math
import os
import random
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from civicml import datasets, tracking
from civicml.assignment import NOTEBOOK, Assignment, read_assignment, read_notebook, solution_cells
from civicml.autograder.answers import Answer, Bank, read_bank
from civicml.autograder.pool import why_no_sandbox
from civicml.autograder.settings import environment
from civicml.cohort import (
    Cohort,
    Grading,
    Learner,
    fetch,
    grade,
    gradebook,
    init,
    open_cohort,
    release,
    return_week,
    submit,
)
from civicml.cohort.exchange import handed_in
from civicml.course import Course, Week, load_course
from civicml.errors import CivicmlError
from civicml.review.exemplars import assemble, exemplars
from civicml.review.exemplars import run as run_capstone
from civicml.review.reviewing import STEPS

if TYPE_CHECKING:
    from civicml.review.keeping import Kept

NAME = "Demonstration"
"""What the demonstration's own cohort is called."""

Advance = Callable[[], None]


@dataclass(frozen=True)
class Player:
    """One made-up learner, and how they go about a lab."""

    learner: Learner
    right: float
    """The share of questions answered rightly, from 0 to 1."""
    story: str
    answers: bool = True
    """False for a lab that is handed in as it was released."""
    crashes: bool = False
    """True for a lab in which a cell ends the kernel, as a cell does that eats all the memory."""


PLAYERS = (
    Player(Learner("amara", "Amara", "Okafor", "amara@example.org"), 1.0, "gets everything right"),
    Player(Learner("bryn", "Bryn", "Pritchard", "bryn@example.org"), 1.0, "right too, by other ways"),
    Player(Learner("chloe", "Chloé", "Lambert", "chloe@example.org"), 0.85, "slips once or twice"),
    Player(Learner("daiki", "Daiki", "Mori", "daiki@example.org"), 0.65, "knows pandas, rushes"),
    Player(Learner("esra", "Esra", "Aydın", "esra@example.org"), 0.5, "half way there"),
    Player(Learner("farid", "Farid", "Khan", "farid@example.org"), 0.3, "handed it in at midnight"),
    Player(Learner("greta", "Greta", "Holm", "greta@example.org"), 0.0, "hands in a blank", answers=False),
    Player(Learner("hyun", "Hyun", "Seo", "hyun@example.org"), 0.8, "has a cell that crashes", crashes=True),
)

CRASH = "import os, signal\n\nos.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out"


def play(place: Path, console: Console) -> None:
    """Run the first written week for a made-up cohort in `place`, review a capstone, show what came of it.

    Raises:
        CivicmlError: `place` holds something else, or a step of the loop refuses.
    """
    course = load_course()
    week = course.written_weeks[0]
    console.print(
        f"[bold]{course.title}[/bold]\nA made-up cohort of {len(PLAYERS)} takes {week.name}, {week.title}: "
        f"[italic]{week.question}[/italic]\n"
    )
    with _stages(console) as stage:
        with stage("Build the data", len(week.datasets)) as advance:
            for name in week.datasets:
                datasets.load(name)
                advance()
        with stage("Set up the cohort", 1):
            cohort = _cohort(place, course)
        with stage("Release the lab", 1):
            release(cohort, week)
        with stage("Learners work on it", len(PLAYERS)) as advance:
            _work(cohort, week, advance)
        with stage("Learners hand it in", len(PLAYERS)) as advance:
            _hand_in(cohort, week, advance)
        with stage("Grade", len(PLAYERS)) as advance:
            graded = grade(cohort, week, jobs=2, report=_forward(advance))
        with stage("Write feedback", len(PLAYERS)) as advance:
            return_week(cohort, week, partial=True, report=_forward(advance))
        capstone = _capstone(cohort, stage)
    console.print()
    if graded.no_sandbox:
        console.print(graded.no_sandbox)
    console.print(_marks(cohort, week, graded))
    console.print(_runs(cohort, week))
    if capstone is not None:
        console.print(_findings(capstone))
    console.print(_what_next(cohort, week, capstone), soft_wrap=True, highlight=False)


# --- the steps ------------------------------------------------------------------------------------


def _cohort(place: Path, course: Course) -> Cohort:
    place = place.expanduser().resolve()
    if not place.exists():
        return init(place, name=NAME, learners=[player.learner for player in PLAYERS])
    cohort = open_cohort(place)
    if cohort.name != NAME:
        raise CivicmlError(
            f"The cohort at '{place}' is not the demonstration's and is left alone; "
            "name another place with --cohort."
        )
    return cohort


def _work(cohort: Cohort, week: Week, advance: Advance) -> None:
    """Each learner fetches the lab, writes answers in it and runs it, two at a time."""
    lab = read_assignment(cohort.course.folder(week) / f"{NOTEBOOK}.ipynb")
    bank = read_bank(cohort.course.root / "autograder" / "answers" / week.name, lab)
    todo = []
    for player in PLAYERS:
        folder = _desk(cohort, player)
        if (folder / week.name / _FINISHED).is_file():
            advance()
            continue
        notebook = fetch(cohort, week, folder).notebook
        if player.answers:
            _write_answers(notebook, _choose(player, lab, bank))
        _forget_runs(cohort, player)
        todo.append((notebook, _environment(cohort, player)))
    asyncio.run(_run_all(todo, advance))


async def _run_all(todo: list[tuple[Path, dict[str, str]]], advance: Advance) -> None:
    seats = asyncio.Semaphore(2)

    async def sit(notebook: Path, environment: dict[str, str]) -> None:
        async with seats:
            await _run_as_learner(notebook, environment)
        advance()

    await asyncio.gather(*(sit(*one) for one in todo))


_FINISHED = ".ran"


def _desk(cohort: Cohort, player: Player) -> Path:
    return cohort.root / "desks" / player.learner.id


def _choose(player: Player, lab: Assignment, bank: Bank) -> dict[str, str]:
    """This learner's answer to each question, from the bank; the same on every machine."""
    chosen = {}
    for number, question in enumerate(lab.questions):
        draw = random.Random(f"{player.learner.id}/{question.name}")  # noqa: S311 (no secret in it)
        right: list[Answer] = bank.of(question.name, "right")
        wrong: list[Answer] = bank.of(question.name, "wrong")
        among = right if draw.random() < player.right or not wrong else wrong
        if among:
            chosen[question.name] = draw.choice(among).source
        if player.crashes and number == len(lab.questions) // 2:
            chosen[question.name] = CRASH
    return chosen


def _write_answers(notebook: Path, answers: dict[str, str]) -> None:
    import nbformat

    filled = read_notebook(notebook)
    for name, (_, cell) in solution_cells(filled):
        if name in answers:
            cell.source = answers[name]
    _replace(notebook, nbformat.writes(filled))  # type: ignore[no-untyped-call]


def _environment(cohort: Cohort, player: Player) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return environment | {
        "CIVICML_COHORT": str(cohort.root),  # runs go to the cohort's own store
        "CIVICML_COURSE": str(cohort.course.root),
        "CIVICML_LEARNER": player.learner.id,
        **dict.fromkeys(threads, "1"),
    }


async def _run_as_learner(notebook: Path, environment: dict[str, str]) -> None:
    """Run the notebook as JupyterLab's 'Run all cells' does; errors stay in it, as on a learner's screen."""
    import nbformat
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    work = read_notebook(notebook)
    with TemporaryDirectory(prefix="civicml-") as folder:
        client = NotebookClient(
            work,
            # Over files that only this user may open, and not over the loopback network. Each kernel
            # needs a connection file of its own for that: the files are named after it.
            km=AsyncKernelManager(transport="ipc", connection_file=str(Path(folder, "kernel.json"))),
            resources={"metadata": {"path": str(notebook.parent)}},
            timeout=120,
            allow_errors=True,
            shutdown_kernel="immediate",
        )
        with suppress(DeadKernelError):  # one of them is meant to; what ran before it is in the notebook
            await client.async_execute(env=environment)
    _replace(notebook, nbformat.writes(work))  # type: ignore[no-untyped-call]
    notebook.with_name(_FINISHED).touch()


def _replace(path: Path, text: str) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)


def _forget_runs(cohort: Cohort, player: Player) -> None:
    """Delete what an interrupted attempt logged, so that each learner ends with one attempt's runs."""
    import mlflow

    with _store_of(cohort):
        for run_id in tracking.runs(learner=player.learner.id)["run_id"]:
            mlflow.delete_run(run_id)


@contextmanager
def _store_of(cohort: Cohort) -> Iterator[None]:
    """While this lasts, tracking reads the cohort's store and no other."""
    names = {"CIVICML_COHORT": str(cohort.root), "MLFLOW_TRACKING_URI": None}
    before = {name: os.environ.get(name) for name in names}
    try:
        _set(names)
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _hand_in(cohort: Cohort, week: Week, advance: Advance) -> None:
    already = handed_in(cohort, week.name)
    for player in PLAYERS:
        if player.learner.id not in already:
            submit(cohort, week, player.learner.id, _desk(cohort, player))
        advance()


def _capstone(cohort: Cohort, stage: Callable[[str, int], Any]) -> "Kept | None":
    """Somebody hands in the first of the course's own capstones, and it is reviewed.

    None for a course without capstones, and where no sandbox can be made: a review opens strangers' models.
    """
    from civicml.review.keeping import last_review, review_on_record

    good = [name for name, fault in exemplars(cohort.course.root).items() if fault is None]
    if not good or why_no_sandbox():
        return None
    with stage("Hand in a capstone", 1):
        model = _hand_in_capstone(cohort, good[0])
    with stage("Review it", len(STEPS)) as advance:
        before = last_review(cohort.root, model, "1")
        return before or review_on_record(
            cohort.root, model, "1", root=cohort.course.root, report=_forward(advance)
        )


def _hand_in_capstone(cohort: Cohort, name: str) -> str:
    """Run the notebook as the first learner, who worked well; return the registered model's name."""
    import mlflow

    author = PLAYERS[0]
    folder = _desk(cohort, author) / "capstone"
    with _store_of(cohort), environment(_environment(cohort, author)):
        tracking.prepare_store(cohort.root / "tracking")
        client = mlflow.MlflowClient(f"sqlite:///{cohort.root / 'tracking' / 'mlflow.db'}")
        if not (folder / _FINISHED).is_file():
            for half_done in client.search_registered_models():
                client.delete_registered_model(half_done.name)
            shutil.rmtree(folder, ignore_errors=True)
            run_capstone(assemble(name, folder, cohort.course.root))
            (folder / _FINISHED).touch()
        return str(client.search_registered_models()[0].name)


# --- what is shown --------------------------------------------------------------------------------


@contextmanager
def _stages(console: Console) -> Iterator[Callable[[str, int], Any]]:
    progress = Progress(
        SpinnerColumn(finished_text="[green]✓[/green]"),
        TextColumn("{task.description:<22}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )

    @contextmanager
    def stage(title: str, steps: int) -> Iterator[Advance]:
        task = progress.add_task(title, total=steps)
        yield lambda: progress.advance(task)
        progress.update(task, completed=steps)

    with progress:
        yield stage


def _forward(advance: Advance) -> Callable[[int, int, str], None]:
    """An advance for functions that say how many are done."""
    told = 0

    def report(done: int, _all: int, _who: str) -> None:
        nonlocal told
        while told < done:
            advance()
            told += 1

    return report


def _marks(cohort: Cohort, week: Week, graded: Grading) -> Table:
    stories = {player.learner.id: player.story for player in PLAYERS}
    found = {one.learner: one for one in graded.graded}
    table = Table(title=f"The gradebook: {week.name}", title_justify="left")
    for heading in ("learner", "who", "state", "mark", "of", "to note"):
        table.add_column(heading, justify="right" if heading in ("mark", "of") else "left")
    for standing in gradebook(cohort, week):
        one = found.get(standing.learner.id)
        note = standing.problem or ("the prose waits for a person" if one and one.needs_marking else "")
        table.add_row(
            standing.learner.name,
            stories.get(standing.learner.id, ""),
            standing.state,
            "–" if standing.mark is None else f"{standing.mark:g}",
            f"{standing.max_score:g}",
            note,
        )
    return table


def _runs(cohort: Cohort, week: Week) -> Table:
    with _store_of(cohort):
        runs = tracking.runs(week=week.name)
    table = Table(title="Their runs in MLflow", title_justify="left")
    for heading in ("learner", "runs", "the last one", "its metrics"):
        table.add_column(heading, justify="right" if heading == "runs" else "left")
    for learner, own in runs.groupby("learner"):
        last = own.iloc[0]  # the newest come first
        measured = {
            name.removeprefix("metrics."): last[name]
            for name in map(str, runs.columns)
            if name.startswith("metrics.") and not math.isnan(last[name])
        }
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in measured.items())
        table.add_row(str(learner), str(len(own)), str(last["run_name"]), metrics)
    return table


def _findings(capstone: "Kept") -> Table:
    review = capstone.review
    table = Table(title=f"The review of {review.model} {review.version}", title_justify="left")
    for heading in ("part", "what was found"):
        table.add_column(heading)
    for part in review.parts:
        said = [f"{one.severity}: {one.says}" for one in part.findings] or [part.summary]
        table.add_row(part.title, "\n".join(said))
    return table


def _what_next(cohort: Cohort, week: Week, capstone: "Kept | None") -> str:
    place = os.path.relpath(cohort.root)
    where = shlex.quote(place if not place.startswith("..") else str(cohort.root))
    command = os.path.relpath(Path(sys.executable).with_name("civicml"))
    if command.startswith(".."):
        command = "civicml"
    first = PLAYERS[0].learner.id
    reviewed = ""
    if capstone is not None:
        version = f"{capstone.review.model} {capstone.review.version}"
        reviewed = (
            f"  {os.path.relpath(capstone.page)}\n      the review, as a department reads it\n"
            f"  {command} decide {version} --accept --by 'Dr Dee Dobson' --role 'Head of Access' "
            f"--because '…' --cohort {where}\n      and its decision, on the record"
        )
    return "\n".join(
        (
            "\n[bold]What to open next[/bold]",
            f"  {command} lab --cohort {where}",
            "      JupyterLab on week 1, Formgrader (to mark the prose) and MLflow's pages",
            f"  {command} gradebook --cohort {where}",
            "      the gradebook again, as an instructor sees it; Formgrader shows the same marks",
            f"  {command} feedback {week.name} --learner {first} --cohort {where}",
            f"      {PLAYERS[0].learner.first_name}'s feedback, as a learner gets it",
            f"  {command} return {week.name} --cohort {where}",
            "      give marks back, once the prose is marked",
            *filter(None, [reviewed]),
        )
    )
