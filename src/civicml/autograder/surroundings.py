"""What a lab sees of the course: the learner's side as a kit, the tests' side with the sealed tables.

It knows where a course, its built tables and a cohort's sealed ones lie; it must not know how they are shown.
"""

import re
from dataclasses import replace
from pathlib import Path

from civicml.autograder.limits import Settings
from civicml.autograder.script import Script
from civicml.course import COURSE_FILE
from civicml.datasets.building import built, cache_directory
from civicml.datasets.catalogue import KIT_FILE, all_datasets

COURSE = "/srv/course"
TESTS_COURSE = "/srv/instructors"
COHORT = "/srv/cohort"
CACHE = "/srv/cache"
STORE = "/srv/tracking/mlflow.db"
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "HF_HUB_OFFLINE": "1", "CIVICML_LEARNER": "learner"}


def surround(
    settings: Settings, lab: Script, root: Path, *, cohort: Path | None = None, store: Path | None = None
) -> Settings:
    """Add what `lab` needs to `settings`: the tables it names, and an MLflow store of its own.

    Args:
        settings: from ``sandbox.toml``.
        lab: the instructor's notebook.
        root: the course's directory.
        cohort: where the sealed tables are, if the lab's tests read any.
        store: an empty, prepared MLflow store (``mlflow.db``), copied for each submission.
    """
    if not settings.sandbox:
        return _in_the_open(settings, root, cohort, store)
    text = "\n".join(cell.source for cell in lab.cells)
    named = [data for data in all_datasets(root) if re.search(rf"""["']{re.escape(data.name)}["']""", text)]
    # A file that marks a kit; what is in it is not read, so the course file stands in for it.
    learners = {f"{COURSE}/{COURSE_FILE}": root / COURSE_FILE, f"{COURSE}/{KIT_FILE}": root / COURSE_FILE}
    tests = {f"{TESTS_COURSE}/{COURSE_FILE}": root / COURSE_FILE}
    for data in named:
        folder = data.folder if data.in_kit else built(data)
        place = f"{COURSE}/data/{data.name}"
        learners |= {f"{place}/{path.name}": path for path in sorted(folder.glob("*.parquet"))}
        learners[f"{place}/schema.toml"] = data.folder / "schema.toml"
        if not data.in_kit:
            tests[f"{TESTS_COURSE}/{data.folder.relative_to(root)}"] = data.folder
            tests[f"{CACHE}/{data.name}/{folder.name}"] = folder
        if cohort is not None and (cohort / "sealed" / data.name).is_dir():
            tests[f"{COHORT}/sealed/{data.name}"] = cohort / "sealed" / data.name
    if store is not None:
        learners[STORE] = store
    whole = any(not data.in_kit for data in named)
    return replace(
        settings,
        show=(*settings.show, *((inside, str(path)) for inside, path in learners.items())),
        show_to_tests=(*settings.show_to_tests, *((inside, str(path)) for inside, path in tests.items())),
        environment=tuple({**dict(settings.environment), **_QUIET, "CIVICML_COURSE": COURSE}.items()),
        tests_environment=tuple(
            {
                **dict(settings.tests_environment),
                **_QUIET,
                "CIVICML_COURSE": TESTS_COURSE if whole else COURSE,
                "CIVICML_CACHE": CACHE,
                "CIVICML_COHORT": COHORT,
            }.items()
        ),
        store=STORE if store is not None else "",
    )


def _in_the_open(settings: Settings, root: Path, cohort: Path | None, store: Path | None) -> Settings:
    """Without walls nothing is shown elsewhere: both sides are told where things lie on this machine."""
    both = {**_QUIET, "CIVICML_COURSE": str(root), "CIVICML_CACHE": str(cache_directory())}
    sealed = {} if cohort is None else {"CIVICML_COHORT": str(cohort)}
    return replace(
        settings,
        environment=tuple({**dict(settings.environment), **both}.items()),
        tests_environment=tuple({**dict(settings.tests_environment), **both, **sealed}.items()),
        store=str(store) if store is not None else "",
    )
