"""nbgrader's settings for a cohort.

`civicml cohort init` copies this file into the cohort, where civicml, Formgrader and plain
`nbgrader …` commands all read it. Change a cohort's copy for that cohort, this one for the next.
"""

import tomllib
from pathlib import Path

from civicml.autograder.settings import grading_settings

cohort = Path(__file__).resolve().parent
facts = tomllib.loads((cohort / "cohort.toml").read_text(encoding="utf-8"))

c = get_config()  # noqa: F821 - traitlets puts it here
c.merge(grading_settings())

c.CourseDirectory.root = str(cohort)
c.CourseDirectory.course_id = facts["id"]
c.Exchange.root = str(cohort / "exchange")
c.Canonicalise.released = str(cohort / "release")
c.CoursePenalty.course = str(cohort / facts["course"])
c.CoursePenalty.extensions = str(cohort / "extensions.csv")

# What hidden tests find when a kernel runs them; `civicml grade --executor nbgrader` says it itself.
c.GuardedExecute.environment = {
    "CIVICML_COHORT": str(cohort),
    "CIVICML_COURSE": str((cohort / facts["course"]).resolve()),
}

# Plain `nbgrader autograde` and Formgrader's Autograde button run labs in the sandboxed engine, as
# `civicml grade` does. Comment the next line out and they run them in a kernel: slower, and as you.
c.Autograde.autograde_preprocessors[0] = "civicml.cohort.executor.EngineExecute"
c.EngineExecute.course = str((cohort / facts["course"]).resolve())
c.EngineExecute.cohort = str(cohort)

# Seconds that one cell, and one whole notebook, may take before it counts as failed.
c.GuardedExecute.timeout = 60
c.GuardedExecute.notebook_timeout = 600

# A larger cohort names PostgreSQL in c.CourseDirectory.db_url; the default is the file gradebook.db.
