"""The learner kit: everything a learner receives, and nothing else.

What goes in is listed here, file by file; nothing is taken along because it happens to lie
in a folder. It must not know what is in a dataset or in a lab.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from string import Template

from civicml import __version__
from civicml.assignment import NOTEBOOK, read_notebook
from civicml.autograder.hidden import secret_lines, shows
from civicml.autograder.settings import disk_trouble
from civicml.cohort import Cohort
from civicml.course import COURSE_FILE, Week
from civicml.errors import CivicmlError
from civicml.review.brief import FOLDER as BRIEFS
from civicml.review.brief import domains, load_brief

KIT_FILE = "kit.toml"
LOCK_FILE = "requirements.lock"
PROJECT_FILE = "pyproject.toml"
ARCHIVE = ".zip"
FOLDER_IN_ZIP = "civicml-kit"
"""What unpacking the archive makes."""

_FOR_INSTRUCTORS = re.compile(r"##\s+for instructors\s*", re.IGNORECASE)
_FIXED_DATE = (1980, 1, 1, 0, 0, 0)  # the same kit gives the same archive, byte for byte
_MARKERS = ("BEGIN SOLUTION", "BEGIN HIDDEN TESTS", "BEGIN MARK SCHEME")

_HAND_IN = "Hand it in the way your instructor told you."
_HAND_IN_SHARED = """Tell civicml where your cohort is, once in each terminal, then hand it in:

       export CIVICML_COHORT={cohort}
       .venv/bin/civicml submit {week}"""

Step = Callable[[str], None]
"""Told in a few words what is being done now."""


@dataclass(frozen=True)
class Kit:
    """A kit that was made."""

    place: Path
    """An archive, or a directory."""
    weeks: tuple[Week, ...]
    files: int
    size: int
    """Bytes on disk."""


def build_kit(cohort: Cohort, place: Path, *, shared: bool = False, tell: Step = lambda step: None) -> Kit:
    """Make the kit for the weeks that `cohort` has released so far, whole or not at all.

    Args:
        cohort: whose kit.
        place: an archive (a name that ends in ``.zip``; one that is there is replaced), or a
            directory that does not exist yet.
        shared: learners can reach the cohort's directory from where they work; write its place
            into the kit.
        tell: told each step.

    Raises:
        CivicmlError: nothing has been released, something in the kit is for instructors' eyes
            only, the place is taken, or the disk refuses.
    """
    place = place.expanduser().resolve()
    weeks = tuple(week for week in cohort.course.written_weeks if cohort.notebook("release", week).is_file())
    if not weeks:
        raise CivicmlError(
            f"No week has been released to '{cohort.name}' yet, so there is nothing to put into a kit. Begin "
            f"with 'civicml release {cohort.course.written_weeks[0].name}'."
        )
    _refuse_what_is_there(place)
    with _desk(place.parent) as desk:
        kit = desk / FOLDER_IN_ZIP
        _fill(kit, cohort, weeks, shared, tell)
        content = sorted(path for path in kit.rglob("*") if path.is_file())
        tell("putting it in its place")
        if place.suffix == ARCHIVE:
            packed = desk / "kit.zip"
            _pack(kit, content, packed)
            packed.replace(place)
            return Kit(place, weeks, len(content), place.stat().st_size)
        size = sum(path.stat().st_size for path in content)
        kit.replace(place)
        return Kit(place, weeks, len(content), size)


def _refuse_what_is_there(place: Path) -> None:
    """An archive is made again at will; a directory may be somebody's, with work in it."""
    fine = place.is_file() if place.suffix == ARCHIVE else place.is_dir() and not any(place.iterdir())
    if place.exists() and not fine:
        raise CivicmlError(f"'{place}' is there already; a kit goes to a new directory, or to a .zip file.")


@contextmanager
def _desk(parent: Path) -> Iterator[Path]:
    """A directory to work in, on the same disk as the place, gone at the end."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".kit-", dir=parent) as desk:
            yield Path(desk)
    except OSError as error:
        raise disk_trouble(error) from error


def _fill(kit: Path, cohort: Cohort, weeks: tuple[Week, ...], shared: bool, tell: Step) -> None:
    from civicml.datasets import export_published

    root = cohort.course.root
    tell("the engine")
    kit.mkdir()
    wheel = build_wheel(root, kit)
    for week in weeks:
        tell(f"{week.name}: lessons and lab")
        _add_week(kit, cohort, week)
    (kit / COURSE_FILE).parent.mkdir()
    shutil.copyfile(root / COURSE_FILE, kit / COURSE_FILE)
    briefs = [load_brief(domain, root) for domain in domains(root)]
    if briefs:
        (kit / BRIEFS).mkdir()
        shutil.copyfile(root / BRIEFS / "README.md", kit / BRIEFS / "README.md")
    for brief in briefs:
        tell(f"capstone: {brief.title}")
        shutil.copytree(
            root / BRIEFS / brief.domain,
            kit / BRIEFS / brief.domain,
            ignore=shutil.ignore_patterns("__pycache__", ".*"),
        )
    of_weeks = [dataset for week in weeks for dataset in week.datasets]
    for dataset in dict.fromkeys([*of_weeks, *(brief.data.dataset for brief in briefs)]):
        tell(f"tables: {dataset}")
        export_published(dataset, kit / "data" / dataset)
    project = tomllib.loads((root / PROJECT_FILE).read_text(encoding="utf-8"))["project"]
    lock = learners_lock((root / LOCK_FILE).read_text(encoding="utf-8"), project["dependencies"])
    _write(kit / LOCK_FILE, f"{lock}./{wheel.name}\n")
    _write(kit / KIT_FILE, _facts(cohort, weeks, shared))
    _write(kit / "README.md", _readme(cohort, weeks, shared, wheel.name))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


# --- the engine -----------------------------------------------------------------------------------


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the engine's wheel from the repository in `root` into `folder`, without a network.

    Raises:
        CivicmlError: `root` is no source tree of the engine, or it cannot be built.
    """
    if not (root / PROJECT_FILE).is_file():
        raise CivicmlError(
            f"The engine is built from the course's repository, and '{root}' has no {PROJECT_FILE}."
        )
    # The build backend itself, in this environment: pip would fetch one from an index.
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-P", "-c", build, str(folder)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise CivicmlError(
            f"The engine's wheel cannot be built: {lines[-1].rstrip('.')}. Building needs the package "
            "hatchling, which requirements.lock installs."
        )
    return folder / done.stdout.split()[-1]


def learners_lock(lock: str, dependencies: list[str]) -> str:
    """The lines of `lock` that running the engine needs: without what tests and builds it.

    Args:
        lock: lines ``name==version``, made where this environment was.
        dependencies: the engine's own requirements, as its project file lists them.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    pins = {canonicalize_name(line.partition("==")[0]): line for line in lock.splitlines() if "==" in line}
    needed: set[tuple[str, str]] = set()
    waiting = [(text, "") for text in dependencies]
    while waiting:
        text, extra = waiting.pop()
        one = Requirement(text)
        if one.marker is not None and not one.marker.evaluate({"extra": extra}):
            continue
        for each in {(canonicalize_name(one.name), asked) for asked in ("", *one.extras)} - needed:
            needed.add(each)
            # What is for another operating system is not installed here; pip finds it there.
            with suppress(metadata.PackageNotFoundError):
                waiting += [(further, each[1]) for further in metadata.requires(each[0]) or []]
    names = {name for name, _ in needed}
    return "".join(f"{pin}\n" for name, pin in pins.items() if name in names)


# --- a week ---------------------------------------------------------------------------------------


def _add_week(kit: Path, cohort: Cohort, week: Week) -> None:
    source = cohort.course.folder(week)
    folder = kit / "modules" / week.folder
    folder.mkdir(parents=True)
    text = (source / "README.md").read_text(encoding="utf-8")
    _write(folder / "README.md", without_instructor_notes(text, source / "README.md"))
    for lesson in sorted(source.glob("lesson*.ipynb")):
        shutil.copyfile(lesson, folder / lesson.name)
    released = cohort.notebook("release", week)
    _refuse_secrets(released, source / f"{NOTEBOOK}.ipynb", week)
    shutil.copyfile(released, folder / f"{NOTEBOOK}.ipynb")


def without_instructor_notes(text: str, path: Path) -> str:
    """A week's README without its section ``## For instructors``.

    Raises:
        CivicmlError: notes for instructors are left under another heading.
    """
    kept: list[str] = []
    fenced = dropping = False
    for line in text.splitlines():
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        heading = not fenced and re.match(r"#{1,6}\s", line)
        if heading and re.match(r"#{1,2}\s", line):
            dropping = _FOR_INSTRUCTORS.fullmatch(line) is not None
        if not dropping:
            if heading and "instructor" in line.lower():
                raise CivicmlError(
                    f"{path} has notes under '{line.strip()}'. Only the section '## For instructors' is kept "
                    "out of a kit; move them there."
                )
            kept.append(line)
    return "\n".join(kept).rstrip() + "\n"


def _refuse_secrets(released: Path, instructors: Path, week: Week) -> None:
    """Releasing looked already; somebody may have changed the file since."""
    text = released.read_text(encoding="utf-8")
    if any(marker in text for marker in _MARKERS) or shows(text, secret_lines(read_notebook(instructors))):
        raise CivicmlError(
            f"'{released}' shows something that only instructors may see. No kit was made; release the week "
            f"again with 'civicml release {week.name}'."
        )


# --- what the kit says of itself ------------------------------------------------------------------


def _facts(cohort: Cohort, weeks: tuple[Week, ...], shared: bool) -> str:
    lines = [
        "# A learner's kit, made by 'civicml kit'. civicml knows it by this file: leave it here.",
        f"cohort = {json.dumps(cohort.name, ensure_ascii=False)}",
        f"start = {cohort.start}",
        f"weeks = {json.dumps([week.name for week in weeks])}",
        f'made_with = "civicml {__version__}"',
    ]
    if shared:
        lines.append(f"cohort_directory = {json.dumps(str(cohort.root), ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def _readme(cohort: Cohort, weeks: tuple[Week, ...], shared: bool, wheel: str) -> str:
    newest = weeks[-1]
    text = (files("civicml") / "kit_readme.md").read_text(encoding="utf-8")
    return Template(text).substitute(
        course=cohort.course.title,
        cohort=cohort.name,
        weeks="\n".join(f"- {week.name}: {week.title}. *{week.question}*" for week in weeks),
        newest=newest.name,
        folder=newest.folder,
        hand_in=_HAND_IN_SHARED.format(cohort=cohort.root, week=newest.name) if shared else _HAND_IN,
        runs="your cohort's store" if shared else "`tracking/`, in this folder",
        wheel=wheel,
    )


# --- the archive ----------------------------------------------------------------------------------


def _pack(kit: Path, content: list[Path], archive: Path) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in content:
            name = f"{FOLDER_IN_ZIP}/{path.relative_to(kit).as_posix()}"
            entry = zipfile.ZipInfo(name, date_time=_FIXED_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # as on Unix, wherever it was packed
            entry.external_attr = 0o100644 << 16
            with path.open("rb") as source, packed.open(entry, "w") as target:
                shutil.copyfileobj(source, target)
    _flush(archive)


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
