from hypothesis import example, given
from hypothesis import strategies as st

from pyg_ibmea.tab_fields import field_of, name_of_field


@given(st.text("\\tnr\t\n\r =é") | st.text())
@example("\\\t")
@example("\\t")
def test_any_name_is_read_back(name):
    field = field_of(name)
    assert not set("\t\n\r") & set(field)
    assert name_of_field(field) == name


@given(st.text().filter(lambda name: not set("\\\t\n\r") & set(name)))
def test_other_names_stay_as_they_are(name):
    assert field_of(name) == name_of_field(name) == name
