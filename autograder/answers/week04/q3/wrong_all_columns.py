# why: two files never agree in everything: force and reference differ
# loses: q3_visible = 4
# loses: q3_hidden = 6


def one_report_each(collision):
    return collision.drop_duplicates()
