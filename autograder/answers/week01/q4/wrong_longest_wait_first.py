# why: the rule of lesson 2, which knows nothing of earlier misses
# loses: q4_visible = 4
# loses: q4_hidden = 8


def memory_first(page, appointments, list_day, calls):
    order = page.assign(wait=page["appointment_date"] - page["booking_date"])
    order = order.sort_values(["wait", "appointment_id"], ascending=[False, True])
    return order["appointment_id"].head(calls).tolist()
