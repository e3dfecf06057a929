# why: counts the days from each collision to the first test day


def forward_split(collision, first_test_day, gap_days):
    ahead = (pd.to_datetime(first_test_day) - collision["date"]).dt.days.to_numpy()
    return np.where(ahead > gap_days)[0], np.where(ahead <= 0)[0]
