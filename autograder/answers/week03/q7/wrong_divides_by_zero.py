# why: forgot the table without rows
# loses: q7_hidden = 5


def precision_recall(claimed, truth):
    ids = ["police_case_id", "court_case_id"]
    said, true = (set(table[ids].itertuples(index=False, name=None)) for table in (claimed, truth))
    right = len(said & true)
    return (right / len(said), right / len(true))
