# why: the file looks sorted, so it is cut at one place; late rows stand at its end
# loses: q5_visible = 3
# loses: q5_hidden = 5


def forward_split(collision, first_test_day, gap_days):
    date = collision["date"].to_numpy()
    first = np.datetime64(first_test_day)
    cut = np.argmax(date >= first)
    train = np.arange(cut)
    return train[date[train] < first - np.timedelta64(gap_days, "D")], np.arange(cut, len(date))
