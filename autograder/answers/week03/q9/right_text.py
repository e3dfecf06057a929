# why: turns everything to text first


def share_with_blanks(recorded, seen, value):
    there, looked = recorded.notna(), seen.notna()
    yes, saw = recorded.astype("object") == value, seen.astype("object") == value
    p = there.mean()
    share = yes[there].mean()
    behind = saw[~there & looked].mean() if (~there & looked).any() else np.nan
    corrected = share if there.all() else p * share + (1 - p) * behind
    return {"recorded": share, "low": yes.mean(), "high": yes.mean() + 1 - p, "corrected": corrected}
