# why: not begun
# loses: q8_visible = 4
# loses: q8_hidden = 6


def agreement_weights(agree, same):
    raise NotImplementedError("q8")
