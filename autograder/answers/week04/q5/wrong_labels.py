# why: the index is not the position
# loses: q5_hidden = 5


def forward_split(collision, first_test_day, gap_days):
    first = pd.Timestamp(first_test_day)
    train = collision.index[collision["date"] < first - pd.Timedelta(days=gap_days)]
    return train.to_numpy(), collision.index[collision["date"] >= first].to_numpy()
