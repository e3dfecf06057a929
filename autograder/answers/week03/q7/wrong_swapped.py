# why: mixed up which is which
# loses: q7_visible = 3
# loses: q7_hidden = 5


def precision_recall(claimed, truth):
    ids = ["police_case_id", "court_case_id"]
    said, true = (set(table[ids].itertuples(index=False, name=None)) for table in (claimed, truth))
    right = len(said & true)
    return (right / len(true) if true else math.nan, right / len(said) if said else math.nan)
