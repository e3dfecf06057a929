# why: two decimals are enough for a report
# loses: q7_visible = 3


def precision_recall(claimed, truth):
    ids = ["police_case_id", "court_case_id"]
    said, true = (set(table[ids].itertuples(index=False, name=None)) for table in (claimed, truth))
    right = len(said & true)
    return (
        round(right / len(said), 2) if said else math.nan,
        round(right / len(true), 2) if true else math.nan,
    )
