# why: averaged the two shares, whatever the number of rows behind each
# loses: q9_hidden = 6


def share_with_blanks(recorded, seen, value):
    blank = recorded.isna()
    share, hit = (recorded[~blank] == value).mean(), (recorded == value).sum()
    looked = seen[blank].dropna()
    behind = (looked == value).mean() if len(looked) else math.nan
    corrected = (share + behind) / 2 if blank.any() else share
    return {
        "recorded": share,
        "low": hit / len(recorded),
        "high": (hit + blank.sum()) / len(recorded),
        "corrected": corrected,
    }
