"""Making, opening and filling a cohort's directory."""

import os
import shutil
import stat
from datetime import date

import pytest

from civicml.cohort import Learner, add_learners, find_cohort, init, open_cohort, read_learners
from civicml.cohort import directory as directory_module
from civicml.errors import CivicmlError


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_cohort_has_all_that_later_steps_need(course, tmp_path, tiny):
    steps = []
    cohort = init(
        tmp_path / "cohort",
        name="Autumn 2026",
        start=tiny.START,
        learners=tiny.LEARNERS[:1],
        tell=steps.append,
    )

    assert (cohort.id, cohort.name, cohort.start) == ("autumn-2026", "Autumn 2026", tiny.START)
    assert cohort.course.title == "A tiny course"
    assert [one.id for one in cohort.learners()] == ["ann"]
    there = {path.name for path in cohort.root.iterdir()}
    assert there >= {
        "cohort.toml", "secrets.toml", "learners.csv", "nbgrader_config.py", "gradebook.db", "exchange",
        "tracking", "source", "release", "submitted", "autograded", "feedback", "sealed", "logs",
    }  # fmt: skip
    assert (cohort.root / "tracking" / "mlflow.db").is_file()
    assert steps


def test_what_only_the_instructor_may_read_is_closed_to_others(cohort):
    assert mode(cohort.root / "secrets.toml") == 0o600
    assert mode(cohort.root / "learners.csv") == 0o600
    assert mode(cohort.root / "gradebook.db") == 0o600
    assert {mode(cohort.root / name) for name in ("source", "submitted", "autograded", "sealed", "logs")} == {
        0o700
    }


def test_every_cohort_draws_a_seed_of_its_own(course, tmp_path):
    seeds = {init(tmp_path / name).root.joinpath("secrets.toml").read_text() for name in ("one", "two")}
    assert len(seeds) == 2


def test_sealed_data_is_built_from_the_secret_seed_for_written_weeks_only(course, tmp_path, monkeypatch):
    plan = course / "course" / "course.toml"
    written, later = plan.read_text().split("number = 2")
    plan.write_text(
        written.replace("datasets = []", 'datasets = ["waiting_times"]')
        + "number = 2"
        + later.replace("datasets = []", 'datasets = ["not_yet"]')
    )
    built = []
    import civicml.datasets

    monkeypatch.setattr(civicml.datasets, "build_sealed", lambda *wanted: built.append(wanted))
    cohort = init(tmp_path / "cohort")

    [(name, seed, place)] = built
    assert name == "waiting_times"
    assert f'"{seed}"' in (cohort.root / "secrets.toml").read_text()
    assert len(seed) == 64
    assert place.parts[-2:] == ("sealed", "waiting_times")


def test_an_existing_cohort_is_never_overwritten(cohort):
    before = (cohort.root / "secrets.toml").read_text()
    with pytest.raises(CivicmlError, match="already"):
        init(cohort.root)
    assert (cohort.root / "secrets.toml").read_text() == before


def test_a_directory_with_something_in_it_is_left_alone(course, tmp_path):
    place = tmp_path / "mine"
    place.mkdir()
    (place / "thesis.txt").write_text("years of work")
    with pytest.raises(CivicmlError, match="not empty"):
        init(place)
    assert [path.name for path in place.iterdir()] == ["thesis.txt"]


def test_a_failure_half_way_leaves_nothing_behind(course, tmp_path, monkeypatch, tiny):
    def full(*_):
        raise OSError(28, "No space left on device", "gradebook.db")

    monkeypatch.setattr(directory_module, "_enrol", full)
    with pytest.raises(CivicmlError, match="disk is full"):
        init(tmp_path / "cohort", learners=tiny.LEARNERS)
    assert {path.name for path in tmp_path.iterdir()} <= {"course", "cache", "jupyter"}


@pytest.mark.parametrize("name", ["???", "a\nb", "x" * 81])
def test_a_name_that_cannot_name_a_course_is_refused(course, tmp_path, name):
    with pytest.raises(CivicmlError, match="cannot be a cohort's name"):
        init(tmp_path / "cohort", name=name)


def test_a_cohort_that_is_moved_with_its_course_still_opens(cohort, tmp_path):
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    shutil.move(tmp_path / "course", moved)
    shutil.move(cohort.root, moved)
    found = open_cohort(moved / "cohort")
    assert found.course.root == moved / "course"
    assert str(found.settings.CourseDirectory.root) == str(moved / "cohort")


def test_a_directory_without_a_cohort_says_so(tmp_path):
    with pytest.raises(CivicmlError, match=r"no cohort at .* 'civicml cohort init'"):
        open_cohort(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('id = "a"\nname = "A"\n', "must say id, name and start"),
        ('id = "a"\nname = "A"\nstart = "soon"\n', "must say id, name and start"),
        ("id = ", "not valid TOML"),
    ],
)
def test_a_half_written_cohort_file_is_named(cohort, text, said):
    (cohort.root / "cohort.toml").write_text(text)
    with pytest.raises(CivicmlError, match=said):
        open_cohort(cohort.root)


def test_a_broken_nbgrader_config_is_named_in_one_sentence(cohort):
    with (cohort.root / "nbgrader_config.py").open("a") as file:
        file.write("c.Oops(\n")
    with pytest.raises(CivicmlError, match=r"nbgrader_config\.py' cannot be used: SyntaxError"):
        _ = open_cohort(cohort.root).settings


def test_a_cohort_is_found_around_the_working_directory_and_beside_its_course(cohort, tmp_path, monkeypatch):
    monkeypatch.chdir(cohort.root / "logs")
    assert find_cohort(directory_module.DEFAULT) == cohort.root

    shutil.copytree(cohort.root, tmp_path / "course" / "cohort")
    monkeypatch.chdir(tmp_path / "course" / "modules")
    assert find_cohort(directory_module.DEFAULT) == tmp_path / "course" / "cohort"


# --- learners -------------------------------------------------------------------------------------


def test_learners_are_added_once_and_known_to_formgrader(cohort):
    new = add_learners(cohort, [Learner("eve", "Eve", "Eden"), Learner("ann", email="ann@new.example")])

    assert [one.id for one in new] == ["eve"]
    ann = cohort.learner("ann")
    assert (ann.name, ann.email) == ("Ann Archer", "ann@new.example")
    with cohort.logged(), cohort.gradebook() as gradebook:
        assert {one.id for one in gradebook.students} == {"ann", "bo", "cy", "di", "eve"}
        assert gradebook.find_student("eve").last_name == "Eden"


def test_a_list_from_a_spreadsheet_is_read(tmp_path):
    file = tmp_path / "list.csv"
    file.write_bytes("\ufeffid,last_name,team\nZoë\n".encode())
    with pytest.raises(CivicmlError, match=r"list.csv, line 2: 'zoë' cannot be a learner's id"):
        read_learners(file)
    file.write_bytes("\ufeffid,last_name,team,desk\n Ann ,Archer,north,12\nbo\n".encode())
    assert read_learners(file) == [Learner("ann", "", "Archer", team="north"), Learner("bo")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found nothing"),
        ("name\nAnn\n", "must begin with a line that names its columns: id,"),
        ("id\nann\nANN\n", "line 3: 'ann' is in the list twice"),
        ("id\nann+bo\n", r"line 2: 'ann\+bo' cannot be"),
    ],
)
def test_a_list_that_cannot_be_used_is_told_by_line(tmp_path, text, said):
    file = tmp_path / "list.csv"
    file.write_text(text)
    with pytest.raises(CivicmlError, match=said):
        read_learners(file)


def test_a_missing_or_unreadable_list_is_one_sentence(tmp_path):
    with pytest.raises(CivicmlError, match="no list of learners"):
        read_learners(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("id,last_name\nzoe,Müller\n".encode("latin-1"))
    with pytest.raises(CivicmlError, match="UTF-8"):
        read_learners(tmp_path / "latin.csv")


def test_the_start_is_this_weeks_monday_when_none_is_given(course, tmp_path):
    start = init(tmp_path / "cohort").start
    assert start.weekday() == 0
    assert 0 <= (date.today() - start).days < 8


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_is_one_sentence(course, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(CivicmlError, match="denied"):
        init(tmp_path / "cohort")
