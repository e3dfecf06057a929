# why: not begun
# loses: q1_visible = 3
# loses: q1_hidden = 5


def is_nhs_number(text):
    raise NotImplementedError("q1: not written yet.")
