# why: not begun
# loses: q1_visible = 3
# loses: q1_hidden = 5


def clean(appointments):
    """Tidy the statuses, then drop rows that are there twice."""
    raise NotImplementedError("q1: clean(appointments) is not written yet.")
