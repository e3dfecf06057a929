# why: the rules as named functions


def case_contract(forces):
    def is_number(values):
        return values.str.fullmatch("[0-9]+")

    def is_month(values):
        parts = values.str.extract("^([0-9]{4})-([0-9]{2})-01$")
        return parts[1].isin([f"{month:02d}" for month in range(1, 13)])

    def days_fit(batch):
        days, still = batch["days_charge_to_completion"], batch["status"].eq("Open")
        return days.eq("").where(still, days.str.fullmatch("[0-9]+"))

    def all_there(batch):
        return all((batch["police_force"] == force).any() for force in forces)

    columns = {
        "case_id": pa.Column(str, pa.Check(is_number), unique=True),
        "received_month": pa.Column(str, pa.Check(is_month)),
        "police_force": pa.Column(str, pa.Check.isin(forces)),
        "status": pa.Column(str, pa.Check.isin(["Open", "Completed"])),
        "days_charge_to_completion": pa.Column(str),
    }
    return pa.DataFrameSchema(columns, checks=[pa.Check(days_fit), pa.Check(all_there)], strict=True)
