"""Who is sitting at this notebook: the learner's id.

Used by tracking (whose experiment) and by submitting (whose work). It must not
know about cohorts: whether the id is enrolled is the cohort's business.
"""

import getpass
import os
import re

from civicml.errors import CivicmlError

ENVIRONMENT_VARIABLE = "CIVICML_LEARNER"
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")


def valid_id(learner: str) -> str:
    """Return `learner` if it can serve as an id in file names, databases and addresses.

    An id is 1 to 63 of ``a-z 0-9 . _ -``, beginning with a letter or digit. A plus sign is
    left out on purpose: nbgrader's exchange uses it to part the id from the assignment.

    Raises:
        CivicmlError: it cannot.
    """
    if not _ID.fullmatch(learner):
        raise CivicmlError(
            f"'{learner}' cannot be a learner's id: use 1 to 63 small letters, digits, dots, dashes or "
            "underscores, beginning with a letter or digit."
        )
    return learner


def current_learner() -> str:
    """The id of the learner at this machine.

    ``$CIVICML_LEARNER`` first, then ``$JUPYTERHUB_USER`` (under JupyterHub every
    learner may be the same operating-system user), then the operating-system user.
    """
    name = os.environ.get(ENVIRONMENT_VARIABLE) or os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    return valid_id(name.lower())
