# why: multiplied by a hundred, as the lesson prints it
# loses: q9_visible = 4
# loses: q9_hidden = 6


def share_with_blanks(recorded, seen, value):
    blank = recorded.isna()
    share, hit = (recorded[~blank] == value).mean(), (recorded == value).sum()
    looked = seen[blank].dropna()
    behind = (looked == value).mean() if len(looked) else math.nan
    corrected = (1 - blank.mean()) * share + blank.mean() * behind if blank.any() else share
    answer = {"recorded": share, "low": hit / len(recorded), "high": (hit + blank.sum()) / len(recorded)}
    return {name: 100 * number for name, number in (answer | {"corrected": corrected}).items()}
