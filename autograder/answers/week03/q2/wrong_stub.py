# why: not begun
# loses: q2_visible = 4
# loses: q2_hidden = 8


def case_contract(forces):
    raise NotImplementedError("q2")
