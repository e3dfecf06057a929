"""What is taught and when: reads ``course/course.toml`` into frozen objects.

The one place that knows weeks, points, outcomes and deadlines. It must not know
how a lab is released, run or graded.
"""

import math
import os
import re
import tomllib
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from civicml.errors import CivicmlError

COURSE_FILE = Path("course", "course.toml")
ENVIRONMENT_VARIABLE = "CIVICML_COURSE"

_Text = Annotated[str, Field(min_length=1)]


class _Frozen(BaseModel):
    """Settings read once: unknown keys are mistakes, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Moment(_Frozen):
    """A point in the course, counted from the cohort's start date.

    ``day`` counts whole days after the start (day 0 is the start date itself);
    ``time`` is local time in the course's time zone.
    """

    day: Annotated[int, Field(ge=0)]
    time: time

    def on(self, start: date, zone: ZoneInfo) -> datetime:
        """The moment as an aware datetime for a cohort that starts on `start`."""
        return datetime.combine(start + timedelta(days=self.day), self.time, tzinfo=zone)


class LatePolicy(_Frozen):
    """What handing in late costs: a share of the lab's maximum score per day begun."""

    grace_minutes: Annotated[int, Field(ge=0)]
    percent_per_day: Annotated[float, Field(ge=0, le=100)]
    at_most_percent: Annotated[float, Field(ge=0, le=100)]

    def penalty(self, seconds_late: float, max_score: float) -> float:
        """Points lost for work that came in `seconds_late` seconds after the deadline."""
        if seconds_late <= self.grace_minutes * 60:
            return 0.0
        days_begun = math.ceil(seconds_late / 86_400)
        percent = min(days_begun * self.percent_per_day, self.at_most_percent)
        return round(max_score * percent / 100, 2)


class AttemptPolicy(_Frozen):
    """What handing in more than once means, and how often a day a learner is told marks at once."""

    counts: Literal["last", "best"] = "last"
    """Which attempt's mark is recorded; of two that are equally good, the later one."""
    marks_per_day: Annotated[int, Field(ge=0, le=1000)] = 10
    """0: marks come only from the instructor. Handing in itself is never limited."""


class Week(_Frozen):
    """One week of the course: a folder in ``modules/`` and one graded lab."""

    number: Annotated[int, Field(ge=1, le=52)]
    folder: Annotated[str, Field(pattern=r"^week[0-9]{2}_[a-z0-9_]+$")]
    title: _Text
    question: _Text
    outcomes: Annotated[list[_Text], Field(min_length=1)]
    datasets: list[_Text]
    hours: Annotated[float, Field(gt=0, le=40)]
    points: Annotated[int, Field(gt=0)]
    release: Moment
    due: Moment
    written: bool
    milestone: _Text | None = None

    @property
    def name(self) -> str:
        """The week's short name, and its assignment's: ``week01``."""
        return self.folder.partition("_")[0]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.name != f"week{self.number:02d}":
            raise ValueError(f"folder '{self.folder}' does not begin with 'week{self.number:02d}_'")
        if (self.due.day, self.due.time) <= (self.release.day, self.release.time):
            raise ValueError("it is due before it is released")
        return self


class Course(_Frozen):
    """A whole course, and the directory it lives in."""

    root: Path
    title: _Text
    organisation: _Text
    timezone: str
    late: LatePolicy
    attempts: AttemptPolicy = AttemptPolicy()
    weeks: Annotated[list[Week], Field(min_length=1)]

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"'{name}' is not a time zone, such as 'Europe/London'") from error
        return name

    @model_validator(mode="after")
    def _numbered_in_order(self) -> Self:
        numbers = [week.number for week in self.weeks]
        if numbers != list(range(1, len(numbers) + 1)):
            raise ValueError(f"weeks must be numbered 1, 2, 3, … in order; found {numbers}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The time zone that releases and deadlines are told in."""
        return ZoneInfo(self.timezone)

    @property
    def written_weeks(self) -> list[Week]:
        """The weeks that exist and may be offered to learners."""
        return [week for week in self.weeks if week.written]

    def folder(self, week: Week) -> Path:
        """Where the week's notebooks are."""
        return self.root / "modules" / week.folder

    def week(self, name: str) -> Week:
        """Find a written week by what a person would type: ``week01``, ``1`` or its folder.

        Raises:
            CivicmlError: there is no such week, or it has not been written yet.
        """
        found = next((w for w in self.weeks if name in (w.name, w.folder, str(w.number))), None)
        if found is None:
            offered = ", ".join(w.name for w in self.written_weeks)
            raise CivicmlError(f"There is no week called '{name}'. Weeks you can use: {offered}.")
        if not found.written:
            raise CivicmlError(
                f"{found.name} ({found.title}) has not been written yet, so it cannot be used. "
                "Run 'civicml weeks' to see which weeks are ready."
            )
        return found


def find_root(start: Path | None = None) -> Path:
    """The course directory: ``$CIVICML_COURSE``, or the nearest one at or above `start`.

    Args:
        start: where to look from; the working directory when not given.

    Raises:
        CivicmlError: no course was found there.
    """
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        root = Path(named).expanduser().resolve()
        if not (root / COURSE_FILE).is_file():
            raise CivicmlError(f"{ENVIRONMENT_VARIABLE} is '{named}', but there is no {COURSE_FILE} in it.")
        return root
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / COURSE_FILE).is_file():
            return folder
    raise CivicmlError(
        f"'{here}' is not inside a civicml course: there is no {COURSE_FILE} in it or in any folder above. "
        f"Change to the course's folder first, or set {ENVIRONMENT_VARIABLE}."
    )


def load_course(root: Path | None = None) -> Course:
    """Read the course in `root` (by default the one around the working directory).

    Raises:
        CivicmlError: there is no course, or its file cannot be read, is not TOML, or says
            something the engine cannot use; the sentence names the place in the file.
    """
    root = root or find_root()
    path = root / COURSE_FILE
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CivicmlError(f"There is no {COURSE_FILE} in '{root}'.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise CivicmlError(f"{path} cannot be read: {error}.") from error
    except tomllib.TOMLDecodeError as error:
        raise CivicmlError(f"{path} is not valid TOML: {error}.") from error
    if "root" in settings:
        raise CivicmlError(f"{path}: 'root' is worked out from where the file is; take it out.")
    try:
        return Course.model_validate({**settings, "root": root})
    except ValidationError as error:
        raise CivicmlError(f"{path}: {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(part) for part in problem["loc"])) or "the whole file"
    message = problem["msg"].removeprefix("Value error, ")
    more = f" ({error.error_count() - 1} more problems after this one)" if error.error_count() > 1 else ""
    found = problem.get("input")
    shown = f", found {found!r}" if isinstance(found, str | int | float | bool) else ""
    return f"{place}: {message[0].lower()}{message[1:]}{shown}.{more}"
