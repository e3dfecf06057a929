# why: counts first, shares last


def share_with_blanks(recorded, seen, value):
    rows, blanks = len(recorded), int(recorded.isna().sum())
    hits = int((recorded == value).sum())
    answer = {"recorded": hits / (rows - blanks), "low": hits / rows, "high": (hits + blanks) / rows}
    behind = seen[recorded.isna() & seen.notna()]
    if blanks == 0:
        answer["corrected"] = answer["recorded"]
    elif len(behind) == 0:
        answer["corrected"] = float("nan")
    else:
        answer["corrected"] = (hits + blanks * (behind == value).sum() / len(behind)) / rows
    return answer
