# why: not begun
# loses: q7_visible = 3
# loses: q7_hidden = 5


def precision_recall(claimed, truth):
    raise NotImplementedError("q7")
