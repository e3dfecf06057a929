# why: not begun
# loses: q7_visible = 4
# loses: q7_hidden = 8


def worked_out(table):
    raise NotImplementedError("q7: not written yet.")
