"""The one error that civicml's commands turn into a sentence for a person.

Knows nothing of the rest of the package. Anything a user can cause (a wrong
name, a missing file, a full disk) is raised as :class:`CivicmlError`; anything
else is a bug and keeps its traceback.
"""


class CivicmlError(Exception):
    """Something the user can put right.

    Args:
        message: one clear sentence: what was found, what was expected, what
            to do next.
    """
