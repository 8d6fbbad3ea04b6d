import pytest

from pyg_ibmea.anchors._normal import in_any_order, plain, without_brackets


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße", "STRASSE"),
        ("\uff34\uff4f\uff4b\uff59\uff4f", "Tokyo"),
        ("Abdullah_Gül", "abdullah gul"),
        ("Saint-Étienne", "saint etienne"),
        ("Rock 'n' Roll!", "rock n roll"),
        ("a\u00a0 b", "A B"),
    ],
)
def test_spelling_makes_no_difference(one, other):
    assert plain(one) == plain(other) != ""


@pytest.mark.parametrize(("one", "other"), [("がん", "かん"), ("Bonn", "Born")])
def test_letters_make_a_difference(one, other):
    assert plain(one) != plain(other)


def test_order_of_words():
    assert in_any_order("Gül, Abdullah") == in_any_order("abdullah gul")
    assert plain("Gül, Abdullah") != plain("abdullah gul")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("Zug_(city)", "zug"),
        ("Zug [canton] station", "station zug"),
        ("東京\uff08都市\uff09", "東京"),
        ("(city)", "city"),
        ("Zug", "zug"),
        ("---", ""),
    ],
)
def test_what_is_in_brackets_tells_entities_of_one_name_apart(label, expected):
    assert without_brackets(label) == expected
