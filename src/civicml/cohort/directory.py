"""A cohort's directory: making one, opening one, and who is enrolled.

Everything that changes while a course is taught is in this directory. It must not know
how work is released, graded or returned.
"""

import csv
import io
import json
import os
import re
import secrets
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from civicml import __version__
from civicml.assignment import NOTEBOOK
from civicml.autograder.settings import (
    CONFIG_FILE,
    disk_trouble,
    logging_to,
    open_gradebook,
    read_settings,
)
from civicml.course import Course, Week, find_root, load_course
from civicml.errors import CivicmlError
from civicml.learner import current_learner, valid_id

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from traitlets.config import Config

COHORT_FILE = "cohort.toml"
SECRETS_FILE = "secrets.toml"
LEARNERS_FILE = "learners.csv"
DEFAULT = Path("cohort")
"""Where a cohort is when nobody says otherwise."""
LEARNER_COLUMNS = ("id", "first_name", "last_name", "email", "team")
PRIVATE = ("source", "release", "submitted", "autograded", "feedback", "grading", "sealed", "logs")
"""Directories that only the instructor may enter."""

Step = Callable[[str], None]
"""Told in a few words what is being done now."""


@dataclass(frozen=True)
class Learner:
    """Somebody who is enrolled."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    team: str = ""
    """Where they work: who reviews a capstone is of another team."""

    @property
    def name(self) -> str:
        """First and last name, or the id of somebody without one."""
        return " ".join(part for part in (self.first_name, self.last_name) if part) or self.id


@dataclass(frozen=True)
class Cohort:
    """An open cohort: where it is, and which course it takes."""

    root: Path
    id: str
    """nbgrader's course id: what the exchange and the gradebook call this cohort."""
    name: str
    start: date
    course: Course

    @cached_property
    def settings(self) -> "Config":
        """The settings of nbgrader, read from the cohort's own ``nbgrader_config.py``."""
        return read_settings(self.root)

    @property
    def log(self) -> Path:
        """Where nbgrader's log goes."""
        return self.root / "logs" / "nbgrader.log"

    @property
    def exchange(self) -> Path:
        """The exchange's directory for this cohort: ``outbound``, ``inbound`` and ``feedback`` are in it."""
        return Path(str(self.settings.Exchange.root)) / self.id

    def notebook(self, step: str, week: Week, learner: str = "") -> Path:
        """The lab at one of nbgrader's steps: ``source``, ``release``, ``submitted`` or ``autograded``."""
        return self.root / step / learner / week.name / f"{NOTEBOOK}.ipynb"

    def planned_deadline(self, week: Week) -> datetime:
        """When the week's lab is due by the course's plan, without any extension."""
        return week.due.on(self.start, self.course.zone)

    def learners(self) -> list[Learner]:
        """Everybody who is enrolled, in the order of the list."""
        return read_learners(self.root / LEARNERS_FILE)

    def learner(self, learner: str) -> Learner:
        """The enrolled learner with this id.

        Raises:
            CivicmlError: nobody with this id is enrolled.
        """
        found = next((one for one in self.learners() if one.id == learner), None)
        if found is None:
            raise CivicmlError(
                f"'{learner}' is not enrolled in the cohort '{self.name}'. Name a learner with --learner or "
                f"CIVICML_LEARNER; an instructor enrols somebody with 'civicml cohort add {learner}'."
            )
        return found

    @contextmanager
    def gradebook(self) -> "Iterator[Gradebook]":
        """The gradebook of nbgrader, for one block."""
        with open_gradebook(self.settings) as gradebook:
            yield gradebook

    @contextmanager
    def logged(self) -> Iterator[None]:
        """Send nbgrader's log to the cohort's logs, or nowhere for a learner who may not write there."""
        writable = os.access(self.log.parent, os.W_OK)
        with logging_to(self.log if writable else None):
            yield


# --- finding and opening --------------------------------------------------------------------------


def find_cohort(named: Path) -> Path:
    """The cohort that was named, or the one around the working directory or beside its course.

    Args:
        named: what the user named, or the default, which need not exist.
    """
    if (named / COHORT_FILE).is_file() or named != DEFAULT:
        return named
    here = Path.cwd().resolve()
    around = [folder for folder in (here, *here.parents) if (folder / COHORT_FILE).is_file()]
    if around:
        return around[0]
    try:
        beside = find_root() / DEFAULT
    except CivicmlError:
        return named
    return beside if (beside / COHORT_FILE).is_file() else named


def open_cohort(root: Path) -> Cohort:
    """Open the cohort in the directory `root`.

    Its course is the one ``$CIVICML_COURSE`` names, else the one it was made for, else the
    one around the working directory (a learner kit, where the cohort is the instructor's).

    Raises:
        CivicmlError: there is no cohort, or what it says of itself cannot be read.
    """
    root = root.expanduser().resolve()
    path = root / COHORT_FILE
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise CivicmlError(
            f"There is no cohort at '{root}': it has no {COHORT_FILE}. Make one with 'civicml cohort init', "
            "or name an existing one with --cohort or CIVICML_COHORT."
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CivicmlError(f"'{path}' is not valid TOML: {error}.") from None
    id_, name, start = facts.get("id"), facts.get("name"), facts.get("start")
    if not (isinstance(id_, str) and isinstance(name, str) and type(start) is date):
        raise CivicmlError(f"'{path}' must say id, name and start (a date, such as 2026-01-12).")
    return Cohort(root, id_, name, start, _course_of(root, facts))


def _course_of(root: Path, facts: dict[str, Any]) -> Course:
    made_for = root / str(facts.get("course", "."))
    if os.environ.get("CIVICML_COURSE") or not os.access(made_for / "course" / "course.toml", os.R_OK):
        return load_course()
    return load_course(made_for.resolve())


def is_instructor(cohort: Cohort) -> bool:
    """Whether whoever runs this may see everybody's marks, and has not said to be one learner.

    On one machine all files belong to one person: then the name decides.
    """
    if not os.access(cohort.root / "gradebook.db", os.R_OK | os.W_OK):
        return False
    if os.environ.get("CIVICML_LEARNER"):
        return False
    return current_learner() not in {one.id for one in cohort.learners()}


# --- making ---------------------------------------------------------------------------------------


def init(
    root: Path,
    *,
    name: str = "",
    start: date | None = None,
    learners: Iterable[Learner] = (),
    tell: Step = lambda step: None,
) -> Cohort:
    """Make a new cohort at `root`, complete or not at all.

    The sealed layer of every written week's dataset is built from a seed that is drawn here
    and kept in ``secrets.toml``.

    Args:
        root: a directory that does not exist yet, or is empty.
        name: what to call the cohort; the directory's name when not given.
        start: day 0 of the course's plan; the Monday of this week when not given.
        learners: who is enrolled from the beginning.
        tell: told each step.

    Raises:
        CivicmlError: there is something at `root`, or the disk refuses.
    """
    course = load_course()
    root = root.expanduser().resolve()
    name = name.strip() or root.name
    if not re.search(r"[a-z0-9]", name.lower()) or len(name) > 80 or not name.isprintable():
        raise CivicmlError(
            f"'{name}' cannot be a cohort's name: use up to 80 letters, digits, spaces and dashes."
        )
    _refuse_what_is_there(root)
    if not _template(course).is_file():
        raise CivicmlError(f"There is no '{_template(course)}', which a cohort takes its settings from.")
    start = start or _monday(datetime.now(course.zone).date())
    facts = {
        "id": re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
        "name": name,
        "start": start,
        "course": Path(os.path.relpath(course.root, root)).as_posix(),
        "course_title": course.title,
        "made_with": f"civicml {__version__}",
    }
    unfinished = None
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".unfinished", dir=root.parent))
        _fill(unfinished, course, facts=facts, learners=list(learners), tell=tell)
        unfinished.chmod(0o755)
        unfinished.replace(root)
    except OSError as error:
        raise disk_trouble(error) from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
    tell("a store for runs")
    _prepare_store(root)
    return open_cohort(root)


def _refuse_what_is_there(root: Path) -> None:
    if (root / COHORT_FILE).exists():
        raise CivicmlError(
            f"There is a cohort at '{root}' already, and it is left as it is; name another place."
        )
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise CivicmlError(f"'{root}' is there already and is not empty; name another place for the cohort.")


def _template(course: Course) -> Path:
    return course.root / "autograder" / CONFIG_FILE


def _monday(today: date) -> date:
    return date.fromordinal(today.toordinal() - today.weekday())


def _fill(
    folder: Path, course: Course, *, facts: dict[str, Any], learners: list[Learner], tell: Step
) -> None:
    tell("nbgrader's directories and the gradebook")
    for private in PRIVATE:
        (folder / private).mkdir(mode=0o700)
    for shared in ("exchange", "tracking"):
        (folder / shared).mkdir()
    lines = ["# Made by 'civicml cohort init'. Labs are released, handed in, graded and returned here."]
    lines += [
        f"{key} = {value if isinstance(value, date) else json.dumps(value)}" for key, value in facts.items()
    ]
    write_text(folder / COHORT_FILE, "\n".join(lines) + "\n")
    seed = secrets.token_hex(32)
    write_text(
        folder / SECRETS_FILE,
        f'# Whoever knows this can rebuild the sealed data. Never share it.\nsealed_seed = "{seed}"\n',
        mode=0o600,
    )
    shutil.copyfile(_template(course), folder / CONFIG_FILE)
    with logging_to(folder / "logs" / "nbgrader.log"):
        settings = read_settings(folder)
        with open_gradebook(settings):
            pass
        (folder / "gradebook.db").chmod(0o600)
        _enrol(folder, settings, learners)
    for dataset in dict.fromkeys(dataset for week in course.written_weeks for dataset in week.datasets):
        tell(f"sealed data: {dataset}")
        sealed_tables(folder, dataset)


def sealed_tables(root: Path, dataset: str) -> Path:
    """The folder of the sealed tables of `dataset` in the cohort at `root`.

    They are drawn from the cohort's own secret, now if it has none of this dataset yet: a course grows.

    Raises:
        CivicmlError: the secret cannot be read, or the tables cannot be built.
    """
    from civicml.datasets import build_sealed

    place = root / "sealed" / dataset
    if not place.is_dir():
        build_sealed(dataset, _sealed_seed(root), place)
    return place


def _sealed_seed(root: Path) -> str:
    file = root / SECRETS_FILE
    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8"))["sealed_seed"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError) as error:
        raise CivicmlError(
            f"The cohort's secret cannot be read from '{file}' ({type(error).__name__}); without it no "
            "sealed tables can be made."
        ) from error


def _prepare_store(root: Path) -> None:
    from civicml.tracking import prepare_store

    prepare_store(root / "tracking")


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a whole file or nothing: beside its place first, then moved there.

    Raises:
        CivicmlError: the disk refuses; what was there before is still there.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with beside.open("w", encoding="utf-8", newline="") as file:
                beside.chmod(mode)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise disk_trouble(error) from error


# --- learners -------------------------------------------------------------------------------------


def add_learners(cohort: Cohort, learners: Iterable[Learner]) -> list[Learner]:
    """Enrol `learners`, or correct the names of those who are enrolled; return who is new.

    Raises:
        CivicmlError: the list or the gradebook cannot be written.
    """
    with cohort.logged():
        return _enrol(cohort.root, cohort.settings, list(learners))


def _enrol(root: Path, settings: "Config", learners: list[Learner]) -> list[Learner]:
    path = root / LEARNERS_FILE
    enrolled = {one.id: one for one in (read_learners(path) if path.exists() else [])}
    new = [one for one in learners if one.id not in enrolled]
    for one in learners:
        known = enrolled.get(one.id, one)
        enrolled[one.id] = Learner(
            one.id,
            one.first_name or known.first_name,
            one.last_name or known.last_name,
            one.email or known.email,
            one.team or known.team,
        )
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(LEARNER_COLUMNS)
    rows.writerows(astuple(one) for one in enrolled.values())
    write_text(path, text.getvalue(), mode=0o600)
    changed = {one.id for one in learners}
    tell_gradebook(settings, [one for one in enrolled.values() if one.id in changed])
    return new


def tell_gradebook(settings: "Config", learners: Iterable[Learner]) -> None:
    """Make nbgrader's students of `learners`, so that Formgrader lists them by name."""
    with open_gradebook(settings) as gradebook:
        for one in learners:
            gradebook.update_or_create_student(
                one.id,
                first_name=one.first_name or None,
                last_name=one.last_name or None,
                email=one.email or None,
            )


def read_learners(path: Path) -> list[Learner]:
    """Read a list of learners: a CSV file with the columns id, first_name, last_name, email, team.

    Only ``id`` must be there; further columns are left alone.

    Raises:
        CivicmlError: the file cannot be read, or a line holds no valid id or one twice.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise CivicmlError(f"There is no list of learners at '{path}'.") from None
    except UnicodeDecodeError:
        raise CivicmlError(f"'{path}' is not UTF-8 text; save it as CSV in UTF-8.") from None
    except OSError as error:
        raise disk_trouble(error) from error
    rows = csv.DictReader(io.StringIO(text), restkey="more", restval="")
    if "id" not in (rows.fieldnames or []):
        found = ", ".join(rows.fieldnames or []) or "nothing"
        raise CivicmlError(
            f"'{path}' must begin with a line that names its columns: {','.join(LEARNER_COLUMNS)}; "
            f"found {found}."
        )
    learners: dict[str, Learner] = {}
    for number, row in enumerate(rows, start=2):
        values = {column: (row.get(column) or "").strip() for column in LEARNER_COLUMNS}
        try:
            one = Learner(**{**values, "id": valid_id(values["id"].lower())})
        except CivicmlError as error:
            raise CivicmlError(f"{path}, line {number}: {error}") from None
        if one.id in learners:
            raise CivicmlError(f"{path}, line {number}: '{one.id}' is in the list twice.")
        learners[one.id] = one
    return list(learners.values())
