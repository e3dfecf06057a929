# why: counts by hand, with None standing for a blank


def what_it_tells(learn, check, column):
    def key(value):
        return None if pd.isna(value) else value

    counts = {}
    for value, bad in zip(learn[column], learn["severe"], strict=True):
        there, severe_there = counts.get(key(value), (0, 0))
        counts[key(value)] = (there + 1, severe_there + bad)
    overall = learn["severe"].mean()
    scores = []
    for value in check[column]:
        there, severe_there = counts.get(key(value), (1, overall))
        scores.append(severe_there / there)
    return float(roc_auc_score(check["severe"], scores))
