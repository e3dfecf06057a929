# why: handed in with the body still empty
# loses: q3_visible = 4
# loses: q3_hidden = 6


def one_report_each(collision):
    pass
