# why: not begun
# loses: q1_visible = 2
# loses: q1_hidden = 4


def header_faults(columns, agreed):
    raise NotImplementedError("q1")
