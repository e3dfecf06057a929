# why: one notice at a time


def claims(newspaper, extract, places):
    town = places.set_index("postcode_sector")["town"]
    lives = extract["postcode_sector"].map(town)
    found = []
    for notice in newspaper.itertuples():
        there = extract[(lives == notice.town) & (extract["admission_date"] == notice.event_date)]
        ages = [
            day.year - born.year - ((day.month, day.day) < (born.month, born.day))
            for born, day in zip(there["birth_date"], there["admission_date"], strict=True)
        ]
        fitting = [row for row, age in zip(there["extract_row"], ages, strict=True) if age == notice.age]
        if len(fitting) == 1:
            found.append((notice.notice_id, fitting[0]))
    return pd.DataFrame(sorted(found), columns=["notice_id", "extract_row"])
