"""RDF that would crash the parser, or become gigabytes, is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.data import read_rdf
from pyg_ibmea.data.readers import _rdf_guard
from pyg_ibmea.data.readers._rdf_guard import check_nesting

pytest.importorskip("pyoxigraph")

START = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="urn:e:">'
)
END = '<rdf:Description rdf:about="urn:a"><e:p>&{};</e:p></rdf:Description></rdf:RDF>'


def multiplied() -> str:
    """Ten entities, each ten times the one before."""
    more = (f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
    return '<!ENTITY e0 "ha">' + "".join(more)


@pytest.mark.parametrize("place", ["before", "within", "far within"])
def test_entities_that_multiply_are_refused(tmp_path: Path, place: str) -> None:
    declared, end = f"<!DOCTYPE x [{multiplied()}]>", END.format("e9")
    gap = "<!-- " + " " * 3_000_000 + " -->" if place == "far within" else ""
    text = declared + START + end if place == "before" else START + gap + declared + end
    for name in ("g.rdf", "g.xml.gz"):
        content = text.encode()
        if name.endswith(".gz"):
            content = gzip.compress(content)
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} declares an entity that holds"):
            read_rdf("x", tmp_path / name)


@pytest.mark.parametrize(
    "entity",
    [
        'x SYSTEM "file:///etc/passwd"',
        '% x "&#60;"',
        "x '&y;'",
        f'x "{"a" * 257}"',
        'x "&#38;y;"',
        "",
    ],
)
def test_other_entities_are_refused(tmp_path: Path, entity: str) -> None:
    path = tmp_path / "g.rdf"
    path.write_text(f"<!DOCTYPE x [<!ENTITY {entity}>]>{START}{END.format('x')}")
    with pytest.raises(ValueError, match="declares an entity that holds others"):
        read_rdf("x", path)


@pytest.mark.parametrize("before", range(1_048_500, 1_048_640, 20))
def test_names_of_namespaces_are_read(tmp_path: Path, before: int) -> None:
    """OWL files have them; here around the end of the first MiB that is looked at."""
    path = tmp_path / "g.owl"
    gap = "<!--" + " " * (before - 30) + "-->"
    text = f'<!DOCTYPE x [{gap}\n<!ENTITY  owl\t"http://www.w3.org/2002/07/owl#" >]>'
    path.write_text(text + START + END.format("owl"))
    assert read_rdf("x", path).values == ["http://www.w3.org/2002/07/owl#"]


@pytest.mark.parametrize("name", ["g.ttl", "g.nt", "g.nq", "g.trig", "g.nt.gz"])
@pytest.mark.parametrize("depth", [101, 20_000])
def test_nested_triples_are_refused(tmp_path: Path, name: str, depth: int) -> None:
    nested = "<<( <urn:s> <urn:p> " * depth + "<urn:x>" + " )>>" * depth
    content = f"<urn:a> <urn:p> {nested} .\n".encode()
    if name.endswith(".gz"):
        content = gzip.compress(content)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} has triples nested in triples"):
        read_rdf("x", tmp_path / name)


def test_triples_about_triples_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "g.nt"
    path.write_text("<urn:a> <urn:p> <<( <urn:s> <urn:p> <urn:o> )>> .\n")
    with pytest.raises(ValueError, match="it holds triples about triples"):
        read_rdf("x", path)


def test_brackets_in_texts_and_comments_are_none(tmp_path: Path) -> None:
    path, many = tmp_path / "g.ttl", "<<" * 300
    path.write_text(
        f'# {many}\n<urn:a> <urn:p> "{many}", "\\"{many}", """{many}\n"" {many}""", '
        f"'{many}', '''{many}''', <urn:%3C%3C> .\n"
    )
    texts = {many, f'"{many}', f'{many}\n"" {many}'}
    assert set(read_rdf("x", path).values) == texts


PARTS = [
    "<<",
    ">>",
    '"',
    "'",
    '"""',
    "'''",
    "\\",
    "#",
    "\n",
    "<urn:a>",
    "<",
    " a ",
    ">",
]


@given(st.lists(st.sampled_from(PARTS), max_size=40), st.integers(1, 5))
def test_chunks_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str], size: int
) -> None:
    path = tmp_path_factory.mktemp("nt") / "g.ttl"
    path.write_text("".join(parts))

    def found(chunk: int) -> list[bytes]:
        with pytest.MonkeyPatch.context() as patch, path.open("rb") as file:
            patch.setattr(_rdf_guard, "_CHUNK", chunk)
            return list(_rdf_guard._brackets(path, file))

    assert found(size) == found(2**20)


def test_a_deep_but_legal_list_is_read(tmp_path: Path) -> None:
    """Lists and blank nodes do not recurse."""
    path = tmp_path / "g.ttl"
    path.write_text(
        "<urn:a> <urn:p> " + "[ <urn:p> " * 20_000 + "1" + " ]" * 20_000 + "."
    )
    check_nesting(path)
    assert read_rdf("x", path).num_triples == 20_000
