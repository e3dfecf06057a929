# why: not begun: the line that was there
# loses: q8_visible = 4
# loses: q8_hidden = 6


def log_schemes(model_name, scores):
    raise NotImplementedError("later")
