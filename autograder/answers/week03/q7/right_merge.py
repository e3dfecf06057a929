# why: drop the copies, merge, count


def precision_recall(claimed, truth):
    ids = ["police_case_id", "court_case_id"]
    claimed, truth = claimed[ids].drop_duplicates(), truth[ids].drop_duplicates()
    right = len(claimed.merge(truth, on=ids))
    return (
        right / len(claimed) if len(claimed) else float("nan"),
        right / len(truth) if len(truth) else float("nan"),
    )
