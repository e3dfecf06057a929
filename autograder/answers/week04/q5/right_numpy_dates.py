# why: numpy's days, no pandas


def forward_split(collision, first_test_day, gap_days):
    days = collision["date"].to_numpy().astype("datetime64[D]")
    first = np.datetime64(first_test_day, "D")
    train = [place for place, day in enumerate(days) if day < first - np.timedelta64(gap_days, "D")]
    test = [place for place, day in enumerate(days) if day >= first]
    return np.array(train, dtype=int), np.array(test, dtype=int)
