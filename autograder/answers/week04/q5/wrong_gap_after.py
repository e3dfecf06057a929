# why: the gap was taken from the test rows
# loses: q5_visible = 3
# loses: q5_hidden = 5


def forward_split(collision, first_test_day, gap_days):
    first = pd.Timestamp(first_test_day)
    test = collision["date"] >= first + pd.Timedelta(days=gap_days)
    return np.flatnonzero(collision["date"] < first), np.flatnonzero(test)
