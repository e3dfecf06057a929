"""What a lab sees of the course: the learner's side as a kit, the tests' side with the sealed tables.

It knows where a course, its built tables and a cohort's sealed ones lie; it must not know how they are shown.
"""

import re
from dataclasses import replace
from pathlib import Path

from civicml.autograder.limits import Settings
from civicml.autograder.sandbox import HOME
from civicml.autograder.script import Script
from civicml.course import COURSE_FILE
from civicml.datasets.building import built, cache_directory
from civicml.datasets.catalogue import KIT_FILE, all_datasets
from civicml.datasets.using import PUBLISHED, SOURCE_VARIABLE

COURSE = "/srv/course"
TESTS_COURSE = "/srv/instructors"
COHORT = "/srv/cohort"
CACHE = "/srv/cache"
STORE = "/srv/tracking/mlflow.db"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_OFFLINE": "1",
    "CIVICML_LEARNER": "learner",
    SOURCE_VARIABLE: PUBLISHED,  # marks are for the course's tables, whatever official files are in use
}


def surround(
    settings: Settings,
    lab: Script,
    root: Path | None,
    *,
    cohort: Path | None = None,
    store: Path | None = None,
) -> Settings:
    """Add what `lab` needs to `settings`: the tables it names, and an MLflow store of its own.

    Args:
        settings: from ``sandbox.toml``.
        lab: the instructor's notebook.
        root: the course's directory; None for a lab that belongs to none, and loads no tables.
        cohort: where the sealed tables are, if the lab's tests read any.
        store: an empty, prepared MLflow store (``mlflow.db``), copied for each submission.
    """
    text = "\n".join(cell.source for cell in lab.cells)
    found = all_datasets(root) if root is not None else []
    named = [data for data in found if re.search(rf"""["']{re.escape(data.name)}["']""", text)]
    # A file that marks a kit; what is in it is not read, so the course file stands in for it.
    folders = {data.name: data.folder if data.in_kit else built(data) for data in named}
    settings = replace(
        settings,
        tables=tuple(
            (data.name, str(folders[data.name]), str(data.folder))
            for data in named
            if data.schema.years is None
        ),
    )
    if not settings.sandbox:
        return _in_the_open(settings, root, cohort, store)
    learners: dict[str, Path] = {}
    tests: dict[str, Path] = {}
    if root is not None:
        learners = {f"{COURSE}/{name}": root / COURSE_FILE for name in (COURSE_FILE, KIT_FILE)}
        tests = {f"{TESTS_COURSE}/{COURSE_FILE}": root / COURSE_FILE}
    for data in named:
        folder = folders[data.name]
        place = f"{COURSE}/data/{data.name}"
        learners |= {f"{place}/{path.name}": path for path in sorted(folder.glob("*.parquet"))}
        learners[f"{place}/schema.toml"] = data.folder / "schema.toml"
        if not data.in_kit:
            tests[f"{TESTS_COURSE}/datasets/{data.domain}/{data.name}"] = data.folder
            tests[f"{CACHE}/{data.name}/{folder.name}"] = folder
        if cohort is not None and (cohort / "sealed" / data.name).is_dir():
            tests[f"{COHORT}/sealed/{data.name}"] = cohort / "sealed" / data.name
    # Where the lab logs no runs a learner may all the same; such a store is made on first use.
    own_store = {} if store is not None else {"MLFLOW_TRACKING_URI": f"sqlite:///{HOME}/tracking/mlflow.db"}
    if store is not None:
        learners[STORE] = store
    whole = any(not data.in_kit for data in named)
    return replace(
        settings,
        show=(*settings.show, *((inside, str(path)) for inside, path in learners.items())),
        show_to_tests=(*settings.show_to_tests, *((inside, str(path)) for inside, path in tests.items())),
        environment=tuple(
            {**dict(settings.environment), **_QUIET, **own_store, "CIVICML_COURSE": COURSE}.items()
        ),
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


def _in_the_open(settings: Settings, root: Path | None, cohort: Path | None, store: Path | None) -> Settings:
    """Without walls nothing is shown elsewhere: both sides are told where things lie on this machine."""
    both = {**_QUIET, "CIVICML_CACHE": str(cache_directory())}
    if root is not None:
        both["CIVICML_COURSE"] = str(root)
    sealed = {} if cohort is None else {"CIVICML_COHORT": str(cohort)}
    return replace(
        settings,
        environment=tuple({**dict(settings.environment), **both}.items()),
        tests_environment=tuple({**dict(settings.tests_environment), **both, **sealed}.items()),
        store=str(store) if store is not None else "",
    )
