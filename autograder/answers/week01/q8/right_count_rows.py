# why: a Counter of rows as tuples on each side; every difference is a sentence


def broken_promises(raw, tidy):
    from collections import Counter

    if list(raw.columns) != list(tidy.columns):
        return ["The columns are not the same."]
    place = list(raw.columns).index("appt_status")
    spellings = {"attended": "Attended", "dna": "DNA", "cancelled": "Cancelled"}

    def rows(table, change):
        for row in table.to_numpy(dtype=object, na_value=None).tolist():
            if change:
                row[place] = spellings.get(str(row[place]).strip().lower(), "Unknown")
            yield tuple(str(value) for value in row)

    came, left = set(rows(raw, True)), Counter(rows(tidy, False))
    problems = [f"Gone: {row}" for row in came - set(left)] + [
        f"Never came: {row}" for row in set(left) - came
    ]
    return problems + [f"There {n} times: {row}" for row, n in left.items() if n > 1]
