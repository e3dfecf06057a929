"""nbgrader, set up for grading: its settings, its gradebook, its log.

Everything of ours that calls nbgrader calls it through here. A course directory is
nbgrader's: it holds ``nbgrader_config.py`` and the gradebook. It must not know what a
cohort is.
"""

import errno
import logging
import os
import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from civicml.assignment import nbgrader_settings
from civicml.errors import CivicmlError

if TYPE_CHECKING:
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

CONFIG_FILE = "nbgrader_config.py"
LOGGER = "civicml.nbgrader"
_NOISY = ("traitlets", "tornado.application", "asyncio")


def grading_settings() -> "Config":
    """What makes nbgrader grade as this course promises; a cohort's ``nbgrader_config.py`` begins with it."""
    from traitlets.config import Config

    # SQLAlchemy says so of objects that nbgrader made and forgot; the marks are right.
    warnings.filterwarnings("ignore", message=".*not in session.*")
    settings = nbgrader_settings()
    settings.merge(
        Config(
            {
                "Autograde": {
                    "create_student": False,
                    "sanitize_preprocessors": [
                        "civicml.autograder.canonical.Canonicalise",
                        "nbgrader.preprocessors.ClearOutput",
                        "nbgrader.preprocessors.DeduplicateIds",
                        "nbgrader.preprocessors.OverwriteKernelspec",
                        "nbgrader.preprocessors.OverwriteCells",
                        "nbgrader.preprocessors.CheckCellMetadata",
                    ],
                    "autograde_preprocessors": [
                        "civicml.autograder.execute.GuardedExecute",
                        "nbgrader.preprocessors.IgnorePattern",
                        "nbconvert.preprocessors.ClearMetadataPreprocessor",
                        "nbgrader.preprocessors.LimitOutput",
                        "nbgrader.preprocessors.SaveAutoGrades",
                        "nbgrader.preprocessors.AssignLatePenalties",
                        "nbgrader.preprocessors.CheckCellMetadata",
                    ],
                },
                "AssignLatePenalties": {"plugin_class": "civicml.autograder.late.CoursePenalty"},
                "Execute": {"timeout": 60, "shutdown_kernel": "immediate"},
                "GenerateFeedback": {
                    "preprocessors": [
                        "nbgrader.preprocessors.GetGrades",
                        "civicml.autograder.hidden.HideHiddenTests",
                        "nbconvert.preprocessors.CSSHTMLHeaderPreprocessor",
                    ]
                },
                # A warning of a library is no mistake: nbgrader would give 0 for a word on stderr.
                "IgnorePattern": {"enabled": True, "pattern": r"(?s)."},
                # Learners have ids of their own; the operating-system user says nothing.
                "ExchangeCollect": {"check_owner": False},
            }
        )
    )
    return settings


def read_settings(directory: Path) -> "Config":
    """The settings that plain ``nbgrader`` would use in the course directory `directory`.

    Raises:
        CivicmlError: its ``nbgrader_config.py`` is missing or cannot be run.
    """
    from traitlets.config.loader import ConfigFileNotFound, PyFileConfigLoader

    try:
        return PyFileConfigLoader(CONFIG_FILE, path=str(directory.resolve())).load_config()
    except ConfigFileNotFound:
        raise CivicmlError(f"There is no {CONFIG_FILE} in '{directory}'.") from None
    except CivicmlError:
        raise
    except Exception as error:  # it is a program, which somebody may have edited
        raise CivicmlError(
            f"'{directory / CONFIG_FILE}' cannot be used: {type(error).__name__}: {error}."
        ) from error


def course_directory(settings: "Config", assignment: str, learner: str = "*") -> "CourseDirectory":
    """The course directory of nbgrader, looking at one assignment and one learner (or all)."""
    from nbgrader.coursedir import CourseDirectory

    return CourseDirectory(
        config=settings, log=logging.getLogger(LOGGER), assignment_id=assignment, student_id=learner
    )


@contextmanager
def open_gradebook(settings: "Config") -> "Iterator[Gradebook]":
    """The gradebook of nbgrader; what was not committed when the block ends is dropped.

    Raises:
        CivicmlError: it is locked, read-only, full or broken.
    """
    from nbgrader.api import Gradebook
    from nbgrader.coursedir import CourseDirectory

    directory = CourseDirectory(config=settings, log=logging.getLogger(LOGGER))
    with said_plainly(directory.db_url):
        _prepare_new(directory.db_url)
        gradebook = Gradebook(directory.db_url, directory.course_id)
        try:
            yield gradebook
        finally:
            gradebook.close()


@contextmanager
def said_plainly(database: str = "the gradebook") -> Iterator[None]:
    """Turn what a database or a disk reports into one sentence."""
    from sqlalchemy.exc import DatabaseError

    try:
        yield
    except DatabaseError as error:
        raise gradebook_trouble(error, database) from error
    except OSError as error:
        raise disk_trouble(error) from error


def gradebook_trouble(error: BaseException, database: str = "the gradebook") -> CivicmlError:
    """A sentence for an error of the database behind the gradebook."""
    place = database.removeprefix("sqlite:///")
    said = str(getattr(error, "orig", None) or error)
    if "locked" in said:
        return CivicmlError(
            f"The gradebook '{place}' is in use by another program (Formgrader saving a mark, perhaps). "
            "Marks so far are kept; run the command again in a moment."
        )
    if "readonly" in said or "unable to open" in said:
        return CivicmlError(f"The gradebook '{place}' cannot be written; marks so far are kept.")
    if "full" in said:
        return CivicmlError(
            f"The disk with the gradebook '{place}' is full. Marks so far are kept; make room and run the "
            "command again."
        )
    return CivicmlError(f"The gradebook '{place}' cannot be used: {said.splitlines()[0].rstrip('.')}.")


def disk_trouble(error: OSError) -> CivicmlError:
    """A sentence for an error of the file system."""
    place = f" ('{error.filename}')" if error.filename else ""
    if error.errno == errno.ENOSPC:
        return CivicmlError(
            f"The disk is full{place}. What was done is kept; make room and run the command again."
        )
    if error.strerror is None and error.args and isinstance(error.args[0], list):
        # shutil.Error: a list of (from, to, why), of which the first says enough
        return CivicmlError(f"Files could not be copied: {error.args[0][0][-1]}.")
    return CivicmlError(f"{error.strerror or error}{place}.")


def is_machine_trouble(error: BaseException | None) -> bool:
    """Whether `error` is about this machine's disk or database, and no submission's fault."""
    from sqlalchemy.exc import DatabaseError

    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EDQUOT)
    return isinstance(error, DatabaseError | sqlite3.Error)


@contextmanager
def logging_to(file: Path | None) -> Iterator[None]:
    """Send what nbgrader and what it stands on have to say to `file`, and nothing to the screen.

    Args:
        file: where to add to; None drops it all.
    """
    loggers = [logging.getLogger(name) for name in (LOGGER, *_NOISY)]
    handler: logging.Handler = logging.NullHandler()
    if file is not None:
        with said_plainly():
            file.parent.mkdir(parents=True, exist_ok=True)
            handler = logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    before = [(logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
    for logger in loggers:
        logger.handlers, logger.propagate = [handler], False
    logging.getLogger(LOGGER).setLevel(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not in session.*")
            yield
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
        handler.close()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _prepare_new(database: str) -> None:
    """Note in an empty database which of nbgrader's migrations it is at.

    nbgrader does so by starting the command ``alembic``, which takes seconds and must be on PATH.
    """
    import nbgrader.dbutil
    import sqlalchemy
    from alembic.config import Config as AlembicConfig
    from alembic.script import ScriptDirectory

    engine = sqlalchemy.create_engine(database)
    try:
        if sqlalchemy.inspect(engine).get_table_names():
            return
        migrations = AlembicConfig()
        migrations.set_main_option("script_location", nbgrader.dbutil.ALEMBIC_DIR)
        head = ScriptDirectory.from_config(migrations).get_current_head()
        with engine.begin() as connection:
            connection.execute(
                sqlalchemy.text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            )
            connection.execute(
                sqlalchemy.text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": head}
            )
    finally:
        engine.dispose()
