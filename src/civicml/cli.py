"""The ``civicml`` command: a thin face, one function a command, no logic.

Each command imports what it needs when it runs, so that ``civicml --help`` is
quick, calls one function of the engine, and prints what it returns.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from civicml.errors import CivicmlError

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


if __name__ == "__main__":
    main()
