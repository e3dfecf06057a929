# why: a pair that is named twice is counted twice
# loses: q7_hidden = 5


def precision_recall(claimed, truth):
    ids = ["police_case_id", "court_case_id"]
    right = len(claimed.merge(truth[ids], on=ids))
    return (
        right / len(claimed) if len(claimed) else math.nan,
        right / len(truth) if len(truth) else math.nan,
    )
