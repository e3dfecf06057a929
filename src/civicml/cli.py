"""The ``civicml`` command: a thin face, one function a command, no logic.

Each command imports what it needs when it runs, so that ``civicml --help`` is
quick, calls one function of the engine, and prints what it returns.
"""

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from civicml.autograder.proof import Proof
    from civicml.cohort import Attempt, Cohort, Receipt, Standing
    from civicml.course import Week
    from civicml.review.record import Entry

app = typer.Typer(
    name="civicml",
    help="Run a machine-learning-engineering course: build data, release, grade, return, track.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)

console = Console()

CohortOption = Annotated[
    Path,
    typer.Option("--cohort", envvar="CIVICML_COHORT", help="The cohort's directory.", show_default=True),
]
DEFAULT_COHORT = Path("cohort")
CORES = os.cpu_count() or 1


def _show_version(wanted: bool) -> None:
    if wanted:
        from civicml import __version__

        print(f"civicml {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and stop.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point: turn what a user can put right into one sentence and exit status 1."""
    # jsonschema would compile a grammar of international web addresses, for 1.6 s: nothing here has any.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    try:
        app()
    except CivicmlError as error:
        print(f"civicml: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        # A full or read-only disk, a missing permission: say what and where, without a traceback.
        place = f" ({error.filename})" if error.filename else ""
        print(f"civicml: {error.strerror or error}{place}.", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("civicml: stopped. What was finished is kept; run the command again to go on.", file=sys.stderr)
        raise SystemExit(130) from None


# --- a first look ---------------------------------------------------------------------------------


@app.command()
def demo(
    cohort: Annotated[Path, typer.Option(help="Where the made-up cohort goes.")] = Path("demo-cohort"),
) -> None:
    """Run a week for a made-up cohort of eight, from data to marks; run it again to go on."""
    from civicml.demo import play

    play(cohort, console)


# --- the course ---------------------------------------------------------------------------------


@app.command()
def weeks() -> None:
    """List the twelve weeks: question, datasets, hours, points, and which are ready."""
    from civicml.course import load_course

    course = load_course()
    table = Table(title=course.title)
    for heading in ("week", "title", "the question", "datasets", "hours", "points", "state"):
        table.add_column(heading, justify="right" if heading in ("hours", "points") else "left")
    for week in course.weeks:
        state = "ready" if week.written else "planned"
        table.add_row(
            week.name,
            week.title,
            week.question,
            ", ".join(week.datasets) or "your own",
            f"{week.hours:g}",
            str(week.points),
            state,
            style=None if week.written else "dim",
        )
    console.print(table)


# --- a cohort, from release to marks --------------------------------------------------------------

cohort_app = typer.Typer(help="Make a cohort, enrol learners, see who is in it.", no_args_is_help=True)
app.add_typer(cohort_app, name="cohort")

WeekArgument = Annotated[str, typer.Argument(help="A week: week01, or 1.", metavar="WEEK")]
LearnerOption = Annotated[
    str | None,
    typer.Option("--learner", help="The learner's id; else CIVICML_LEARNER, or who is logged in."),
]
OneLearnerOption = Annotated[str | None, typer.Option("--learner", help="Only this learner.")]


def _opened(place: Path) -> "Cohort":
    from civicml.cohort import find_cohort, open_cohort

    return open_cohort(find_cohort(place))


def _who(learner: str | None) -> str:
    from civicml.learner import current_learner, valid_id

    return valid_id(learner.lower()) if learner else current_learner()


def _when(moment: datetime | None) -> str:
    return f"{moment:%a %d %b %Y, %H:%M}" if moment else "–"


def _day(moment: datetime | None, late: bool = False) -> str:
    """A short moment for tables, which tells that it was late."""
    return f"{moment:%d %b %H:%M}{' late' if late else ''}" if moment else "–"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"


def _table(title: str, *columns: str, numbers: Collection[str] = ()) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left")
    return table


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int, str], None]]:
    """A progress bar on standard error, and the function that moves it."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)

        def report(done: int, planned: int, who: str) -> None:
            progress.update(task, completed=done, total=planned, description=f"{title} {who}".strip())

        yield report


@cohort_app.command("init")
def cohort_init(
    cohort: CohortOption = DEFAULT_COHORT,
    start: Annotated[
        datetime | None,
        typer.Option(help="Day 0 of the course's plan; else this week's Monday.", formats=["%Y-%m-%d"]),
    ] = None,
    name: Annotated[str, typer.Option(help="What to call it; else the directory's name.")] = "",
    learners: Annotated[
        Path | None, typer.Option(help="A CSV file: id,first_name,last_name,email,team.")
    ] = None,
) -> None:
    """Make a new cohort: its directory, its secret, its sealed data, its gradebook."""
    from civicml.cohort import init, read_learners

    enrolled = read_learners(learners) if learners else []
    with console.status("Making the cohort") as status:
        made = init(
            cohort,
            name=name,
            start=start.date() if start else None,
            learners=enrolled,
            tell=lambda step: status.update(f"Making the cohort: {step}"),
        )
    print(f"'{made.name}' begins on {made.start:%A %d %B %Y}, with {len(enrolled)} learners: {made.root}")
    print(f"Next: civicml release {made.course.written_weeks[0].name}")


@cohort_app.command("add")
def cohort_add(
    learner: Annotated[list[str] | None, typer.Argument(help="Ids of learners.")] = None,
    file: Annotated[Path | None, typer.Option(help="A CSV file: id,first_name,last_name,email,team.")] = None,
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Enrol learners, or correct their names."""
    from civicml.cohort import Learner, add_learners, read_learners
    from civicml.learner import valid_id

    opened = _opened(cohort)
    named = [Learner(valid_id(one.lower())) for one in learner or []] + (read_learners(file) if file else [])
    if not named:
        raise CivicmlError("Name learners to enrol, or a CSV file with --file.")
    new = add_learners(opened, named)
    print(f"Enrolled {len(new)} of {len(named)} in '{opened.name}'; the others were in it already.")


@cohort_app.command("show")
def cohort_show(cohort: CohortOption = DEFAULT_COHORT) -> None:
    """Show who is enrolled, and which weeks are released."""
    from civicml.cohort.deadlines import deadlines

    opened = _opened(cohort)
    table = _table(
        f"{opened.name}, from {opened.start:%A %d %B %Y}", "id", "first name", "last name", "email"
    )
    for one in opened.learners():
        table.add_row(one.id, one.first_name, one.last_name, one.email)
    console.print(table)
    weeks = _table("Weeks", "week", "title", "released", "due")
    for week in opened.course.written_weeks:
        released = "yes" if opened.notebook("release", week).is_file() else "no"
        weeks.add_row(week.name, week.title, released, _when(deadlines(opened, week)("")))
    console.print(weeks)


@app.command()
def release(week: WeekArgument, cohort: CohortOption = DEFAULT_COHORT) -> None:
    """Release a week's lab to the learners; again, after a correction."""
    from civicml.cohort import release as release_week

    opened = _opened(cohort)
    done = release_week(opened, opened.course.week(week))
    print(
        f"{done.week.name} is released{' again' if done.again else ''}: {done.questions} questions, "
        f"{done.points:g} points, due {_when(done.deadline)}."
    )
    if done.again and not done.changes:
        print("Nothing in it is different from the time before.")
    for change in done.changes:
        print(f"  {change}")
    if done.changes:
        print(
            f"Learners who have it already keep their copy; 'civicml fetch {done.week.name}' puts the new "
            "one beside it. Work is graded by the new one from now on."
        )


@app.command()
def fetch(
    week: WeekArgument,
    learner: LearnerOption = None,
    to: Annotated[Path, typer.Option(help="Where the week's directory goes.")] = Path(),
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Get a week's lab, as a learner. What you wrote already is never overwritten."""
    from civicml.cohort import fetch as fetch_week

    opened = _opened(cohort)
    if learner:
        opened.learner(_who(learner))
    got = fetch_week(opened, opened.course.week(week), to)
    print(f"{'Your lab is here' if got.new else 'You have it already'}: {got.notebook}")
    if got.newer:
        print(f"The lab was corrected since; the version of now is beside yours: {got.newer}")


@app.command()
def check(
    what: Annotated[
        str | None,
        typer.Argument(help="A week, or a notebook; else the lab here.", metavar="[WEEK|NOTEBOOK]"),
    ] = None,
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Run the tests you can see, and say what to look at. Nothing is handed in."""
    from civicml.cohort import check as check_lab
    from civicml.cohort import find_cohort

    with console.status("Running your notebook"):
        checked = check_lab(what, cohort=find_cohort(cohort))
    table = _table(str(checked.notebook), "question", "", "points", "state", numbers=("points",))
    for one in checked.questions:
        table.add_row(one.name, one.title, f"{one.points:g}", one.state)
    if checked.questions:
        console.print(table)
    for one in checked.questions:
        if one.message:
            print(f"  {one.name}: {one.message}")
    for remark in checked.remarks:
        print(f"  {remark}")
    if checked.no_sandbox:
        print(checked.no_sandbox)
    if checked.passed:
        print("Everything that can be checked here passes.")
    print(
        "When your work is graded, hidden tests run as well: they ask the same of your functions, on cases "
        "that you have not seen."
    )


@app.command()
def submit(
    week: WeekArgument,
    learner: LearnerOption = None,
    source: Annotated[
        Path, typer.Option("--from", help="The notebook, or the directory it is in.", show_default="here")
    ] = Path(),
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Hand in your lab, as often as you like. Prints a receipt and, where it can, what was earned."""
    from civicml.cohort import find_cohort, hand_in

    done = hand_in(find_cohort(cohort), week, _who(learner), source, _show_receipt)
    if done.attempt:
        _show_attempt(done.attempt, done.used, done.per_day)
    elif done.no_marks:
        print(done.no_marks)


def _show_receipt(receipt: "Receipt") -> None:
    print(f"Handed in: {receipt.week} by {receipt.learner}, {_when(receipt.submitted)}")
    print(f"  file      {receipt.notebook} ({receipt.size / 1000:,.0f} kB)")
    print(f"  sha256    {receipt.sha256}")
    if not receipt.late:
        late = "in time"
    elif receipt.percent_off:
        late = f"late: {receipt.percent_off:g}% of the points are taken off"
    else:
        late = "just late, and within the minutes of grace: nothing is taken off"
    print(f"  deadline  {_when(receipt.deadline)}: {late}")
    if receipt.earlier:
        print(f"  You had handed it in before ({receipt.earlier}); that is kept too.")
    if receipt.unanswered:
        print(f"  Not answered yet: {', '.join(receipt.unanswered)}. You may hand it in again.")
    sys.stdout.flush()


def _show_attempt(attempt: "Attempt", used: int, per_day: int) -> None:
    """Points by cell, and what each test that did not hold has to say."""
    if attempt.problem:
        print(f"It could not be graded: {attempt.problem}")
        return
    table = _table("", "tests", "points", "of", "what to try", numbers=("points", "of"))
    for cell in attempt.cells:
        said = "a person marks it" if cell.points is None else cell.message
        hidden = "A hidden test: " if cell.hidden else ""
        table.add_row(cell.name, _number(cell.points), f"{cell.most:g}", f"{hidden}{said}" if said else "")
    console.print(table)
    late = f", less {attempt.late_penalty:g} for being late" if attempt.late_penalty else ""
    person = f"; {attempt.to_be_marked:g} more are given by a person" if attempt.to_be_marked else ""
    print(f"{attempt.points:g} of {attempt.most:g} points{late}{person}.")
    print(f"Marks told today: {used} of {per_day} times.")


class Runner(StrEnum):
    """What may run notebooks."""

    engine = "engine"
    nbgrader = "nbgrader"


@app.command()
def grade(  # noqa: PLR0917 - options of a command
    week: WeekArgument,
    learner: OneLearnerOption = None,
    force: Annotated[bool, typer.Option("--force", help="Grade again what has not changed.")] = False,
    jobs: Annotated[
        int, typer.Option(min=1, max=64, help="Submissions side by side; else one for each core, up to four.")
    ] = min(CORES, 4),
    executor: Annotated[
        Runner, typer.Option(help="What runs notebooks: the sandboxed engine, or nbgrader's own executor.")
    ] = Runner.engine,
    scheduler: Annotated[
        str,
        typer.Option(help="Run them on the workers of this Dask scheduler, such as tcp://10.0.0.5:8786."),
    ] = "",
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Collect what was handed in and grade what is new; stop it at any time and run it again."""
    from civicml.cohort import grade as grade_week

    opened = _opened(cohort)
    with _bar(f"Grading {week}") as report:
        done = grade_week(
            opened,
            opened.course.week(week),
            learner=learner and _who(learner),
            force=force,
            jobs=jobs,
            executor=executor.value,
            scheduler=scheduler,
            report=report,
        )
    if done.no_sandbox:
        print(done.no_sandbox, file=sys.stderr)
    numbers = ("score", "late", "mark", "of")
    table = _table(
        f"{done.week.name}", "learner", "score", "late", "mark", "of", "state", "to note", numbers=numbers
    )
    for one in done.graded:
        state = ("needs marking" if one.needs_marking else "graded") + ("" if one.new else ", as before")
        notes = [one.problem, "Nothing was answered." if one.blank else "", *one.notes]
        late = f"-{one.late_penalty:g}" if one.late_penalty else ""
        table.add_row(
            one.learner,
            f"{one.score:g}",
            late,
            f"{one.mark:g}",
            f"{one.max_score:g}",
            state,
            " ".join(filter(None, notes)),
            style="yellow" if one.problem else None,
        )
    if done.graded:
        console.print(table)
    new = sum(one.new for one in done.graded)
    print(f"Graded now: {new}. Graded before: {len(done.graded) - new}. Not handed in: {len(done.missing)}.")
    if done.strangers:
        print(
            f"Set aside, not enrolled: {', '.join(done.strangers)}. Their work waits in the exchange; enrol "
            "them with 'civicml cohort add' and grade again."
        )
    if waiting := sum(one.needs_marking for one in done.graded):
        print(f"{waiting} need marks from a person: open Formgrader with 'civicml lab'.")


@app.command()
def extend(
    week: WeekArgument,
    learner: Annotated[str, typer.Argument(help="The learner's id.")],
    until: Annotated[
        datetime,
        typer.Option(
            help="The new deadline, such as 2026-01-20T17:00, in the course's time zone.",
            formats=["%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"],
        ),
    ],
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Give one learner more time for one week."""
    from civicml.cohort import extend as extend_week

    opened = _opened(cohort)
    chosen = opened.course.week(week)
    given = extend_week(opened, chosen, _who(learner), until)
    print(f"{_who(learner)} has until {_when(given)} for {chosen.name}.")


@app.command("return")
def return_(
    week: WeekArgument,
    learner: OneLearnerOption = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Also what a person has not finished marking.")
    ] = False,
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Give marks and feedback back to the learners."""
    from civicml.cohort import return_week

    opened = _opened(cohort)
    with _bar(f"Returning {week}") as report:
        done = return_week(
            opened,
            opened.course.week(week),
            learner=learner and _who(learner),
            partial=partial,
            report=report,
        )
    print(f"Given back: {len(done.returned)}. Learners find it with 'civicml feedback {done.week.name}'.")
    if done.waiting:
        print(
            f"Waiting for a person's marks in Formgrader ('civicml lab'): {', '.join(done.waiting)}. "
            "--partial gives back what there is."
        )
    if done.not_graded:
        print(f"Handed in and not graded yet: {', '.join(done.not_graded)}.")
    for who, page in done.by_hand:
        print(f"{who} did not hand in through the exchange; give them this file: {page}")


@app.command()
def feedback(
    week: WeekArgument,
    learner: LearnerOption = None,
    to: Annotated[Path, typer.Option(help="Where the week's directory is.")] = Path(),
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Get the marks and feedback that were given back to you."""
    from civicml.cohort import fetch_feedback

    opened = _opened(cohort)
    got = fetch_feedback(opened, opened.course.week(week), _who(learner), to)
    numbers = ("score", "of")
    table = _table(
        f"{got.marks.week}, {got.marks.learner}", "question", "score", "of", "comment", numbers=numbers
    )
    for one in got.marks.questions:
        table.add_row(one.name, f"{one.score:g}", f"{one.max_score:g}", one.comment)
    if got.marks.late_penalty:
        table.add_row("handed in late", f"-{got.marks.late_penalty:g}", "", "")
    table.add_row("mark", f"{got.marks.mark:g}", f"{got.marks.max_score:g}", "", style="bold")
    console.print(table)
    if got.marks.problem:
        print(f"It could not be graded. {got.marks.problem}")
    if not got.marks.complete:
        print("A person has not finished marking it; the mark may still rise.")
    print(f"Your feedback: {got.page}")


@app.command()
def progress(
    week: Annotated[str | None, typer.Argument(help="Only this week.", metavar="[WEEK]")] = None,
    learner: LearnerOption = None,
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Show your own weeks: deadlines, what you handed in, marks. An instructor sees everybody."""
    from civicml.cohort import is_instructor
    from civicml.cohort import progress as own_progress

    opened = _opened(cohort)
    chosen = opened.course.week(week) if week else None
    if learner is None and is_instructor(opened):
        _show_everybody(opened, chosen)
        return
    found = own_progress(opened, _who(learner), chosen)
    columns = ("week", "title", "deadline", "handed in", "state", "mark", "of")
    table = _table(f"{found.learner} in {opened.name}", *columns, numbers=("mark", "of"))
    for one in found.weeks:
        mark, of = (f"{one.marks.mark:g}", f"{one.marks.max_score:g}") if one.marks else ("", "")
        submitted = _day(one.submitted, one.late)
        table.add_row(one.week.name, one.week.title, _day(one.deadline), submitted, one.state, mark, of)
    console.print(table)
    print(found.next)


def _show_everybody(cohort: "Cohort", week: "Week | None") -> None:
    """A table of all learners by weeks, with what each has in all."""
    from civicml.cohort import gradebook as standings

    by_learner: dict[str, list[Standing]] = {one.id: [] for one in cohort.learners()}
    for standing in standings(cohort, week):
        by_learner[standing.learner.id].append(standing)
    names = {one.id: one.name for one in cohort.learners()}
    weeks = list(dict.fromkeys(one.week.name for found in by_learner.values() for one in found))
    numbers = ("mark", "of")
    table = _table(cohort.name, "learner", "name", *weeks, "mark", "of", numbers=numbers)
    for learner, found in by_learner.items():
        cells = []
        for one in found:
            late = ", late" if one.seconds_late else ""
            mark = "" if one.mark is None else f" {one.mark:g}"
            cells.append(f"{one.state}{late}{mark}")
        total = sum(one.mark or 0.0 for one in found)
        table.add_row(
            learner, names[learner], *cells, f"{total:g}", f"{sum(one.max_score for one in found):g}"
        )
    console.print(table)


@app.command()
def gradebook(
    week: Annotated[str | None, typer.Argument(help="Only this week.", metavar="[WEEK]")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write it to this file as well.")] = None,
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Show every learner's marks, as the gradebook and Formgrader have them."""
    from civicml.cohort import gradebook as standings
    from civicml.cohort import write_csv

    opened = _opened(cohort)
    found = standings(opened, opened.course.week(week) if week else None)
    columns = ("week", "learner", "state", "handed in", "score", "late", "mark", "of", "to note")
    table = _table(opened.name, *columns, numbers=("score", "late", "mark", "of"))
    for one in found:
        table.add_row(
            one.week.name,
            one.learner.id,
            one.state,
            _day(one.submitted, one.seconds_late > 0),
            _number(one.score),
            f"-{one.late_penalty:g}" if one.late_penalty else "",
            _number(one.mark),
            f"{one.max_score:g}",
            one.problem,
        )
    console.print(table)
    if csv:
        write_csv(found, csv)
        print(f"Written to {csv}")


@app.command()
def report(
    week: WeekArgument,
    to: Annotated[
        Path | None, typer.Option("--to", help="Write the page here; else <cohort>/reports/weekNN.html.")
    ] = None,
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Write a page on how a week went: marks, questions, failing tests, times, answers that look alike."""
    from civicml.cohort import week_report, write_report

    opened = _opened(cohort)
    found = week_report(opened, opened.course.week(week))
    page = to or opened.root / "reports" / f"{found.week.name}.html"
    write_report(found, page)
    print(f"{len(found.standings)} graded, median mark {found.marks.median():.0%}.")
    hard = min((one for one in found.questions if one.marked), key=lambda question: question.facility)
    print(f"Hardest: {hard.title} ({hard.facility:.0%} of its points earned).")
    print(f"Pairs of submissions that look alike: {len(found.pairs)}.")
    print(f"The page: {page}")


# --- datasets -----------------------------------------------------------------------------------

datasets_app = typer.Typer(
    help="List, build, describe, verify and draw the course's datasets; use official files.",
    no_args_is_help=True,
)
app.add_typer(datasets_app, name="datasets")

DatasetName = Annotated[str, typer.Argument(help="The dataset, such as gp_appointments.")]


@datasets_app.command("list")
def datasets_list() -> None:
    """List the datasets of this course or kit: tables, sizes, content hash, what load() serves."""
    from civicml.datasets import overview

    table = Table(title="Datasets")
    for heading in ("dataset", "domain", "table", "rows", "on disk", "content", "load() serves"):
        table.add_column(heading, justify="right" if heading in ("rows", "on disk") else "left")
    entries = overview()
    for entry in entries:
        for number, size in enumerate(entry.tables):
            first = number == 0
            table.add_row(
                entry.name if first else "",
                entry.domain if first else "",
                size.table,
                "" if size.rows is None else f"{size.rows:,}",
                "" if size.megabytes is None else f"{size.megabytes:.1f} MB",
                size.content[:12],
                entry.serves if first else "",
                end_section=number == len(entry.tables) - 1,
            )
    console.print(table)
    if any(size.rows is None for entry in entries for size in entry.tables):
        console.print("Without rows: not built yet. 'civicml datasets build' builds everything.")


@datasets_app.command("describe")
def datasets_describe(
    name: DatasetName,
    picture: Annotated[
        Path | None, typer.Option(help="Draw it to this file: .png, .svg or .pdf.", metavar="FILE")
    ] = None,
) -> None:
    """Show the tables of a dataset: every column, its type, unit, values and meaning. Or draw it."""
    from civicml.datasets import draw_picture, find_dataset

    dataset = find_dataset(name)
    if picture is not None:
        console.print(draw_picture(name, picture), highlight=False)
        console.print(f"Drawn to {picture}", highlight=False, soft_wrap=True)
        return
    schema = dataset.schema
    console.print(f"{schema.title} ({name})", style="bold", highlight=False)
    console.print(f"Source: {schema.source}.", highlight=False)
    for table_name, spec in schema.tables.items():
        table = Table(title=f"{table_name}: {spec.description}", title_justify="left")
        for heading in ("column", "type", "blank", "meaning", "values"):
            table.add_column(heading, overflow="fold")
        for column_name, column in spec.columns.items():
            unit = f", {column.unit}" if column.unit else ""
            blank = "may be" if column.missing else "never"
            codes = [f"{code} {label}" for code, label in (column.codes or {}).items()]
            values = ", ".join([*(column.values or []), *codes])
            table.add_row(column_name, column.type + unit, blank, column.description, values)
        console.print(table)
    console.print(f"More: {dataset.folder / 'datasheet.md'}", highlight=False, soft_wrap=True)


@datasets_app.command("build")
def datasets_build(
    name: Annotated[
        str | None, typer.Argument(help="The dataset, such as gp_appointments; every dataset without it.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", help="Write here and not to the cache.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of the main table; needs --to.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV files; needs --to.")] = False,
    year: Annotated[
        list[int] | None, typer.Option(help="A year, of a dataset that has years; give it once for each.")
    ] = None,
) -> None:
    """Build the published tables: in the cache, or in a new directory as Parquet or CSV."""
    from civicml.datasets import build, build_all, load_published, write_csv

    if name is None:
        if to is not None or rows is not None or csv or year:
            raise CivicmlError("--to, --rows, --csv and --year are for one dataset: name it.")
        for built in build_all():
            console.print(f"{built.name}: ready in {built.seconds:.1f} s", highlight=False)
        return
    if to is None and (rows is not None or csv):
        raise CivicmlError("Say where with --to: the cache holds only the dataset as it is taught.")
    if csv and rows is not None:
        raise CivicmlError("--csv writes the dataset as it is taught; leave out --rows.")
    if to is None:
        console.print(repr(load_published(name, years=year or None)), highlight=False)
    elif csv:
        for path in write_csv(name, to, years=year or None):
            console.print(str(path), highlight=False, soft_wrap=True)
    else:
        made = build(name, to, rows=rows, years=year or None)
        total = ", ".join(f"{table}: {number:,} rows" for table, number in made.rows.items())
        console.print(f"{made.folder}: {total} in {made.seconds:.1f} s", highlight=False, soft_wrap=True)


@datasets_app.command("use")
def datasets_use(
    name: DatasetName,
    files: Annotated[
        list[Path] | None, typer.Argument(help="Official files, downloaded and unpacked.", metavar="FILE…")
    ] = None,
    published: Annotated[
        bool, typer.Option("--published", help="Go back to the tables that the course publishes.")
    ] = False,
) -> None:
    """Let load() serve the real source's files in place of the course's synthetic tables.

    Marks are always given on the course's own tables.
    """
    from civicml.datasets import use_official, use_published

    if published == bool(files):
        raise CivicmlError(f"Give official files of '{name}', or --published to go back; one of the two.")
    if files:
        report = use_official(name, files)
        console.print(str(report), highlight=False, soft_wrap=True, markup=False)
        console.print(f"load('{name}') now serves these files.", highlight=False)
    elif use_published(name):
        console.print(f"load('{name}') serves the course's tables again.", highlight=False)
    else:
        console.print(f"load('{name}') served the course's tables already.", highlight=False)


@datasets_app.command("verify")
def datasets_verify(
    name: Annotated[
        str | None, typer.Argument(help="The dataset, such as gp_appointments; every dataset without it.")
    ] = None,
    record_now: Annotated[
        bool, typer.Option("--record", help="First write down hash and disclosure report as they are now.")
    ] = False,
) -> None:
    """Hold a dataset to its contract, content hash, calibration and disclosure control."""
    from civicml.datasets import all_datasets, record, verify

    names = [dataset.name for dataset in all_datasets()] if name is None else [name]
    wrong = []
    for each in names:
        if record_now:
            for path in record(each):
                console.print(f"Written: {path}", highlight=False, soft_wrap=True)
        checks = verify(each)
        table = Table(title=f"{each}: what its folder promises")
        for heading in ("", "what", "expected", "found", ""):
            table.add_column(heading, overflow="fold")
        for check in checks:
            verdict = "holds" if check.holds else "FAILS"
            table.add_row(check.area, check.what, check.expected, check.found, verdict)
        console.print(table)
        if failed := sum(not check.holds for check in checks):
            wrong.append(f"{failed} of {len(checks)} checks of '{each}' fail.")
    if wrong:
        raise CivicmlError(" ".join(wrong))


# --- JupyterLab and the learner kit -------------------------------------------------------------


@app.command()
def lab(
    week: Annotated[str | None, typer.Argument(help="The week to open on.", metavar="[WEEK]")] = None,
    cohort: Annotated[
        Path | None, typer.Option(envvar="CIVICML_COHORT", help="The cohort's directory; ./cohort, if there.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="JupyterLab's port; else the next free from 8888.")] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(help="MLflow's port; else the next free from 5000.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a web browser on it.")] = True,
) -> None:
    """Open JupyterLab on a week's folder, with MLflow's pages beside it; Ctrl-C stops both."""
    from functools import partial

    from civicml.lab import plan, run

    run(plan(week, cohort=cohort, port=port, mlflow_port=mlflow_port), partial(print, flush=True), browser)


@app.command()
def kit(
    cohort: CohortOption = DEFAULT_COHORT,
    to: Annotated[
        Path | None, typer.Option(help="A .zip file or a new directory; kit.zip in the cohort if not given.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Learners can reach the cohort's directory: tell them its place.")
    ] = False,
) -> None:
    """Build what a learner receives for the weeks released so far, and nothing else."""
    from civicml.cohort import open_cohort
    from civicml.kit import build_kit

    opened = open_cohort(cohort)
    with console.status("Building the kit") as status:
        made = build_kit(opened, to or opened.root / "kit.zip", shared=shared, tell=status.update)
    weeks = ", ".join(week.name for week in made.weeks)
    size = f"{made.files} files, {made.size / 1e6:.1f} MB"
    print(f"The kit for {opened.name} ({weeks}): {size}, in {made.place}")


# --- MLflow's server: for this machine, or for a cohort -------------------------------------------

server_app = typer.Typer(help="Run MLflow's server: for one machine, or for a cohort.", no_args_is_help=True)
app.add_typer(server_app, name="server")

PortOption = Annotated[int | None, typer.Option(help="The port to listen on; else the settings'.")]


@server_app.command("embedded")
def server_embedded(port: PortOption = None) -> None:
    """Show the runs of this machine's store, without a password; Ctrl-C stops it."""
    from functools import partial

    from civicml.tracking import serve
    from civicml.tracking.server import keep_running

    keep_running(serve(port=port), partial(print, flush=True))


@server_app.command("cohort")
def server_cohort(cohort: CohortOption = DEFAULT_COHORT, port: PortOption = None) -> None:
    """Run the cohort's server, with an account for everyone; Ctrl-C stops it."""
    from functools import partial

    from civicml.cohort.server import start_server
    from civicml.tracking.server import keep_running

    _show_accounts(cohort)
    keep_running(start_server(_opened(cohort), port), partial(print, flush=True))


@server_app.command("accounts")
def server_accounts(
    cohort: CohortOption = DEFAULT_COHORT,
    renew: Annotated[str | None, typer.Option(help="Only draw a new password for this person.")] = None,
) -> None:
    """Make accounts for who is new on the cohort's lists; the server may be running."""
    if renew:
        from civicml.cohort.server import renew as renew_for

        print(f"The new password of {renew} is in {renew_for(_opened(cohort), renew)}")
    else:
        _show_accounts(cohort)


def _show_accounts(cohort: Path) -> None:
    from civicml.cohort.server import FOLDER, update_accounts
    from civicml.tracking.shared import ACCOUNTS

    opened = _opened(cohort)
    with console.status("Looking at the database and its accounts"):
        changes = update_accounts(opened)
    for name in changes.added:
        print(f"New account: {name}. The first password: {opened.root / FOLDER / ACCOUNTS / name}.ini")
    for name in changes.removed:
        print(f"Account taken away, runs kept: {name}")


# --- what instructors check before learners see a week -----------------------------------------------


@app.command()
def standard(
    weeks: Annotated[list[str] | None, typer.Argument(help="Weeks; all written ones if not given.")] = None,
) -> None:
    """Hold weeks to the standard: files, sections, questions, points, pictures, what learners get."""
    from civicml.course import load_course
    from civicml.standard import check_week

    course = load_course()
    chosen = [course.week(name) for name in weeks or []] or course.written_weeks
    problems = [problem for week in chosen for problem in check_week(course, week)]
    for problem in problems:
        print(problem)
    names = ", ".join(week.name for week in chosen)
    if problems:
        count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise CivicmlError(f"{names}: {count}, listed above.")
    print(f"{names}: as the standard says.")


@app.command()
def prove(
    weeks: Annotated[list[str] | None, typer.Argument(help="Weeks; all written ones if not given.")] = None,
    jobs: Annotated[int, typer.Option(help="How many processes grade side by side.", min=1)] = CORES,
    question: Annotated[list[str] | None, typer.Option(help="Only this question, such as q3.")] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="One submission an answer from the start: slower.")
    ] = False,
    executor: Annotated[
        Runner, typer.Option(help="nbgrader's own executor sees more; the engine is several times faster.")
    ] = Runner.nbgrader,
) -> None:
    """Prove answer banks: right answers earn full marks, wrong ones lose exactly what they should."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from civicml.autograder.proof import prove as prove_bank
    from civicml.course import load_course
    from civicml.rehearsal import rehearse, rehearse_with_engine, scratch_cohort

    course = load_course()
    chosen = [course.week(name) for name in weeks or []] or course.written_weeks
    proofs = []
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn(), TextColumn(""))
    with Progress(*columns, console=console) as bars:
        bar = bars.add_task("a rehearsal", total=None)
        tell = lambda step: bars.update(bar, description=step)  # noqa: E731
        with scratch_cohort(course, tell) as cohort:
            for week in chosen:
                bars.update(bar, description=f"{week.name}: its data", completed=0, total=None)
                begin = rehearse_with_engine if executor == Runner.engine else rehearse
                with begin(cohort, week, jobs) as rehearsal:
                    bars.update(bar, description=f"{week.name}: submissions")
                    proofs.append(
                        prove_bank(
                            course,
                            week,
                            rehearsal.grade,
                            questions=question or (),
                            alone=alone,
                            report=lambda done, planned: bars.update(bar, completed=done, total=planned),
                        )
                    )
    for proof in proofs:
        _show_proof(proof)
    broken = [proof.week for proof in proofs if not proof.holds]
    if broken:
        raise CivicmlError(f"The answer bank of {', '.join(broken)} does not hold, as listed above.")


def _show_proof(proof: "Proof") -> None:
    table = Table(title=f"{proof.week}: {proof.submissions} submissions graded in {proof.seconds:.0f} s")
    for heading in ("question", "points", "right", "wrong"):
        table.add_column(heading, justify="left" if heading == "question" else "right")
    for line in proof.questions:
        held = [f"{line.right_held}/{line.right}", f"{line.wrong_held}/{line.wrong}"]
        failed = line.right_held < line.right or line.wrong_held < line.wrong
        name = f"{line.question} (a person marks it)" if line.manual else line.question
        table.add_row(name, f"{line.points:g}", *held, style="red" if failed else None)
    console.print(table)
    for problem in proof.problems:
        print(problem)


# --- a capstone's dossier -------------------------------------------------------------------------

dossier_app = typer.Typer(help="Begin, check and export the documents of a capstone.", no_args_is_help=True)
app.add_typer(dossier_app, name="dossier")

DossierFolder = Annotated[Path, typer.Argument(help="The dossier's folder.", metavar="FOLDER")]


@dossier_app.command("new")
def dossier_new(
    folder: DossierFolder,
    title: Annotated[str, typer.Option(help="What the model does, and for whom.")] = "",
) -> None:
    """Begin a dossier: eight documents in which every field says what it is for."""
    from civicml.dossier import new

    for path in new(folder, title):
        console.print(str(path), highlight=False, soft_wrap=True, markup=False)
    console.print(
        f"Fill them in that order, then: civicml dossier check {folder}", soft_wrap=True, markup=False
    )


@dossier_app.command("check")
def dossier_check(folder: DossierFolder) -> None:
    """Say what is missing, empty, still an example or contradicted by another document."""
    from civicml.dossier import check, figures, read

    dossier = read(folder)
    if problems := check(dossier):
        for problem in problems:
            console.print(str(problem), highlight=False, soft_wrap=True, markup=False)
        raise CivicmlError(
            f"{len(problems)} to put right in '{folder}'; each line above says where and what."
        )
    quoted = len({figure.metric for figure in figures(dossier)})
    said = f"{folder}: complete. A review will look up {quoted} metrics in the run."
    console.print(said, highlight=False, soft_wrap=True, markup=False)


@dossier_app.command("export")
def dossier_export(
    folder: DossierFolder,
    to: Annotated[
        Path | None, typer.Option("--to", help="One page of everything.", metavar="FILE.html")
    ] = None,
    atrs: Annotated[
        Path | None, typer.Option("--atrs", help="The transparency record as a table.", metavar="FILE.csv")
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="Also if it is not complete yet.")] = False,
) -> None:
    """Write a complete dossier as one page, and its transparency record in the published order."""
    from civicml.dossier import export

    for path in export(folder, page_to=to, table_to=atrs, draft=draft):
        console.print(f"Written: {path}", highlight=False, soft_wrap=True, markup=False)


# --- decisions on capstones -----------------------------------------------------------------------

ModelArgument = Annotated[str, typer.Argument(help="The registered model.", metavar="MODEL")]
_SEVERE = {"critical": "red", "major": "yellow"}


@app.command()
def review(
    model: ModelArgument,
    version: Annotated[str, typer.Argument(help="Its version.")],
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Measure a version on the sealed cases, and put the review on the record and beside the version."""
    from civicml.review.findings import by_severity
    from civicml.review.keeping import review_on_record

    opened = _opened(cohort)
    with _bar(f"Reviewing {model} {version}:") as report:
        kept = review_on_record(opened.root, model, version, root=opened.course.root, report=report)
    for one in by_severity(kept.review.findings):
        line = f"{one.severity}, for the {one.owner}: {one.code}\n    {one.says}"
        console.print(line, style=_SEVERE.get(one.severity), highlight=False, soft_wrap=True, markup=False)
    print(f"Round {kept.round}: {len(kept.review.findings) or 'no'} findings.")
    print(f"Read before you decide: {kept.page}")
    if kept.review.refused:
        raise CivicmlError(kept.review.refused)


@app.command()
def decide(  # noqa: PLR0917 - options of a command
    model: ModelArgument,
    version: Annotated[str, typer.Argument(help="Its version; not for --rollback and --withdraw.")] = "",
    accept: Annotated[bool, typer.Option("--accept", help="Take the version into use.")] = False,
    return_: Annotated[bool, typer.Option("--return", help="Send it back with its findings.")] = False,
    reject: Annotated[bool, typer.Option("--reject", help="Refuse it.")] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Put back the version that was accepted before this one.")
    ] = False,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take the version in use out of use.")] = False,
    by: Annotated[str, typer.Option(help="Who decides.")] = "",
    role: Annotated[str, typer.Option(help="In which role.")] = "",
    because: Annotated[str, typer.Option(help="Why, in a sentence.")] = "",
    dissent: Annotated[
        list[str] | None, typer.Option(help="Who disagrees and why; as often as it takes.")
    ] = None,
    ask: Annotated[
        list[str] | None, typer.Option(help="What else the next version must answer; as often as it takes.")
    ] = None,
    despite: Annotated[str, typer.Option(help="Why to accept although something critical is open.")] = "",
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Accept, return or reject a reviewed version, on the record; or go back to an earlier one."""
    from civicml.review.decisions import Decider, Reasons, roll_back
    from civicml.review.decisions import decide as decide_version

    chosen = {
        "accept": accept, "return": return_, "reject": reject, "rollback": rollback, "withdraw": withdraw
    }  # fmt: skip
    asked = [name for name, wanted in chosen.items() if wanted]
    if len(asked) != 1:
        raise CivicmlError("Say one of --accept, --return, --reject, --rollback and --withdraw.")
    if (asked[0] in ("rollback", "withdraw")) == bool(version):
        raise CivicmlError(
            f"--{asked[0]} is about "
            + ("the version in use; name none." if version else "one version; name it after the model.")
        )
    opened = _opened(cohort)
    decider = Decider(by, role)
    reasons = Reasons(because, tuple(dissent or ()), tuple(ask or ()), despite)
    if asked[0] in ("rollback", "withdraw"):
        entry = roll_back(opened.root, model, decider, reasons, withdraw=withdraw)
    else:
        entry = decide_version(opened.root, model, version, asked[0], decider, reasons)  # type: ignore[arg-type]
    _show_entry(entry)
    print(f"Line {entry.number} of the record, sealed by {entry.hash[:16]}….")


def _show_entry(entry: "Entry") -> None:
    from civicml.review.registry import plain_telling

    facts = entry.facts
    said = f"{facts['model']} {facts['version']}, {plain_telling(entry)}"
    console.print(said, highlight=False, soft_wrap=True, markup=False)


@app.command()
def decisions(
    model: Annotated[str, typer.Argument(help="Only this model's.")] = "",
    go_on: Annotated[
        bool, typer.Option("--go-on", help="Show in MLflow what is recorded and not shown there yet.")
    ] = False,
    cohort: CohortOption = DEFAULT_COHORT,
) -> None:
    """Read the record of reviews and decisions, and say whether it is whole."""
    from civicml.review.decisions import go_on as go_on_with
    from civicml.review.decisions import told
    from civicml.review.story import SHOWN

    opened = _opened(cohort)
    if go_on and not model:
        raise CivicmlError("Name the model to go on with.")
    if go_on:
        go_on_with(opened.root, model)
    entries = told(opened.root, model)
    for entry in entries:
        if entry.kind != SHOWN:
            _show_entry(entry)
    print(f"{len(entries)} lines; each follows from the one before it in the record.")


@app.command()
def findings(
    model: ModelArgument,
    to: Annotated[Path, typer.Option(help="Your dossier, where answers.toml goes.")] = Path("dossier"),
) -> None:
    """Read, as a learner, what your capstone came back with, and get the file for your answers."""
    from civicml.review.registry import unmarked
    from civicml.review.sent_back import fetch_findings

    back = fetch_findings(model, to)
    console.print(unmarked(back.letter), highlight=False, soft_wrap=True, markup=False)
    print(
        f"Answer each finding in {back.answers}, then log and register again."
        if back.new
        else f"You have {back.answers} already; it is left as it is."
    )


# --- this machine -------------------------------------------------------------------------------


@app.command()
def doctor() -> None:
    """Say which protections stand around learners' code on this machine, and why one does not."""
    from civicml.autograder.sandbox import protections, sandboxed

    found = protections()
    table = Table(title="Protections while grading")
    for heading in ("protection", "needed", "here", "why not"):
        table.add_column(heading)
    for wall in found:
        needed, here = "yes" if wall.essential else "wished", "yes" if wall.active else "NO"
        table.add_row(wall.name, needed, here, wall.why)
    console.print(table)
    if sandboxed(found):
        console.print("Learners' code is graded in a sandbox.")
    else:
        console.print("This is no sandbox: grade only work that you trust here.")
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
