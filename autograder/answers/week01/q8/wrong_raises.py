# why: asserts, as a test does, in place of returning sentences
# loses: q8_visible = 3
# loses: q8_broken = 4
# loses: q8_right = 3


def broken_promises(raw, tidy):
    assert list(raw.columns) == list(tidy.columns), "The columns changed."
    assert tidy["appt_status"].isin(["Attended", "DNA", "Cancelled", "Unknown"]).all(), (
        "A status is none of the four."
    )
    assert not tidy.duplicated().any(), "A row is there twice."
    status = raw["appt_status"].fillna("Unknown").str.strip().str.capitalize().replace("Dna", "DNA")
    expected = raw.assign(appt_status=status).drop_duplicates().astype(str)
    assert len(expected) == len(tidy), "Rows are gone."
    return []
