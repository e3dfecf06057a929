# why: work one cell out, and begin again with the fuller table


def worked_out(table):
    for lines, turned in ((table, False), (table.T, True)):
        for name, line in lines.iterrows():
            if line.isna().sum() != 1:
                continue
            gap = line.index[line.isna()][0]
            parts = line.drop("Total").dropna().astype(int).sum()
            value = int(parts) if gap == "Total" else int(line["Total"]) - int(parts)
            cell = (gap, name) if turned else (name, gap)
            fuller = table.copy()
            fuller.loc[cell] = value
            return {cell: value, **worked_out(fuller)}
    return {}
