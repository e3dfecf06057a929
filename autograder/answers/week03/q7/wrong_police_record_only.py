# why: one number seemed enough to know the pair
# loses: q7_visible = 3
# loses: q7_hidden = 5


def precision_recall(claimed, truth):
    said, true = set(claimed["police_case_id"]), set(truth["police_case_id"])
    right = len(said & true)
    return (right / len(said) if said else math.nan, right / len(true) if true else math.nan)
