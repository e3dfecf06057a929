"""The ``civicml`` command: a thin face, one function a command, no logic.

Each command imports what it needs when it runs, so that ``civicml --help`` is
quick, calls one function of the engine, and prints what it returns.
"""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from civicml.autograder.proof import Proof

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
        raise CivicmlError(f"{names}: {len(problems)} of the standard's rules are broken, as listed above.")
    print(f"{names}: as the standard says.")


@app.command()
def prove(
    weeks: Annotated[list[str] | None, typer.Argument(help="Weeks; all written ones if not given.")] = None,
    jobs: Annotated[int, typer.Option(help="How many processes grade side by side.", min=1)] = CORES,
    question: Annotated[list[str] | None, typer.Option(help="Only this question, such as q3.")] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="One submission an answer from the start: slower.")
    ] = False,
) -> None:
    """Prove answer banks: right answers earn full marks, wrong ones lose exactly what they should."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from civicml.autograder.proof import prove as prove_bank
    from civicml.course import load_course
    from civicml.rehearsal import rehearse, scratch_cohort

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
                with rehearse(cohort, week, jobs) as rehearsal:
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


if __name__ == "__main__":
    main()
