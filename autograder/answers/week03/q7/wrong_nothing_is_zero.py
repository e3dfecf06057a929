# why: nothing claimed, so nothing right: zero
# loses: q7_hidden = 5


def precision_recall(claimed, truth):
    ids = ["police_case_id", "court_case_id"]
    said, true = (set(table[ids].itertuples(index=False, name=None)) for table in (claimed, truth))
    right = len(said & true)
    return right / max(len(said), 1), right / max(len(true), 1)
