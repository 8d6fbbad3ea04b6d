import gzip
import json

import pytest
import torch
from torch_geometric.testing import withPackage

from pyg_ibmea.data import encode_names, read_features, read_names


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("n.json", json.dumps([[7, ["kim", "dae"]], ["http://x/a", "Seoul"]])),
        ("n.json", json.dumps({"7": "kim dae", "http://x/a": "Seoul"})),
        ("n.tsv", "7\tkim dae\nhttp://x/a\tSeoul\n"),
        ("n.txt", "7\tkim dae\r\nhttp://x/a\tSeoul"),
    ],
)
def test_formats(file, content, tmp_path):
    path = tmp_path / file
    path.write_text(content, newline="")
    assert read_names(path) == [(7, "kim dae"), ("http://x/a", "Seoul")]
    x, mask = read_features(path, torch.tensor([6, 7, 8]), ["u", "v", "http://x/a"])
    assert mask.tolist() == [False, True, True]
    assert x.shape == (3, 1024)
    expected = torch.from_numpy(encode_names(["kim dae", "Seoul"]))
    assert x[1:].equal(expected)


@pytest.mark.parametrize(
    "header",
    ["entity name", "id label", "uri LABEL", "Entity_ID Entity-Name", "IRI rdfs:label"],
)
@pytest.mark.parametrize("file", ["n.tsv", "n.txt", "n.csv", "n.tsv.gz", "n.csv.gz"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_headers_in_any_order(header, file, order, tmp_path):
    rows = [header.split(), ["7", "kim dae"], ["http://x/a", "Seoul"], ["b", ""]]
    sign = "," if ".csv" in file else "\t"
    lines = [sign.join([row[i] for i in order] + ["more"]) + "\r\n" for row in rows]
    text = "".join(lines).encode("utf-8-sig")
    path = tmp_path / file
    path.write_bytes(gzip.compress(text) if file.endswith(".gz") else text)
    assert read_names(path) == [(7, "kim dae"), ("http://x/a", "Seoul"), ("b", "")]


@pytest.mark.parametrize("file", ["n.tsv", "n.csv", "n.tsv.gz"])
def test_a_first_row_that_is_no_header(file, tmp_path):
    sign = b"," if file == "n.csv" else b"\t"
    text = sign.join([b"name", b"Name"]) + b"\n" + sign.join([b"id", b"Freud"]) + b"\n"
    path = tmp_path / file
    path.write_bytes(gzip.compress(text) if file.endswith(".gz") else text)
    assert read_names(path) == [("name", "Name"), ("id", "Freud")]


@withPackage("pyarrow")
def test_parquet(tmp_path):
    from pyarrow import parquet, table

    path = tmp_path / "n.parquet"
    columns = {"label": ["kim dae", None], "id": [7, 8], "lang": ["en", "en"]}
    parquet.write_table(table(columns), path)
    assert read_names(path) == [(7, "kim dae"), (8, "")]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("n.tsv", "{}\tSeoul"),
        ("n.txt", "{}\tSeoul"),
        ("n.csv", "{},Seoul"),
        ("n.json", '{{"{}": "Seoul"}}'),
    ],
)
@pytest.mark.parametrize("key", ["007", "00", "1e3", "+7", "7.0", "0x7", "\u0667"])
def test_only_what_is_written_as_a_number_is_one(file, line, key, tmp_path):
    path = tmp_path / file
    path.write_text(line.format(key) + "\n", encoding="utf-8")
    assert read_names(path) == [(key, "Seoul")]
    path.write_text(line.format("7") + "\n", encoding="utf-8")
    assert read_names(path) == [(7, "Seoul")]
    path.write_text(line.format("0") + "\n", encoding="utf-8")
    assert read_names(path) == [(0, "Seoul")]


def test_an_entity_with_an_empty_name_has_none(tmp_path):
    path = tmp_path / "n.json"
    path.write_text('[[0, ""], [1, "Seoul"]]')
    _, mask = read_features(path, torch.tensor([0, 1]), ["u", "v"])
    assert mask.tolist() == [False, True]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("n.json", "{", "is not JSON"),
        ("n.json", "3", "must hold an object or a list of pairs"),
        ("n.json", '[[1, "a"], [2]]', r"entry 1: expected an entity id .* got '\[2\]'"),
        ("n.json", '[[true, "a"]]', "entry 0: expected an entity id"),
        ("n.json", "[[1, 2]]", "a text or a list of words"),
        (
            "n.json",
            r'[[1, "a"], [2, "\udce9"]]',
            "entry 1: .* is not UTF-8 .*rename it",
        ),
        ("n.json", r'{"\ud83d": "a"}', r"entry 0: '\\ud83d' is not UTF-8"),
        ("n.json", r'{"u": ["a", "\ude00"]}', r"entry 0: 'a \\ude00' is not UTF-8"),
        ("n.tsv", "1\ta\nb\n", "line 2: expected an entity id or URI, a tab"),
        ("n.json", "[]", "holds no vector"),
        ("n.tsv", "id\tlabel\na\n", r"line 2: expected 2 fields as in the first row"),
        ("n.tsv", "label\tid\nSeoul\t\n", "line 2: the entity is empty"),
    ],
)
def test_malformed(file, content, message, tmp_path):
    path = tmp_path / file
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_features(path, torch.tensor([1]), ["u"])
