# why: the gap was read and forgotten
# loses: q5_visible = 3
# loses: q5_hidden = 5


def forward_split(collision, first_test_day, gap_days):
    first = pd.Timestamp(first_test_day)
    return np.flatnonzero(collision["date"] < first), np.flatnonzero(collision["date"] >= first)
