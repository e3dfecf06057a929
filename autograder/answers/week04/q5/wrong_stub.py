# why: handed in with the body still empty
# loses: q5_visible = 3
# loses: q5_hidden = 5


def forward_split(collision, first_test_day, gap_days):
    pass
