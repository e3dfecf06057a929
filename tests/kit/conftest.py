"""A cohort of the real course with week 1 released, its kit as an archive, and the kit unpacked elsewhere."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from civicml.cohort import Cohort, Learner, init, open_cohort, release
from civicml.kit import Kit, build_kit

REPOSITORY = Path(__file__).parents[2]
LEARNERS = [
    Learner("ana", "Anahera", "Archerova", "anahera@example.org"),
    Learner("ben", "Benedikt", "Bakewell"),
]


@dataclass(frozen=True)
class Made:
    """What the session's tests share; none of them changes it."""

    cohort: Path
    cache: Path
    kit: Kit
    folder: Path
    """The kit as a learner unpacks it."""


@contextmanager
def instructors_side(cache: Path) -> Iterator[None]:
    """The environment of an instructor in the repository, and nothing of the machine's own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CIVICML_COHORT", "MLFLOW_TRACKING_URI", "JUPYTERHUB_USER"):
            patch.delenv(name, raising=False)
        patch.setenv("CIVICML_COURSE", str(REPOSITORY))
        patch.setenv("CIVICML_CACHE", str(cache))
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    here = tmp_path_factory.mktemp("instructor")
    with instructors_side(here / "cache"):
        cohort = init(here / "cohort", name="Spring in Leeds", learners=LEARNERS)
        release(cohort, cohort.course.week("week01"))
        kit = build_kit(cohort, here / "kit.zip")
    elsewhere = tmp_path_factory.mktemp("learner")
    with zipfile.ZipFile(kit.place) as archive:
        archive.extractall(elsewhere)
    [folder] = elsewhere.iterdir()
    return Made(here / "cohort", here / "cache", kit, folder)


@pytest.fixture
def cohort(made: Made) -> Iterator[Cohort]:
    """The cohort, on the instructor's side."""
    with instructors_side(made.cache):
        yield open_cohort(made.cohort)
