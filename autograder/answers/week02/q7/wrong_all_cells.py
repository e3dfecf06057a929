# why: the cells that were there are in it too
# loses: q7_visible = 4
# loses: q7_hidden = 8


def worked_out(table):
    work = table.astype("Float64").to_numpy(dtype=float, na_value=float("nan"))
    sign = [1] * (work.shape[0] - 1) + [-1], [1] * (work.shape[1] - 1) + [-1]
    found = {}
    changed = True
    while changed:
        changed = False
        for axis in (0, 1):
            for number in range(work.shape[axis]):
                line = work[number] if axis == 0 else work[:, number]
                signs = sign[1 - axis]
                gaps = [at for at, value in enumerate(line) if value != value]
                if len(gaps) == 1:
                    at = gaps[0]
                    rest = sum(s * v for place, (s, v) in enumerate(zip(signs, line)) if place != at)
                    line[at] = -rest * signs[at]
                    r, c = (number, at) if axis == 0 else (at, number)
                    found[table.index[r], table.columns[c]] = int(round(line[at]))
                    changed = True
    there = {(r, c): int(table.loc[r, c]) for r in table.index for c in table.columns if pd.notna(table.loc[r, c])}
    return {**there, **found}
