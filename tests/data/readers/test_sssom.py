import gzip
from pathlib import Path

import pytest

from pyg_ibmea.data.readers.link_tables import read_pairs
from pyg_ibmea.data.readers.sssom import read_sssom

HEAD = """\
# mapping_set_id: https://w3id.org/sssom/mappings/1
# curie_map:
#   HP: http://purl.obolibrary.org/obo/HP_
#   "x-y": 'urn:x:'
# license: https://w3id.org/sssom/license/unspecified
"""
TABLE = '''\
object_id\tsubject_label\tsubject_id\tpredicate_id\tpredicate_modifier
x-y:1\t"a ""label"""\tHP:01\tskos:exactMatch\t
x-y:2\tb\tHP:02\tskos:closeMatch\t
x-y:3\tc\tHP:03\tskos:exactMatch\tNot
http://x/4\td\thttp://x/d\towl:equivalentClass\t

x-y:5\te\tHP:05\thttp://www.w3.org/2002/07/owl#sameAs\t
'''
PAIRS = [
    ("http://purl.obolibrary.org/obo/HP_01", "urn:x:1"),
    ("http://x/d", "http://x/4"),
    ("http://purl.obolibrary.org/obo/HP_05", "urn:x:5"),
]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_pairs_that_are_the_same(tmp_path: Path) -> None:
    path = write(tmp_path / "m.sssom.tsv", HEAD + TABLE)
    assert list(read_pairs(path)) == PAIRS
    packed = tmp_path / "n.sssom.tsv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_pairs(packed)) == PAIRS


def test_metadata_beside_the_table(tmp_path: Path) -> None:
    path = write(tmp_path / "m.sssom.tsv", TABLE)
    write(tmp_path / "m.sssom.yml", HEAD.replace("#", "").replace(" curie", "curie"))
    assert list(read_pairs(path)) == PAIRS


# The package uses what its own requirements deprecate.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_package_of_the_standard_reads_the_same(tmp_path: Path) -> None:
    pytest.importorskip("sssom")
    from sssom.parsers import parse_sssom_table

    table = "\n".join(
        line + ("\tmapping_justification" if not i else "\tsemapv:LexicalMatching")
        for i, line in enumerate(TABLE.splitlines()[:3])
    )
    path = write(tmp_path / "m.sssom.tsv", HEAD + table + "\n")
    found = parse_sssom_table(str(path))
    expand = found.converter.expand
    exact = found.df[found.df["predicate_id"] == "skos:exactMatch"]
    ends = zip(exact["subject_id"], exact["object_id"], strict=True)
    assert [(expand(a), expand(b)) for a, b in ends] == list(read_sssom(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD, "has no table after its metadata"),
        ("subject_id\tobject_id\na\tb\n", "line 1: an SSSOM table needs the column pr"),
        (HEAD + TABLE.replace("HP:02", "MP:02"), "line 8: the subject_id 'MP:02' has"),
        (HEAD + TABLE.replace("HP:02", "Paris"), "line 8: .* neither a CURIE nor an"),
        (HEAD + TABLE + "x-y:1\ta\n", "line 13: expected 5 fields as in the header"),
        (HEAD + TABLE + 'a\t"b', "line 13: unexpected end of data"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path / "m.sssom.tsv", text)
    with pytest.raises(ValueError, match=message) as error:
        list(read_sssom(path))
    assert str(error.value).startswith(str(path))
