# why: all that follows in one round is filled in, then another round


def worked_out(table):
    filled, found = table.copy(), {}
    while True:
        new = {}
        for turned in (False, True):
            for name, line in (filled.T if turned else filled).iterrows():
                if line.isna().sum() == 1:
                    gap = line.index[line.isna()][0]
                    parts = line.drop("Total").sum()
                    value = int(parts if gap == "Total" else line["Total"] - parts)
                    new[(gap, name) if turned else (name, gap)] = value
        if not new:
            return found
        for cell, value in new.items():
            filled.loc[cell] = value
        found |= new
