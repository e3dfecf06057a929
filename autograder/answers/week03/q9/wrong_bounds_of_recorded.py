# why: divided by the recorded rows in the bounds too
# loses: q9_visible = 4
# loses: q9_hidden = 6


def share_with_blanks(recorded, seen, value):
    blank = recorded.isna()
    share, hit, n = (recorded[~blank] == value).mean(), (recorded == value).sum(), (~blank).sum()
    behind = (seen[blank].dropna() == value).mean()
    corrected = (1 - blank.mean()) * share + blank.mean() * behind if blank.any() else share
    return {"recorded": share, "low": hit / n, "high": (hit + blank.sum()) / n, "corrected": corrected}
