import sys
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyg_ibmea.rdf_terms import (
    iri_term,
    is_blank,
    literal_term,
    name_of_iri,
    node_term,
)

texts = st.text(st.characters(exclude_categories=["Cs"]))
# What is, or nearly is, an IRI; whatever character it holds.
iris = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["http:", "urn:", "urn:x-entity:", "x-1.+:", "1:", ""]),
        st.sampled_from(["", "//", "//u@h", "//h:80", "//h:8a", "//[::1]", "//[::g]"]),
        st.sampled_from(["", "/", "?", "#", "%4e", "%zz", "%", "#a#"]),
        texts,
        st.sampled_from(["", "?", "#", ":", "@", "[", "%41"]),
    ),
)
names = texts | iris


def parsed(line, library):
    """Subject and object of a line, by a parser that is not ours."""
    if library == "pyoxigraph":
        pyoxigraph = pytest.importorskip("pyoxigraph")
        kind = pyoxigraph.RdfFormat.N_TRIPLES
        (found,) = pyoxigraph.parse(line.encode(), format=kind)
        return found.subject.value, found.object.value
    rdflib = pytest.importorskip("rdflib")
    ((subject, _, value),) = rdflib.Graph().parse(data=line.encode(), format="nt")
    return str(subject), str(value)


_MANY = 1 << 15
LIBRARIES = pytest.mark.parametrize("library", ["pyoxigraph", "rdflib"])


@LIBRARIES
@given(name=names, text=texts)
@example(name="http://x/\U0001f600", text="\U0001f600")
@example(name="http://x/a\xa0b", text="\x00\x7f\x85\u2028\ufffe\\u0041")
def test_any_name_and_text_is_parsed_back(library, name, text):
    line = f"{iri_term(name)} <urn:p> {literal_term(text)} .\n"
    iri, value = parsed(line, library)
    assert name_of_iri(iri) == name
    assert value == text


@LIBRARIES
def test_every_character_is_parsed_back(library):
    every = [c for c in map(chr, range(sys.maxunicode + 1)) if not c.isascii()]
    every = [c for c in every if not "\ud800" <= c <= "\udfff"]
    # Minted names are in ASCII, so only IRIs as they are can fail.
    kept = "".join(c for c in every if not iri_term(f"urn:{c}").startswith("<urn:x-"))
    assert len(kept) > 800_000
    for start in range(0, len(every), _MANY):
        iri, text = (
            f"urn:{kept[start : start + _MANY]}.",
            "".join(every[start:][:_MANY]),
        )
        line = f"{iri_term(iri)} <urn:p> {literal_term(text)} .\n"
        assert parsed(line, library) == (iri, text)


def test_real_iris_stay_as_they_are():
    pyoxigraph = pytest.importorskip("pyoxigraph")
    for iri in [
        "http://ja.dbpedia.org/resource/東京",
        "http://dbpedia.org/resource/AC/DC_(band)",
        "http://x/a%20b",
        "http://user:secret@host:80/a;b=c?q=/?#f/?",
        "http://[2001:db8::1]/",
        "mailto:a@b.c",
        "urn:isbn:1",
    ]:
        assert iri_term(iri) == f"<{iri}>" == str(pyoxigraph.NamedNode(iri))


def _valid(name):
    pyoxigraph = pytest.importorskip("pyoxigraph")
    try:
        pyoxigraph.NamedNode(name)
    except ValueError:
        return False
    return True


@given(name=iris)
def test_only_what_is_no_iri_is_minted(name):
    term = iri_term(name)
    if name.startswith("urn:x-entity:") or name.endswith(":"):
        return
    assert term.startswith("<urn:x-entity:") != _valid(name), name


@given(one=names, other=names)
def test_no_two_names_share_a_term(one, other):
    assert (iri_term(one) == iri_term(other)) == (one == other)
    # Not even one that was made to collide.
    forged = f"urn:x-entity:{quote(one, safe='')}"
    assert iri_term(forged) != iri_term(one)


@given(name=iris)
def test_iris_of_others_under_our_prefix_are_left_alone(name):
    for iri in ("urn:x-entity:%C3", "urn:x-entity:a b", f"urn:x-entity:/{name}"):
        assert name_of_iri(iri) == iri


@LIBRARIES
@given(label=st.text("09azAZ._-:é\n", min_size=1))
def test_blank_nodes_are_blank(library, label):
    term = node_term(f"_:{label}")
    assert term.startswith("<urn:x-entity:") != is_blank(f"_:{label}")
    assert parsed(f"{term} <urn:p> {term} .\n", library)
