# why: returned the rows themselves
# loses: q5_visible = 3
# loses: q5_hidden = 5


def forward_split(collision, first_test_day, gap_days):
    first = pd.Timestamp(first_test_day)
    train = collision["date"] < first - pd.Timedelta(days=gap_days)
    return collision[train], collision[collision["date"] >= first]
