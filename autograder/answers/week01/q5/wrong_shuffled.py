# why: train_test_split, as always; it shuffles, and tomorrow ends up in train
# loses: q5_visible = 3
# loses: q5_hidden = 5


def split_by_day(appointments, first_test_day):
    from sklearn.model_selection import train_test_split

    known = appointments[appointments["appt_status"].isin(["Attended", "DNA"])]
    train, test = train_test_split(known, test_size=0.25, random_state=0)
    return train, test
