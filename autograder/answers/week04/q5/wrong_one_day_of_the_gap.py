# why: <= where < belongs: the first day of the gap is learnt from
# loses: q5_hidden = 5


def forward_split(collision, first_test_day, gap_days):
    first = pd.Timestamp(first_test_day)
    train = collision["date"] <= first - pd.Timedelta(days=gap_days)
    return np.flatnonzero(train & (collision["date"] < first)), np.flatnonzero(collision["date"] >= first)
