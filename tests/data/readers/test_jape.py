from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pyg_ibmea.data import read_jape
from pyg_ibmea.data.readers.jape import jape_files, missing_jape_files

Write = Callable[..., Path]
FILES = {
    "ent_ids_1": "0\thttp://zh/A\n1\thttp://zh/B\n4\thttp://zh/C\n",
    "ent_ids_2": "2\thttp://en/A\n3\thttp://en/B\n7\thttp://en/C\n",
    "rel_ids_1": "0\thttp://zh/in\n1\thttp://zh/near\n",
    "rel_ids_2": "2\thttp://en/in\n",
    "triples_1": "0\t0\t1\n4\t1\t0\n",
    "triples_2": "7\t2\t2\n",
    "ill_ent_ids": "0\t2\n1\t3\n4\t7\n",
    "training_attrs_1": "http://zh/A\thttp://born\thttp://name\n",
    "training_attrs_2": "http://en/B\thttp://name\n",
}


@pytest.fixture
def jape_folder(tmp_path: Path) -> Callable[..., Path]:
    """Writes a folder of two small graphs; keywords replace files, None omits one."""

    def write(**changes: str | bytes | None) -> Path:
        folder = tmp_path / "jape"
        folder.mkdir(exist_ok=True)
        for name, text in {**FILES, **changes}.items():
            if text is not None:
                content = text if isinstance(text, bytes) else text.encode()
                (folder / name).write_bytes(content)
        return folder

    return write


def test_reads_both_sides(jape_folder: Write) -> None:
    pair = read_jape(jape_folder(), names=("zh", "en"))
    source, target = pair.source, pair.target
    assert (source.name, target.name) == ("zh", "en")
    assert source.entities == ["http://zh/A", "http://zh/B", "http://zh/C"]
    assert source.entity_ids is not None
    assert source.entity_ids.tolist() == [0, 1, 4]
    assert source.triples.tolist() == [[0, 0, 1], [2, 1, 0]]
    assert target.triples.tolist() == [[2, 0, 0]]
    assert source.relations == ["http://zh/in", "http://zh/near"]
    assert source.attribute_names == ["http://born", "http://name"]
    assert source.attributes is not None
    assert source.attributes.tolist() == [[0, 0], [0, 1]]
    assert pair.links.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert pair.seed_mask is None


def test_published_training_links(jape_folder: Write) -> None:
    # The first is in the link file already, the second is not.
    pair = read_jape(jape_folder(ill_ent_ids="4 7\n0 2", sup_ent_ids="0 2\n1 3"))
    assert pair.links.t().tolist() == [[2, 2], [0, 0], [1, 1]]
    assert pair.seed_mask is not None
    assert pair.seed_mask.tolist() == [False, True, True]


def test_ref_ent_ids_serves_as_link_file(jape_folder: Write) -> None:
    folder = jape_folder(ill_ent_ids=None, ref_ent_ids="1\t3")
    assert read_jape(folder).links.tolist() == [[1], [1]]
    assert folder / "ref_ent_ids" in jape_files(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: raw.removesuffix(b"\n"),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw + b"\n\n",
        lambda raw: raw.replace(b"\n", b"\r\n").removesuffix(b"\n"),
    ],
    ids=["CRLF", "no final newline", "BOM", "blank lines at the end", "lone CR"],
)
def test_variants_of_text_files(
    jape_folder: Write, change: Callable[[bytes], bytes]
) -> None:
    folder = jape_folder()
    expected = read_jape(folder)
    for path in folder.iterdir():
        path.write_bytes(change(path.read_bytes()))
    pair = read_jape(folder)
    assert pair.source.entities == expected.source.entities
    assert pair.target.attribute_names == expected.target.attribute_names
    assert pair.source.triples.equal(expected.source.triples)
    assert pair.links.equal(expected.links)


def test_uri_is_all_after_the_first_tab(jape_folder: Write) -> None:
    odd = ["a\tb", "line\u2028separator\x85 and\x0b space ", "\U0001f600,\"'<>"]
    table = "".join(f"{i}\t{uri}\n" for i, uri in zip((0, 1, 4), odd, strict=True))
    folder = jape_folder(ent_ids_1=table, training_attrs_1=f"{odd[1]}\tborn")
    source = read_jape(folder).source
    assert source.entities == odd
    assert source.attributes is not None
    assert source.attributes.tolist() == [[1], [0]]


def test_side_without_attributes_or_triples(jape_folder: Write) -> None:
    pair = read_jape(jape_folder(training_attrs_2=None, triples_2=""))
    assert pair.target.attributes is None
    assert pair.target.num_triples == 0


def test_lists_every_missing_file(jape_folder: Write) -> None:
    folder = jape_folder(ent_ids_2=None, triples_1=None, ill_ent_ids=None)
    missing = ["ent_ids_2", "triples_1", "ill_ent_ids or ref_ent_ids"]
    assert missing_jape_files(folder) == missing
    with pytest.raises(FileNotFoundError, match=re.escape(", ".join(missing))):
        read_jape(folder)


def test_values_join_the_attributes(jape_folder: Write) -> None:
    rows = (
        "http://zh/A\thttp://born\t1887-03-31\tdate",
        "http://zh/C\thttp://height\t300",
        "http://zh/A\thttp://born\t1887-03-31\tgYear",
        "http://zh/A\thttp://born\t1888\t",
    )
    changes = {"values_1.tsv": "\n".join(rows)}
    pair = read_jape(jape_folder(**changes))
    source = pair.source
    assert source.attribute_names == ["http://born", "http://name", "http://height"]
    assert source.attributes is not None
    assert source.attributes.tolist() == [[0, 0, 2, 0], [1, 0, 2, 0]]
    assert source.values == ["", "1887-03-31", "300", "1888"]
    assert pair.target.values is None
    assert pair.target.attributes is not None


def test_values_alone_give_the_attributes(jape_folder: Write) -> None:
    changes = {"training_attrs_2": None, "values_2.tsv": "http://en/C\theight\t3\n"}
    target = read_jape(jape_folder(**changes)).target
    assert target.attributes is not None
    assert target.attributes.tolist() == [[2], [0]]
    assert (target.attribute_names, target.values) == (["height"], ["3"])


def test_files_of_values_are_listed(jape_folder: Write) -> None:
    assert "values_1.tsv" not in {p.name for p in jape_files(jape_folder())}
    folder = jape_folder(**{"values_1.tsv": "http://zh/A\ta\t1"})
    assert "values_1.tsv" in {path.name for path in jape_files(folder)}


def test_values_of_unknown_entities_are_counted(jape_folder: Write) -> None:
    folder = jape_folder(**{"values_1.tsv": "gone\tx\t1\nhttp://zh/B\tborn\t2"})
    message = r"values_1.tsv: dropped 1 of 2 lines.*line 1, 'gone'"
    with pytest.warns(UserWarning, match=message):
        source = read_jape(folder).source
    assert source.values is not None
    assert [value for value in source.values if value] == ["2"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("ent_ids_1", "", "ent_ids_1 is empty"),
        ("ill_ent_ids", "\n\n", "ill_ent_ids is empty"),
        ("ent_ids_1", "0\tA\n1 B\n", "ent_ids_1, line 2: expected an id, a TAB"),
        ("ent_ids_1", "0\tA\n1\t\n", "ent_ids_1, line 2: expected an id, a TAB"),
        ("ent_ids_1", "0\tA\nx\tB\n", "ent_ids_1, line 2: entity id must be a whole"),
        ("ent_ids_1", "0\tA\n-1\tB\n", "ent_ids_1, line 2: entity id must be a whole"),
        ("ent_ids_1", "0\tA\n0\tB\n", "line 2: entity id 0 is already used on line 1"),
        ("ent_ids_1", "0\tA\n1\tA\n", "line 2: entity 'A' is already on line 1"),
        (
            "ent_ids_2",
            "2\tA\n0\thttp://en/B\n7\tC",
            "ent_ids_2, line 2: entity id 0 is also in",
        ),
        ("ent_ids_2", b"2\tA\n3\t\xff\n", "ent_ids_2, line 2: byte 0xff is not UTF-8"),
        ("rel_ids_2", "2\ta\n2\tb\n", "rel_ids_2, line 2: relation id 2 is already"),
        ("triples_1", "0\t0\t1\n0\t1\n", "triples_1, line 2: expected 3 fields"),
        ("triples_1", "0 0 1\n\n0 0 1", "triples_1, line 2: expected 3 fields"),
        ("triples_1", "0\t0\t1\n0\t0\t1\t1", "triples_1, line 2: expected 3 fields"),
        (
            "triples_1",
            "0\t0\t1\n0\tr\t1",
            "line 2: relation must be a whole",
        ),
        ("triples_1", "0\t0\t1\n0\t0\t1.0", "line 2: tail must be a whole number"),
        ("triples_1", "0\t0\t1\n0\t0\t1_0", "line 2: tail must be a whole number"),
        ("triples_1", "0\t0\t1\n0\t0\t+1", "line 2: tail must be a whole number"),
        ("triples_1", "0\t0\t1\n0\t0\t\u0661", "line 2: tail must be a whole number"),
        ("triples_1", f"0\t0\t1\n{2**63}\t0\t1", "line 2: head must be a whole number"),
        (
            "triples_1",
            "0\t0\t1\n9\t0\t1\n",
            "line 2: head entity 9 is not in",
        ),
        (
            "triples_1",
            "0\t0\t1\n0\t0\t2\n",
            "line 2: tail entity 2 is not in",
        ),
        ("triples_1", "0\t0\t1\n0\t2\t1\n", "line 2: relation 2 is not in rel_ids_1"),
        ("ill_ent_ids", "0\t2\n9\t3", "ill_ent_ids, line 2: entity 9 is not in"),
        ("ill_ent_ids", "0\t2\n3\t1", "line 2: entity 3 is not in ent_ids_1; it is an"),
        ("ill_ent_ids", "0\t2\n1\t0", "line 2: entity 0 is not in ent_ids_2; it is an"),
        ("sup_ent_ids", "0\t99", "sup_ent_ids, line 1: entity 99 is not in ent_ids_2"),
        ("training_attrs_1", "http://en/A\tborn", "no line begins with the URI"),
        ("training_attrs_2", b"ok\n\xc3\x28", "training_attrs_2, line 2: byte 0xc3"),
        (
            "values_1.tsv",
            "http://zh/A\ta\t1\nhttp://zh/A\ta",
            "line 2: expected entity",
        ),
        ("values_1.tsv", "http://zh/A\ta\t1\t2\t3", "values_1.tsv, line 1: expected"),
        ("values_1.tsv", "http://zh/A\t \t1", "values_1.tsv, line 1: expected entity"),
        ("values_2.tsv", "http://zh/A\ta\t1", "no line begins with the URI of an ent"),
        ("values_2.tsv", "", "values_2.tsv is empty"),
    ],
)
def test_errors_name_file_and_line(
    jape_folder: Write, file: str, content: str | bytes, message: str
) -> None:
    folder = jape_folder(**{file: content})
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_jape(folder)
    assert str(folder / file) in str(caught.value)


def test_attributes_of_unknown_entities_are_counted(jape_folder: Write) -> None:
    folder = jape_folder(training_attrs_1="gone\tx\nhttp://zh/B\tborn\nlost\ty")
    message = r"training_attrs_1: dropped 2 of 3 lines.*line 1, 'gone'"
    with pytest.warns(UserWarning, match=message):
        source = read_jape(folder).source
    assert source.attribute_names == ["born"]
