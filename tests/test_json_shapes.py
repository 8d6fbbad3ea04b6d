import json

import pytest

from pyg_ibmea.json_shapes import (
    FLAG,
    NULL,
    NUMBER,
    TEXT,
    WHOLE,
    ListOf,
    MapOf,
    OneOf,
    Record,
    parse_json,
    read_json,
)

NAMES = OneOf("null or names", (NULL, ListOf(TEXT)))


@pytest.mark.parametrize(
    ("shape", "right", "wrong"),
    [
        (NUMBER, [0, -1.5, 1e308, float("nan")], [True, "1", None, 10**400, [1]]),
        (WHOLE, [0, 2**62], [-1, 1.0, True, 2**63, "1", None]),
        (TEXT, ["", "a"], [None, 1, ["a"]]),
        (FLAG, [True, False], [0, 1, None, "true"]),
        (ListOf(TEXT), [[], ["a"]], ["a", {}, [1], None]),
        (ListOf(TEXT, 1, 2), [["a"], ["a", "b"]], [[], ["a", "b", "c"]]),
        (MapOf(WHOLE), [{}, {"a": 1}], [[], None, {"a": "x"}]),
        (Record({"a": TEXT}), [{"a": "x", "b": 1}], [{}, {"a": 1}, [], "a"]),
        (Record({}, {"a": TEXT}), [{}, {"a": "x"}], [{"a": 1}, {"a": None}]),
        (
            Record({}, {"a": TEXT, "b": TEXT}, {"a": ("b",)}),
            [{}, {"b": "x"}, {"a": "x", "b": "x"}],
            [{"a": "x"}],
        ),
        (NAMES, [None, [], ["a"]], ["a", [1], 0]),
    ],
)
def test_what_fits_a_shape(shape, right, wrong):
    for value in right:
        assert shape.misfit(value) is None
    for value in wrong:
        assert shape.misfit(value) is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "f is not JSON: .*; go home"),
        (b'{"a": ', "f is not JSON: .*; go home"),
        (b'{"a": 1}\x00', "f is not JSON: .*; go home"),
        (b'{"a": "\xff"}', r"f is not UTF-8 \(byte 7\); go home"),
        (b"[" * 100_000, "f is not JSON: nested too deeply; go home"),
        (b'{"b":' + b"[" * 99 + b"]" * 99 + b"}", "expected fewer brackets"),
        (b'{"b": ["\\ud800"]}', r"expected whole characters, found '\\ud800'; go home"),
        (b"1" * 5000, "f is not JSON: .*; go home"),
        (b"[]", r"f: expected an object { }, found \[\]; go home"),
        (b'{"a": {"x": {"n": "2"}}}', r"a number under a\.x\.n, found '2'; go home"),
        (b'{"a": {"x": {}}}', r"a number under a\.x\.n, found nothing; go home"),
        (b'{"a": {"x\\n": {}}}', r"under a\.'x\\n'\.n, found nothing; go home"),
        (
            b'{"a": {"x": {"n": 1, "l": [1]}}}',
            r"a text under a\.x\.l\[0\], found 1; go",
        ),
        (b'{"a": "' + b"y" * 999 + b'"}', r"object { } under a, found 'y{1,60}\.\.\."),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(content, message):
    inner = Record({"n": NUMBER}, {"l": ListOf(TEXT)})
    with pytest.raises(ValueError, match=message) as told:
        parse_json(content, "f", Record({"a": MapOf(inner)}), "go home")
    assert str(told.value).count("\n") == 0
    assert len(str(told.value)) < 200


def test_a_file_that_fits_is_given_as_it_is(tmp_path):
    value = {"a": [1.5, None, "é"], "b": {"c": {}}}
    path = tmp_path / "f.json"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_text(json.dumps(value, ensure_ascii=False), encoding=encoding)
        assert read_json(path, Record({}), "") == value
    path.write_text('{"a": 1, "a": 2}')  # The last counts.
    assert read_json(path, Record({"a": WHOLE}), "") == {"a": 2}
