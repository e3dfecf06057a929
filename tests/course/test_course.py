"""Reading course.toml: what the engine accepts, and what it says when it cannot."""

import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from civicml.course import COURSE_FILE, LatePolicy, find_root, load_course
from civicml.errors import CivicmlError

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def course_copy(tmp_path: Path) -> Path:
    (tmp_path / "course").mkdir()
    shutil.copy(REPOSITORY / COURSE_FILE, tmp_path / COURSE_FILE)
    return tmp_path


def edit(root: Path, old: str, new: str) -> None:
    text = (root / COURSE_FILE).read_text(encoding="utf-8")
    assert old in text, f"nothing to edit: {old!r} is not in the course file"
    (root / COURSE_FILE).write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_course_has_twelve_weeks_and_each_written_one_has_its_folder():
    course = load_course(REPOSITORY)
    assert len(course.weeks) == 12
    assert [week.name for week in course.written_weeks][:1] == ["week01"]
    for week in course.weeks:
        assert course.folder(week).is_dir() == week.written, (
            f"{week.folder}: 'written' does not match the folder"
        )
        assert week.points == 100


def test_every_milestone_of_the_capstone_is_in_the_plan():
    milestones = {week.number for week in load_course(REPOSITORY).weeks if week.milestone}
    assert milestones == {2, 3, 5, 6, 7, 11, 12}


@pytest.mark.parametrize("name", ["week01", "1", "week01_workbench"])
def test_a_week_is_found_by_what_a_person_would_type(name):
    assert load_course(REPOSITORY).week(name).number == 1


def test_an_unknown_week_names_the_weeks_that_can_be_used():
    with pytest.raises(CivicmlError, match=r"no week called 'week99'.*week01"):
        load_course(REPOSITORY).week("week99")


def test_a_week_that_is_not_written_is_never_offered(course_copy):
    edit(course_copy, "written = true", "written = false")
    with pytest.raises(CivicmlError, match=r"week01 .* has not been written yet"):
        load_course(course_copy).week("week01")


def test_deadlines_are_counted_from_the_start_in_local_time():
    course = load_course(REPOSITORY)
    due = course.week("week01").due.on(date(2026, 3, 23), course.zone)
    # 1 April 2026 is after the clocks went forward: 17:00 in London is 16:00 UTC.
    assert due.astimezone(UTC) == datetime(2026, 4, 1, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds_late", "points_lost"),
    [(0, 0), (15 * 60, 0), (15 * 60 + 1, 10), (86_400, 10), (86_401, 20), (90 * 86_400, 50)],
)
def test_late_work_costs_a_share_per_day_begun_up_to_a_limit(seconds_late, points_lost):
    policy = LatePolicy(grace_minutes=15, percent_per_day=10, at_most_percent=50)
    assert policy.penalty(seconds_late, 100) == points_lost


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("points = 100", 'points = "abc"', r"weeks\[0\]\.points: .*integer.*found 'abc'"),
        ("points = 100", "points = -1", r"weeks\[0\]\.points: .*greater than 0"),
        ("number = 2", "number = 3", r"weeks\[1\]: folder 'week02_data_safety' does not begin with 'week03"),
        ("due = { day = 9", "due = { day = 0", r"weeks\[0\]: "),
        ('timezone = "Europe/London"', 'timezone = "Atlantis"', "timezone: .*Atlantis.*is not a time zone"),
        ("hours = 6.0", "hours = 6.0\nhuors = 6.0", r"weeks\[0\]\.huors: extra inputs"),
        ("[late]", "[late", "not valid TOML"),
        ('title = "The workbench"', "", r"weeks\[0\]\.title: field required"),
    ],
)
def test_a_half_written_course_file_is_refused_with_the_place(course_copy, old, new, sentence):
    edit(course_copy, old, new)
    if old.startswith("due"):
        edit(course_copy, "day = 0, time = 17:00:00", "day = 0, time = 08:00:00")
        sentence += "it is due before it is released"
    with pytest.raises(CivicmlError, match=sentence):
        load_course(course_copy)


def test_a_week_missing_from_the_middle_is_refused(course_copy):
    text = (course_copy / COURSE_FILE).read_text(encoding="utf-8")
    parts = text.split("[[weeks]]")
    (course_copy / COURSE_FILE).write_text("[[weeks]]".join(parts[:2] + parts[3:]), encoding="utf-8")
    with pytest.raises(CivicmlError, match=r"numbered 1, 2, 3, … in order"):
        load_course(course_copy)


def test_a_course_file_that_is_not_text_is_refused(course_copy):
    (course_copy / COURSE_FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CivicmlError, match="cannot be read"):
        load_course(course_copy)


def test_the_root_is_found_from_a_folder_below(course_copy, monkeypatch):
    monkeypatch.delenv("CIVICML_COURSE", raising=False)
    below = course_copy / "modules" / "week01_workbench"
    below.mkdir(parents=True)
    assert find_root(below) == course_copy.resolve()


def test_outside_any_course_the_sentence_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.delenv("CIVICML_COURSE", raising=False)
    with pytest.raises(CivicmlError, match="is not inside a civicml course"):
        find_root(tmp_path)


def test_a_course_named_in_the_environment_must_be_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CIVICML_COURSE", str(tmp_path))
    with pytest.raises(CivicmlError, match="CIVICML_COURSE is"):
        find_root()
