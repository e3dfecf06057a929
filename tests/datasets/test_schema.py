"""A contract refuses bad frames in a sentence that names table, column, value and row."""

import re

import pandas as pd
import pytest

from civicml.datasets import find_dataset
from civicml.datasets.schema import check, check_references, read_schema
from civicml.errors import CivicmlError


@pytest.fixture
def patients(gp):
    return gp.patients.head(50).copy()


@pytest.fixture(scope="module")
def schema(this_course):
    return find_dataset("gp_appointments").schema


def refusal(frame, schema, table="patients"):
    with pytest.raises(CivicmlError) as caught:
        check(frame, schema.tables[table], table)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_good_frames_pass(gp, schema):
    for name in schema.tables:
        check(gp[name].head(1000), schema.tables[name], name)


def test_a_missing_column_is_named_with_what_is_in_its_place(patients, schema):
    said = refusal(patients.rename(columns={"sex": "gender"}), schema)
    assert "'patients' has no column 'sex'" in said
    assert "gender" in said


def test_a_column_too_many_is_named(patients, schema):
    assert "'surname'" in refusal(patients.assign(surname="Khan"), schema)


def test_columns_in_another_order_are_refused(patients, schema):
    assert "the order is patient_id, practice_id" in refusal(patients[patients.columns[::-1]], schema)


def test_a_number_out_of_range_is_named_with_its_row(patients, schema):
    patients.loc[17, "imd_decile"] = 11
    said = refusal(patients, schema)
    assert "column 'imd_decile', row 17" in said
    assert "11" in said
    assert "at most 10" in said


def test_a_value_that_is_not_in_the_code_list_is_named(gp, schema):
    appointments = gp.appointments.head(50).copy()
    appointments.loc[3, "appt_status"] = "Did not come"
    said = refusal(appointments, schema, "appointments")
    assert "column 'appt_status', row 3: 'Did not come'" in said
    assert "Attended, DNA, Cancelled, Unknown" in said


def test_a_blank_where_none_may_be_is_named(gp, schema):
    appointments = gp.appointments.head(50).copy()
    appointments.loc[5, "appointment_date"] = pd.NaT
    assert "column 'appointment_date', row 5: blank" in refusal(appointments, schema, "appointments")


def test_a_time_of_another_form_is_named(gp, schema):
    appointments = gp.appointments.head(50).copy()
    appointments["start_time"] = pd.Categorical(["8.30 am"] + ["09:00"] * 49)
    said = refusal(appointments, schema, "appointments")
    assert "'start_time', row 0: '8.30 am'" in said


def test_a_wrong_type_is_named(patients, schema):
    said = refusal(patients.astype({"patient_id": "str"}), schema)
    assert "column 'patient_id'" in said
    assert "expected integer" in said


def test_a_key_that_is_there_twice_is_named(patients, schema):
    patients.loc[9, "patient_id"] = patients.loc[4, "patient_id"]
    said = refusal(patients, schema)
    assert re.search("row 9: the key patient_id is there twice", said), said


def test_a_row_that_refers_to_nobody_is_named(gp, schema):
    frames = {"appointments": gp.appointments.head(50).copy(), "patients": gp.patients}
    frames["appointments"].loc[7, "patient_id"] = 999
    with pytest.raises(CivicmlError, match=r"'appointments', column 'patient_id', row 7: 999"):
        check_references(frames, schema)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "not valid TOML"),
        ('name = "tiny"', "title"),
        ('name = "Tiny"\ntitle = "t"\nsource = "s"\nmain_table = "a"\n[tables]', "name"),
        (
            'name="t"\ntitle="t"\nsource="s"\nmain_table="b"\n[tables.a]\ndescription="d"\n'
            '[tables.a.columns.x]\ntype="integer"\ndescription="d"\nmissing=false\n',
            "main_table 'b' is not one of the published tables",
        ),
        (
            'name="t"\ntitle="t"\nsource="s"\nmain_table="a"\n[tables.a]\ndescription="d"\nkey=["y"]\n'
            '[tables.a.columns.x]\ntype="integer"\ndescription="d"\nmissing=false\n',
            "the key names ['y']",
        ),
        (
            'name="t"\ntitle="t"\nsource="s"\nmain_table="a"\n[tables.a]\ndescription="d"\n'
            '[tables.a.columns.x]\ntype="integer"\ndescription="d"\nmissing=false\nreferences="b.x"\n',
            "refers to 'b.x'",
        ),
    ],
)
def test_a_half_written_schema_is_refused_in_one_sentence(tmp_path, text, says):
    (tmp_path / "schema.toml").write_text(text)
    with pytest.raises(CivicmlError) as caught:
        read_schema(tmp_path)
    assert says in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_a_schema_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(CivicmlError, match=r"There is no schema.toml"):
        read_schema(tmp_path)
