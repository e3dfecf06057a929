# why: a cell worked out is a new clue, and nobody looked again
# loses: q7_visible = 4
# loses: q7_hidden = 8


def worked_out(table):
    filled, found = table.copy(), {}
    for _ in range(1):
        new = {}
        for turned in (False, True):
            for name, line in (filled.T if turned else filled).iterrows():
                if line.isna().sum() == 1:
                    gap = line.index[line.isna()][0]
                    parts = line.drop("Total").sum()
                    value = int(parts if gap == "Total" else line["Total"] - parts)
                    new[(gap, name) if turned else (name, gap)] = value
        for cell, value in new.items():
            filled.loc[cell] = value
        found |= new
    return found
