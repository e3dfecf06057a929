# why: the shares were in lesson 1, so here they are
# loses: q2_visible = 3
# loses: q2_hidden = 5


def missed_by_lead_time(appointments):
    return pd.Series([0.019, 0.052, 0.067, 0.086, 0.086, 0.089, 0.084], index=LEAD_TIMES)
