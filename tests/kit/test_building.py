"""Building a kit: whole or not at all, the same every time, and never over somebody's work."""

import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from civicml.cohort import Cohort, open_cohort
from civicml.errors import CivicmlError
from civicml.kit import build_kit, build_wheel, learners_lock, without_instructor_notes

REPOSITORY = Path(__file__).parents[2]


def left_over(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_same_kit_is_the_same_archive_byte_for_byte(made, cohort: Cohort, tmp_path: Path) -> None:
    build_kit(cohort, tmp_path / "again.zip")

    with zipfile.ZipFile(tmp_path / "again.zip") as again, zipfile.ZipFile(made.kit.place) as first:
        assert again.namelist() == first.namelist()
        assert {entry.date_time for entry in again.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        different = [name for name in again.namelist() if again.read(name) != first.read(name)]
    assert different == []
    assert (tmp_path / "again.zip").read_bytes() == made.kit.place.read_bytes()
    assert left_over(tmp_path) == ["again.zip"]


def test_a_directory_holds_what_the_archive_holds(made, cohort: Cohort, tmp_path: Path) -> None:
    kit = build_kit(cohort, tmp_path / "kit")

    def content(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    assert content(tmp_path / "kit") == content(made.folder)
    assert kit.files == made.kit.files
    assert left_over(tmp_path) == ["kit"]


def test_a_directory_with_something_in_it_is_left_alone(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit" / "my_lab.ipynb").write_text("a week's work", encoding="utf-8")
    (tmp_path / "notes").write_text("a file", encoding="utf-8")
    (tmp_path / "folder.zip").mkdir()

    for name in ("kit", "notes", "folder.zip"):
        with pytest.raises(CivicmlError, match="is there already; a kit goes to a new directory"):
            build_kit(cohort, tmp_path / name)

    assert left_over(tmp_path) == ["folder.zip", "kit", "notes"]
    assert (tmp_path / "kit" / "my_lab.ipynb").read_text(encoding="utf-8") == "a week's work"


def test_before_the_first_release_there_is_nothing_to_give(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "cohort"
    shutil.copytree(cohort.root, bare, ignore=shutil.ignore_patterns("release", "sealed"))

    with pytest.raises(CivicmlError, match=r"No week has been released.*civicml release week01"):
        build_kit(open_cohort(bare), tmp_path / "kit.zip")

    assert left_over(tmp_path) == ["cohort"]


def test_a_released_lab_that_shows_a_solution_stops_the_kit(cohort: Cohort, tmp_path: Path) -> None:
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.root, copy, ignore=shutil.ignore_patterns("sealed"))
    week = cohort.course.week("week01")
    shutil.copyfile(cohort.course.folder(week) / "lab.ipynb", copy / "release" / "week01" / "lab.ipynb")

    with pytest.raises(CivicmlError, match="shows something that only instructors may see"):
        build_kit(open_cohort(copy), tmp_path / "kit.zip")

    assert left_over(tmp_path) == ["cohort"]


def test_a_full_disk_is_one_sentence_and_the_kit_before_is_kept(cohort: Cohort, tmp_path: Path) -> None:
    (tmp_path / "kit.zip").write_bytes(b"the kit before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))  # the tables alone need more
    try:
        with pytest.raises(CivicmlError) as caught:
            build_kit(cohort, tmp_path / "kit.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert "File too large" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert left_over(tmp_path) == ["kit.zip"]
    assert (tmp_path / "kit.zip").read_bytes() == b"the kit before"


def test_a_shared_cohort_is_named_in_the_kit(cohort: Cohort, tmp_path: Path) -> None:
    build_kit(cohort, tmp_path / "kit", shared=True)

    assert f'cohort_directory = "{cohort.root}"' in (tmp_path / "kit" / "kit.toml").read_text(
        encoding="utf-8"
    )
    assert f"CIVICML_COHORT={cohort.root}" in (tmp_path / "kit" / "README.md").read_text(encoding="utf-8")


def test_the_command_puts_the_kit_into_the_cohort_and_says_where(cohort: Cohort, tmp_path: Path) -> None:
    copy = tmp_path / "cohort"
    shutil.copytree(cohort.root, copy, ignore=shutil.ignore_patterns("sealed"))

    done = subprocess.run(
        [sys.executable, "-m", "civicml", "kit", "--cohort", str(copy)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert zipfile.is_zipfile(copy / "kit.zip")
    assert "Spring in Leeds (week01)" in done.stdout
    assert "kit.zip" in done.stdout


def test_the_command_without_a_cohort_is_one_sentence(cohort: Cohort, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "civicml", "kit", "--cohort", str(tmp_path / "typo")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("civicml: There is no cohort at")
    assert done.stderr.count("\n") == 1


# --- the parts ----------------------------------------------------------------------------------


def test_a_source_tree_that_cannot_be_built_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CivicmlError, match=r"has no pyproject\.toml"):
        build_wheel(tmp_path, tmp_path)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'broken'\n", encoding="utf-8")
    with pytest.raises(CivicmlError, match="The engine's wheel cannot be built: "):
        build_wheel(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("# Week\n\ntext\n\n## For instructors\n\nnotes\n", "# Week\n\ntext\n"),
        (
            "# Week\n\n## For instructors\n\n### A\n\nnotes\n\n## Reading\n\nbooks\n",
            "# Week\n\n## Reading\n\nbooks\n",
        ),
        ("# Week\n\n## for Instructors  \n\nnotes\n", "# Week\n"),
        ("# Week\n\n## Quiz\n", "# Week\n\n## Quiz\n"),
        (
            "# Week\n\n```\n## For instructors\n```\n\nmore\n",
            "# Week\n\n```\n## For instructors\n```\n\nmore\n",
        ),
        ("# Week\n\n## For instructors\n\n```\n## Reading\n```\n\nnotes\n", "# Week\n"),
    ],
)
def test_notes_for_instructors_end_at_the_next_heading_of_their_level(text: str, kept: str) -> None:
    assert without_instructor_notes(text, Path("README.md")) == kept


def test_notes_under_another_heading_stop_the_kit() -> None:
    with pytest.raises(CivicmlError, match="has notes under '## Instructor notes'"):
        without_instructor_notes("# Week\n\n## Instructor notes\n\nanswers\n", Path("README.md"))


def test_a_lock_is_cut_to_what_the_engine_needs_and_what_that_needs() -> None:
    lock = "# a remark\nJinja2==3.1\nMarkupSafe==3.0\nmypy==1.0\nnumpy==2.0\npandas==3.0\n"

    assert learners_lock(lock, ["jinja2>=3"]) == "Jinja2==3.1\nMarkupSafe==3.0\n"
    assert learners_lock(lock, ["pandas>=3,<4", "no-such-package"]) == "numpy==2.0\npandas==3.0\n"
    assert learners_lock(lock, ["mypy; sys_platform == 'plan9'"]) == ""
