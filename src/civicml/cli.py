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


# --- datasets -----------------------------------------------------------------------------------

datasets_app = typer.Typer(
    help="List, build, describe and verify the course's synthetic datasets.", no_args_is_help=True
)
app.add_typer(datasets_app, name="datasets")


@datasets_app.command("list")
def datasets_list() -> None:
    """List the datasets of this course, or of this learner's kit."""
    from civicml.datasets import all_datasets

    table = Table(title="Datasets")
    for heading in ("dataset", "domain", "title", "tables"):
        table.add_column(heading)
    for dataset in all_datasets():
        schema = dataset.schema
        table.add_row(dataset.name, dataset.domain, schema.title, ", ".join(schema.tables))
    console.print(table)


@datasets_app.command("describe")
def datasets_describe(
    name: Annotated[str, typer.Argument(help="The dataset, such as gp_appointments.")],
) -> None:
    """Show the tables of a dataset: every column, its type, unit, values and meaning."""
    from civicml.datasets import find_dataset

    dataset = find_dataset(name)
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
            values = ", ".join(column.values or [])
            table.add_row(column_name, column.type + unit, blank, column.description, values)
        console.print(table)
    console.print(f"More: {dataset.folder / 'datasheet.md'}", highlight=False, soft_wrap=True)


@datasets_app.command("build")
def datasets_build(
    name: Annotated[str, typer.Argument(help="The dataset, such as gp_appointments.")],
    to: Annotated[Path | None, typer.Option("--to", help="Write here and not to the cache.")] = None,
    rows: Annotated[int | None, typer.Option(help="Rows of the main table; needs --to.")] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV files; needs --to.")] = False,
) -> None:
    """Build the published tables: in the cache, or in a new directory as Parquet or CSV."""
    from civicml.datasets import build, load, write_csv

    if to is None and (rows is not None or csv):
        raise CivicmlError("Say where with --to: the cache holds only the dataset as it is taught.")
    if csv and rows is not None:
        raise CivicmlError("--csv writes the dataset as it is taught; leave out --rows.")
    if to is None:
        console.print(repr(load(name)), highlight=False)
    elif csv:
        for path in write_csv(name, to):
            console.print(str(path), highlight=False, soft_wrap=True)
    else:
        made = build(name, to, rows=rows)
        total = ", ".join(f"{table}: {number:,} rows" for table, number in made.rows.items())
        console.print(f"{made.folder}: {total} in {made.seconds:.1f} s", highlight=False, soft_wrap=True)


@datasets_app.command("verify")
def datasets_verify(
    name: Annotated[str, typer.Argument(help="The dataset, such as gp_appointments.")],
    record_now: Annotated[
        bool, typer.Option("--record", help="First write down hash and disclosure report as they are now.")
    ] = False,
) -> None:
    """Hold a dataset to its contract, content hash, calibration and disclosure control."""
    from civicml.datasets import record, verify

    if record_now:
        for path in record(name):
            console.print(f"Written: {path}", highlight=False, soft_wrap=True)
    checks = verify(name)
    table = Table(title=f"{name}: what its folder promises")
    for heading in ("", "what", "expected", "found", ""):
        table.add_column(heading, overflow="fold")
    for check in checks:
        verdict = "holds" if check.holds else "FAILS"
        table.add_row(check.area, check.what, check.expected, check.found, verdict)
    console.print(table)
    failed = sum(not check.holds for check in checks)
    if failed:
        raise CivicmlError(f"{failed} of {len(checks)} checks of '{name}' fail.")


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
