# why: classes and people as text


def k_and_l(rows, person, quasi, sensitive):
    table = pd.DataFrame(
        {
            "who": rows[person].astype("object").fillna("?").astype(str).agg("|".join, axis=1).to_numpy(),
            "group": rows[quasi].astype("object").fillna("?").astype(str).agg("|".join, axis=1).to_numpy(),
            "what": rows[sensitive].astype("object").to_numpy(),
        }
    )
    people = table.groupby("group")["who"].nunique()
    return int(people.min()), int(table.groupby("group")["what"].nunique().min())
