"""Handing work in, with a receipt.

Everything is checked before anything is handed in. It must not know how work is graded.
"""

import hashlib
import json
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.assignment import NOTEBOOK, marking_of, read_notebook
from civicml.autograder.canonical import canonicalise, unanswered
from civicml.autograder.limits import Limits
from civicml.autograder.script import archive_kind
from civicml.cohort.assignments import find_released
from civicml.cohort.deadlines import deadlines
from civicml.cohort.directory import LEARNERS_FILE, Cohort
from civicml.cohort.exchange import Submit, cache, handed_in, run
from civicml.cohort.receipts import Receipt
from civicml.course import Week
from civicml.errors import CivicmlError
from civicml.learner import valid_id

if TYPE_CHECKING:
    from nbformat import NotebookNode

LARGEST = Limits().notebook_bytes


def submit(cohort: Cohort, week: Week, learner: str, source: Path, now: datetime | None = None) -> Receipt:
    """Hand in a learner's lab through nbgrader's exchange, which keeps all that was handed in.

    Args:
        cohort: which cohort.
        week: which week.
        learner: the learner's id.
        source: the notebook, its directory, or the directory that holds the week's.
        now: the moment of the receipt; the clock's when not given.

    Raises:
        CivicmlError: there is nothing that could be graded, and nothing was handed in.
    """
    check_enrolled(cohort, learner)
    released = find_released(cohort, week)
    notebook = find_notebook(week, source)
    text = _read(notebook)
    own = _parsed(text, notebook, read_notebook(released), week)
    moment = (now or datetime.now(UTC)).astimezone(UTC)
    with cohort.logged(), tempfile.TemporaryDirectory(prefix="civicml-submit-") as desk:
        # The very bytes that were checked are handed in, whatever happens to the file meanwhile.
        copy = Path(desk, week.name, f"{NOTEBOOK}.ipynb")
        copy.parent.mkdir()
        copy.write_bytes(text)
        kept = cache(cohort, learner)
        earlier = len(list(Path(kept, cohort.id).glob(f"{learner}+{week.name}+*")))
        earlier = max(earlier, len(handed_in(cohort, week.name).get(learner, ())))
        done = run(Submit, cohort, week.name, learner, moment=moment, assignment_dir=desk, cache=kept)
    deadline = deadlines(cohort, week)(learner)
    late = max(0.0, (moment - deadline).total_seconds())
    return Receipt(
        learner=learner,
        week=week.name,
        notebook=notebook,
        sha256=hashlib.sha256(text).hexdigest(),
        size=len(text),
        submitted=moment.astimezone(cohort.course.zone),
        deadline=deadline,
        percent_off=cohort.course.late.penalty(late, 100),
        earlier=earlier,
        unanswered=tuple(own),
        place=str(done.assignment_filename),
    )


def check_enrolled(cohort: Cohort, learner: str) -> None:
    """Refuse an id that is not in the cohort's list, as far as this user may read the list.

    Raises:
        CivicmlError: it is not.
    """
    valid_id(learner)
    if os.access(cohort.root / LEARNERS_FILE, os.R_OK):
        cohort.learner(learner)


def find_notebook(week: Week, source: Path) -> Path:
    """The learner's lab: `source` itself, in it, or in the week's directory in it.

    Raises:
        CivicmlError: it is none of these.
    """
    source = source.expanduser()
    name = f"{NOTEBOOK}.ipynb"
    if source.is_file() or source.is_symlink():
        if source.name != name:
            raise CivicmlError(f"'{source}' is not called {name}; {week.name} is handed in under that name.")
        return source.absolute()
    if not source.exists():
        raise CivicmlError(f"There is no '{source}'.")
    places = [source / week.name, source / week.folder]
    if (source / "kit.toml").is_file():  # in the repository this is the instructor's version
        places.append(source / "modules" / week.folder)
    if source.resolve().name in (week.name, week.folder):
        places.insert(0, source)
    for place in places:
        if (place / name).exists() or (place / name).is_symlink():
            return (place / name).absolute()
    raise CivicmlError(
        f"There is no {week.name}/{name} in '{source.resolve()}'. Run 'civicml fetch {week.name}' to get "
        "the lab, or name the directory it is in with --from."
    )


def _read(notebook: Path) -> bytes:
    try:
        opened = os.open(notebook, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if notebook.is_symlink():
            raise CivicmlError(
                f"'{notebook}' is a link to another file; hand in the notebook itself. Nothing was handed in."
            ) from None
        raise CivicmlError(f"'{notebook}' cannot be read: {error.strerror}. Nothing was handed in.") from None
    with os.fdopen(opened, "rb") as file:
        if not os.path.isfile(file.fileno()):  # noqa: PTH113 - of what is open, not of a name
            raise CivicmlError(f"'{notebook}' is not a regular file. Nothing was handed in.")
        text = file.read(LARGEST + 1)
    if len(text) > LARGEST:
        raise CivicmlError(
            f"'{notebook}' has more than {LARGEST >> 20} MB. Clear the outputs (Kernel menu, "
            "'Restart Kernel and Clear Outputs'), save it and hand it in again; nothing was handed in."
        )
    return text


def _parsed(text: bytes, notebook: Path, released: "NotebookNode", week: Week) -> list[str]:
    """Make sure that `text` is this week's lab; return the questions that were not answered."""
    import nbformat

    if kind := archive_kind(text):
        raise CivicmlError(f"'{notebook}' is {kind}, not a notebook. Nothing was handed in.")
    try:
        content = json.loads(text)
        own = nbformat.reads(json.dumps(content), as_version=4)  # type: ignore[no-untyped-call]
        cells = {marking_of(cell).get("grade_id") for cell in own.cells}
    except Exception:  # nbformat raises many kinds; to the learner they are one
        raise CivicmlError(
            f"'{notebook}' is not a notebook that Jupyter can read: it is empty, damaged or something else "
            "under that name. Nothing was handed in."
        ) from None
    if any("### BEGIN " in cell.source for cell in own.cells):
        raise CivicmlError(
            f"'{notebook}' is the instructor's version of {week.name}, with the solutions in it. Run "
            f"'civicml fetch {week.name}' to get the lab. Nothing was handed in."
        )
    wanted = {marking_of(cell)["grade_id"] for cell in released.cells if marking_of(cell)}
    if not cells & wanted:
        raise CivicmlError(
            f"'{notebook}' is not the lab of {week.name}: none of its questions is in it. Nothing was "
            "handed in."
        )
    canonicalise(own, released)
    return unanswered(own, released)
