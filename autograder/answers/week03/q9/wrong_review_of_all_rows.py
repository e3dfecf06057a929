# why: took the share of all reviewed rows for the blank ones
# loses: q9_visible = 4
# loses: q9_hidden = 6


def share_with_blanks(recorded, seen, value):
    blank = recorded.isna()
    share, hit = (recorded[~blank] == value).mean(), (recorded == value).sum()
    behind = (seen.dropna() == value).mean()
    corrected = (1 - blank.mean()) * share + blank.mean() * behind if blank.any() else share
    return {
        "recorded": share,
        "low": hit / len(recorded),
        "high": (hit + blank.sum()) / len(recorded),
        "corrected": corrected,
    }
