# why: pandera's own unique in place of a check


def case_contract(forces):
    return pa.DataFrameSchema(
        {
            "case_id": pa.Column(str, pa.Check.str_matches(r"^[0-9]+$"), unique=True),
            "received_month": pa.Column(str, pa.Check.str_matches(r"^[0-9]{4}-(0[1-9]|1[0-2])-01$")),
            "police_force": pa.Column(str, pa.Check.isin(list(forces))),
            "status": pa.Column(str, pa.Check.isin(["Open", "Completed"])),
            "days_charge_to_completion": pa.Column(str, pa.Check.str_matches(r"^[0-9]*$")),
        },
        strict=True,
        checks=[
            pa.Check(lambda b: (b["days_charge_to_completion"] == "") == (b["status"] == "Open")),
            pa.Check(lambda b: set(forces) <= set(b["police_force"])),
        ],
    )
