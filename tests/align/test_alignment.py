import csv
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pyg_ibmea.align import alignment as alignment_module
from pyg_ibmea.align.alignment import Alignment, Match

HEAD = (
    "source\ttarget\tscore\tconfidence\trunner_up\tmargin\tsource_graph\ttarget_graph"
)
# What breaks tables, RDF or HTML, and what only looks as if it did.
ODD = [
    *("a", "tab\there", "line\nend", "\r", 'say "hi"', "é\u2028", "_:b0", "urn:x"),
    *("http://k/ü b", "<b>&amp;", "", "x\\y", "1:z", "urn:", "a,b", "None", "-1"),
]
names = st.sampled_from(ODD) | st.text(
    # Python 3.10 reads no CSV with a zero byte, and UTF-8 has no surrogates.
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)


def alignment_of(*matches, pair=("k", "l")):
    """An alignment with a graph of the names in each match, numbered as they come."""
    left = list(dict.fromkeys(match[0] for match in matches))
    ends = (end for match in matches for end in (match[1], match[4]))
    right = list(dict.fromkeys(end for end in ends if end))
    return Alignment(
        [pair],
        {pair[0]: left, pair[1]: right},
        source=[left.index(match[0]) for match in matches],
        target=[right.index(match[1]) for match in matches],
        score=[match[2] for match in matches],
        confidence=[match[3] for match in matches],
        runner_up=[right.index(match[4]) if match[4] else -1 for match in matches],
        margin=[match[5] for match in matches],
        pair=[0] * len(matches),
    )


MATCHES = [
    Match("a", "x", 0.5, 0.9, "y", 0.1, "k", "l"),
    Match("b", "x", 0.4, 0.95, "", 0.0, "k", "l"),
    Match("http://k/c", "http://k/ü b", 0.3, 0.2, "x", 0.2, "k", "l"),
]
ALIGNMENT = alignment_of(*MATCHES)
EMPTY = alignment_of()


@st.composite
def alignments(draw):
    """Several pairs of three graphs, their matches in any order, with ties."""
    graphs = draw(st.lists(names, min_size=3, max_size=3, unique=True))
    uris = {kg: draw(st.lists(names, min_size=1, unique=True)) for kg in graphs}
    every = [(a, b) for a in graphs for b in graphs if a != b]
    pairs = draw(st.lists(st.sampled_from(every), unique=True))
    pair = draw(st.lists(st.integers(0, len(pairs) - 1))) if pairs else []

    def ids(side, least=0):
        most = (len(uris[pairs[number][side]]) - 1 for number in pair)
        return [draw(st.integers(least, last)) for last in most]

    def reals(numbers):
        return draw(st.lists(numbers, min_size=len(pair), max_size=len(pair)))

    floats = st.floats(allow_nan=False)
    sure = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
    return Alignment(
        pairs, uris, source=ids(0), target=ids(1), runner_up=ids(1, -1), pair=pair,
        score=reals(floats), margin=reals(floats), confidence=reals(sure),
    )  # fmt: skip


def test_columns():
    assert ALIGNMENT.source.tolist() == [0, 1, 2]
    assert ALIGNMENT.target.tolist() == [0, 0, 2]
    assert ALIGNMENT.runner_up.tolist() == [1, -1, 0]
    assert ALIGNMENT.source.dtype == ALIGNMENT.pair.dtype == np.int64
    assert ALIGNMENT.score.dtype == ALIGNMENT.confidence.dtype == np.float64
    assert ALIGNMENT.decoder == {("k", "l"): ""}
    assert ALIGNMENT.threshold == {("k", "l"): 0}
    assert EMPTY.runner_up.dtype == np.int64


def test_matches():
    assert list(ALIGNMENT) == MATCHES
    assert len(ALIGNMENT) == 3
    assert ALIGNMENT[0] == ALIGNMENT[np.int64(-3)] == MATCHES[0]
    assert ALIGNMENT[-1] == MATCHES[2]
    assert MATCHES[0].graphs == ("k", "l")
    assert Match("a", "x", 0.5, 0.9, "y", 0.1).graphs == ("", "")
    assert type(ALIGNMENT[0].score) is float
    assert list(EMPTY) == []
    with pytest.raises(IndexError):
        ALIGNMENT[3]


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([False, True, False], [1]),
        (torch.tensor([True, False, False]), [0]),
        (np.array([2, 0, 2]), [2, 0, 2]),
        (torch.tensor([-1]), [2]),
        ([], []),
    ],
)
def test_rows(rows, chosen):
    part = ALIGNMENT[rows]
    assert list(part) == [MATCHES[row] for row in chosen]
    assert part.pairs == ALIGNMENT.pairs
    assert list(ALIGNMENT) == MATCHES


@pytest.mark.parametrize("rows", [[True, False], [3], [[0]], [0.5], "a"])
def test_no_rows(rows):
    with pytest.raises(IndexError):
        ALIGNMENT[rows]


def test_from_tensors():
    alignment = Alignment.of_pair(
        ("a", "b"),
        source=torch.tensor([0, 1]),
        target=torch.tensor([1, 0]),
        runner_up=torch.tensor([0, -1]),
        score=torch.tensor([0.5, 0.25]),
        margin=torch.tensor([0.1, 0.0], requires_grad=True),
        confidence=torch.tensor([1.0, 0.125], dtype=torch.float64),
        uris={"a": ["x", "y"], "b": ["v", "w"], "c": ["unused"]},
        decoder="csls",
        threshold=0.25,
    )
    assert list(alignment) == [
        # Single precision stays what it is.
        Match("x", "w", 0.5, 1.0, "v", float(np.float32(0.1)), "a", "b"),
        Match("y", "v", 0.25, 0.125, "", 0.0, "a", "b"),
    ]
    assert list(alignment.uris) == ["a", "b"]
    assert alignment.decoder == {("a", "b"): "csls"}
    assert alignment.threshold == {("a", "b"): 0.25}


GOOD = {
    "pairs": [("k", "l")],
    "uris": {"k": ["a"], "l": ["x", "y"]},
    "source": [0],
    "target": [1],
    "runner_up": [-1],
    "score": [0.5],
    "margin": [0.1],
    "confidence": [0.9],
    "pair": [0],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": [0, 0]}, "same length, got source 2, target 1"),
        ({"source": [1]}, "row 0: source is 1, graph 'k' has 1 entities"),
        ({"source": [-1]}, "row 0: source is -1"),
        ({"target": [2]}, "row 0: target is 2, graph 'l' has 2 entities"),
        ({"runner_up": [-2]}, "row 0: runner_up is -2"),
        ({"runner_up": [2]}, "row 0: runner_up is 2"),
        ({"pair": [1]}, "row 0: pair is 1, there are 1 pairs"),
        ({"confidence": [1.5]}, r"row 0: confidence must be in \[0, 1\], got 1.5"),
        ({"confidence": [float("nan")]}, "got nan"),
        ({"source": [0.0]}, "source must hold integers, got float64"),
        ({"score": ["a"]}, "score must hold numbers"),
        ({"score": [[0.5]]}, r"score must have one dimension, got \[1, 1\]"),
        ({"uris": {"k": ["a"]}}, "uris must list the entities of graph 'l'"),
        ({"pairs": [("k", "l")] * 2}, "pairs must be distinct"),
        ({"decoder": {("l", "k"): "csls"}}, "decoder names the pair"),
        ({"threshold": {("l", "k"): 0.5}}, "threshold names the pair"),
    ],
)
def test_columns_that_do_not_fit(changes, message):
    Alignment(**GOOD)
    with pytest.raises(ValueError, match=message):
        Alignment(**{**GOOD, **changes})


def test_join_keeps_order_and_numbers():
    uris = {"a": ["1", "2"], "b": ["x", "y"], "c": ["z"]}
    one, other = (
        Alignment.of_pair(
            pair, *torch.tensor([[1], [0]]), *torch.tensor([[0.5], [0.2], [0.7]]),
            torch.tensor([-1]), uris, decoder, threshold,
        )
        for pair, decoder, threshold in ((("a", "b"), "csls", 0.5), (("b", "c"), "", 0))
    )  # fmt: skip
    joined = Alignment.join([one, other, one])
    assert list(joined) == [one[0], other[0], one[0]]
    assert joined.pairs == (("a", "b"), ("b", "c"))
    assert joined.pair.tolist() == [0, 1, 0]
    assert joined.source.tolist() == [1, 1, 1]
    assert joined.uris == uris
    assert joined.decoder == {("a", "b"): "csls", ("b", "c"): ""}
    assert joined.threshold == {("a", "b"): 0.5, ("b", "c"): 0}


def test_join_numbers_entities_anew():
    reverse = alignment_of(*MATCHES[::-1])
    assert reverse.uris != ALIGNMENT.uris
    other = alignment_of(Match("new", "y", 0.5, 0.5, "", 0.5, "k", "l"))
    joined = Alignment.join([ALIGNMENT, reverse, other])
    assert list(joined) == [*MATCHES, *MATCHES[::-1], *other]
    assert joined.source.tolist() == [0, 1, 2, 2, 1, 0, 3]
    assert joined.uris["k"] == ["a", "b", "http://k/c", "new"]


def test_join_of_nothing():
    assert list(Alignment.join([])) == list(Alignment.join([EMPTY, EMPTY])) == []


def test_join_of_alignments_that_contradict_each_other():
    csls, sinkhorn, unknown = (
        Alignment(**GOOD, decoder={("k", "l"): name})
        for name in ("csls", "sinkhorn", "")
    )
    assert Alignment.join([unknown, csls]).decoder == {("k", "l"): "csls"}
    with pytest.raises(ValueError, match="k - l differ in their decoder, 'csls' and"):
        Alignment.join([csls, sinkhorn])


@given(st.lists(alignments(), max_size=3))
def test_join_is_concatenation(parts):
    matches = [match for part in parts for match in part]
    assert list(Alignment.join(parts)) == matches


def test_sure():
    assert list(ALIGNMENT.sure()) == MATCHES[:2]
    assert list(ALIGNMENT.sure(0.9)) == MATCHES[:2]
    assert list(ALIGNMENT.sure(0)) == MATCHES
    assert list(EMPTY.sure()) == []
    for least in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match=r"least must be in \[0, 1], got"):
            ALIGNMENT.sure(least)


def test_one_to_one():
    assert list(ALIGNMENT.one_to_one()) == MATCHES[1:]
    assert list(EMPTY.one_to_one()) == []


def test_of_equally_sure_matches_the_first_stays():
    same = [Match(name, "x", 0.5, 0.5, "", 0.1, "k", "l") for name in "cab"]
    assert list(alignment_of(*same).one_to_one()) == same[:1]


@given(alignments())
def test_one_to_one_by_hand(alignment):
    taken, kept = set(), []
    for row in sorted(range(len(alignment)), key=lambda r: -alignment[r].confidence):
        match = alignment[row]
        ends = {(0, match.source, match.graphs), (1, match.target, match.graphs)}
        if not ends & taken:
            taken |= ends
            kept.append(row)
    assert list(alignment.one_to_one()) == [alignment[row] for row in sorted(kept)]


@given(alignments())
def test_pairs_of_graphs_make_up_the_whole(alignment):
    for pair in alignment.pairs:
        part = alignment.between(*pair)
        assert list(part) == [match for match in alignment if match.graphs == pair]
        assert part.pairs == (pair,)
        assert set(part.uris) == set(pair)


def test_between_graphs_that_were_not_aligned():
    with pytest.raises(ValueError, match="from 'l' to 'k', but from 'k' to 'l'"):
        ALIGNMENT.between("l", "k")
    assert len(ALIGNMENT.sure(1).between("k", "l")) == 0
    with pytest.raises(ValueError, match="nor between any others"):
        Alignment.join([]).between("k", "l")


def test_judgement():
    pairs = [("a", "x"), ("a", "z"), ("b", "z"), ("d", "x")]
    found = ALIGNMENT.judge(pairs)
    assert (found["pairs"], found["given"], found["right"]) == (3, 2, 1)
    assert found["precision"] == 0.5
    assert found["recall"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx(0.4)
    # Sure at .9 and right, sure at .95 and wrong, in bins of their own.
    assert found["expected_calibration_error"] == pytest.approx((0.1 + 0.95) / 2)
    assert [line["precision"] for line in found["coverage"]] == [0] * 7 + [0.5] * 3
    assert ALIGNMENT.judge(map(list, pairs)) == found
    for nothing in (EMPTY, Alignment.join([]), ALIGNMENT[2:]):
        judged = nothing.judge([("a", "x")])
        assert (judged["pairs"], judged["given"], judged["recall"]) == (1, 0, 0)
        assert "coverage" not in judged
    with pytest.raises(ValueError, match="no true pairs"):
        ALIGNMENT.judge([])


def test_known_pairs_are_not_missed():
    pairs = [("a", "x"), ("b", "x"), ("s", "t")]
    assert ALIGNMENT.judge(pairs)["recall"] == pytest.approx(2 / 3)
    judged = ALIGNMENT.judge(pairs, known=[["s", "t"], ("u", "v")])
    assert (judged["pairs"], judged["known"], judged["recall"]) == (2, 1, 1)
    with pytest.raises(ValueError, match="all 3 pairs were known"):
        ALIGNMENT.judge(pairs, known=pairs)


def test_exchanged_pairs_are_noticed():
    for pairs, exchanged in [
        ([("x", "a"), ("y", "b"), ("s", "t")], True),
        ([("a", "y"), ("b", "y")], False),
        ([("s", "t")], False),
    ]:
        assert ALIGNMENT.judge(pairs)["exchanged"] == exchanged
    # A pair that was found is the right way round.
    assert "exchanged" not in ALIGNMENT.judge([("x", "a"), ("y", "b"), ("a", "x")])


def test_judgement_of_several_pairs_of_graphs():
    other = alignment_of(*MATCHES, pair=("k", "m"))
    both = Alignment.join([ALIGNMENT, other])
    with pytest.raises(ValueError, match="matches of k and l, k and m"):
        both.judge([("a", "x")])
    judged = both.between("k", "m").judge([("a", "x")])
    assert judged == ALIGNMENT.judge([("a", "x")])
    # What is judged are the matches that there are.
    assert both[:3].judge([("a", "x")]) == judged


def test_judgement_is_by_uri():
    twice = Alignment(**{**GOOD, "uris": {"k": ["a"], "l": ["x", "x"]}})
    assert twice.judge([("a", "x")])["right"] == 1


@given(alignments(), st.lists(st.tuples(names, names), min_size=1))
def test_judgement_by_hand(alignment, pairs):
    for pair in alignment.pairs:
        part = alignment.between(*pair)
        some = [*pairs, *((match.source, match.target) for match in part[::2])]
        known = {source for source, _ in some}
        asked = [match for match in part if match.source in known]
        right = sum((match.source, match.target) in some for match in asked)
        judged = part.judge(some)
        assert (judged["pairs"], judged["given"]) == (len(known), len(asked))
        assert judged["right"] == right


def test_table(tmp_path):
    alignment = alignment_of(
        Match("x", "é", 0.5, 1.0, "line\nend", 0.1),
        Match("tab\there", "line\nend", 0.25, 0.125, "", -0.00000004),
        pair=("a", "b\r"),
    )
    path = alignment.save(tmp_path / "new" / "alignment.tsv")
    assert path.read_bytes().decode() == (
        f"{HEAD}\n"
        "x\té\t0.500000\t1.000000\tline\\nend\t0.100000\ta\tb\\r\n"
        "tab\\there\tline\\nend\t0.250000\t0.125000\t\t-0.000000\ta\tb\\r\n"
    )
    assert list(Alignment.load(path)) == [
        Match("x", "é", 0.5, 1.0, "line\nend", 0.1, "a", "b\r"),
        Match("tab\there", "line\nend", 0.25, 0.125, "", 0.0, "a", "b\r"),
    ]
    assert not list(path.parent.glob(".*"))


def test_entities_are_numbered_as_they_are_named(tmp_path):
    path = tmp_path / "m.tsv"
    lines = [
        "a\tx\t0\t1\ty\t0\tk\tl",
        "y\ta\t0\t1\t\t0\tl\tk",
        "b\tx\t0\t1\tz\t0\tk\tl",
    ]
    path.write_text("\n".join([HEAD, *lines]))
    alignment = Alignment.load(path)
    assert alignment.pairs == (("k", "l"), ("l", "k"))
    assert alignment.uris == {"k": ["a", "b"], "l": ["x", "y", "z"]}
    assert alignment.source.tolist() == [0, 1, 1]
    assert alignment.target.tolist() == [0, 0, 0]
    assert alignment.runner_up.tolist() == [1, -1, 2]
    assert alignment.pair.tolist() == [0, 1, 0]
    assert alignment.decoder == {("k", "l"): "", ("l", "k"): ""}


def test_graphs_without_names(tmp_path):
    alignment = alignment_of(*MATCHES, pair=("", "l"))
    assert list(Alignment.load(alignment.save(tmp_path / "m.tsv"))) == list(alignment)
    # Both sides are numbered together where their graphs have the same name.
    path = tmp_path / "m.tsv"
    path.write_text(f"{HEAD}\na\tb\t0\t1\ta\t0\t\t\n")
    alignment = Alignment.load(path)
    assert alignment.uris == {"": ["a", "b"]}
    assert list(alignment) == [Match("a", "b", 0, 1, "a", 0)]


@given(alignments())
def test_table_read_and_written_is_the_same(tmp_path_factory, alignment):
    path = alignment.save(tmp_path_factory.mktemp("tsv") / "m.tsv")
    text = path.read_bytes()
    loaded = Alignment.load(path)
    assert loaded.save(path).read_bytes() == text
    assert text.count(b"\n") == len(alignment) + 1
    for one, other in zip(alignment, loaded, strict=True):
        assert one[:2] == other[:2]
        assert one.runner_up == other.runner_up
        assert one.graphs == other.graphs
        assert abs(one.confidence - other.confidence) <= 5.1e-7


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@given(alignment=alignments())
def test_other_tables_are_exact(tmp_path_factory, suffix, alignment):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = alignment.save(tmp_path_factory.mktemp(suffix) / f"m.{suffix}")
    assert list(Alignment.load(path)) == list(alignment)


def test_csv_is_what_others_read(tmp_path):
    path = ALIGNMENT.save(tmp_path / "m.CSV")
    assert path.read_bytes().startswith(b'"source","target","score"')
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["target"] for row in rows] == [match.target for match in MATCHES]
    assert [row["confidence"] for row in rows] == ["0.9", "0.95", "0.2"]


def test_parquet_has_types(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    for alignment in (ALIGNMENT, EMPTY):
        path = alignment.save(tmp_path / "table", "parquet")
        table = parquet.read_table(path)
        assert table.column("confidence").to_pylist() == alignment.confidence.tolist()
        kinds = [str(column.type) for column in table.columns]
        assert (
            kinds
            == ["string"] * 2 + ["double"] * 2 + ["string", "double"] + ["string"] * 2
        )


def test_same_as(tmp_path):
    path = ALIGNMENT.save(tmp_path / "m.nt")
    same = "<http://www.w3.org/2002/07/owl#sameAs>"
    assert path.read_text() == (
        f"<urn:x-entity:a> {same} <urn:x-entity:x> .\n"
        f"<urn:x-entity:b> {same} <urn:x-entity:x> .\n"
        f"<http://k/c> {same} <urn:x-entity:http%3A%2F%2Fk%2F%C3%BC%20b> .\n"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the columns source, target, score"),
        ("source\ttarget\n", "line 1: expected the columns source"),
        (f"{HEAD}\na\tx\t0\t1\t\t0\tk\tl\na\tb\tc\n", "line 3: expected eight fields"),
        (f"{HEAD}\na\tx\t0\t1\t\t0\tk\tl\tm\n", "line 2: expected eight fields"),
        (
            f"{HEAD}\na\tx\tzero\t1\t\t0\tk\tl\n",
            r"line 2: .*sixth, got 'a\\tx\\tzero",
        ),
        (f"{HEAD}\n\n", "line 2: expected eight fields"),
        (
            f"{HEAD}\na\tx\t0\t2\t\t0\tk\tl\n",
            r"line 2: expected a confidence in \[0, 1",
        ),
        (f"{HEAD}\na\tx\t0\tnan\t\t0\tk\tl\n", "line 2: expected a confidence"),
    ],
)
def test_malformed_tables(tmp_path, text, message):
    path = tmp_path / "alignment.tsv"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"alignment\.tsv, " + message):
        Alignment.load(path)


def test_malformed_csv(tmp_path):
    path = ALIGNMENT.save(tmp_path / "m.csv")
    whole = path.read_bytes()
    path.write_bytes(whole + b'"two\nlines","x"\r\n')
    with pytest.raises(ValueError, match=r"m\.csv, line 6: expected eight fields"):
        Alignment.load(path)
    path.write_bytes(whole + b'"not closed')
    with pytest.raises(ValueError, match=r"m\.csv: expected CSV"):
        Alignment.load(path)
    path.write_bytes(whole + b"\xff")
    with pytest.raises(ValueError, match=r"m\.csv: expected UTF-8"):
        Alignment.load(path)


def test_parquet_of_others(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = ALIGNMENT.save(tmp_path / "m.parquet")
    table = parquet.read_table(path)
    parquet.write_table(table.select(table.column_names[::-1]), path)
    assert list(Alignment.load(path)) == MATCHES
    parquet.write_table(table.drop_columns(["margin"]), path)
    with pytest.raises(ValueError, match=r"m\.parquet: expected the columns source"):
        Alignment.load(path)
    nulls = pyarrow.nulls(3, pyarrow.string())
    parquet.write_table(table.set_column(0, "source", nulls), path)
    with pytest.raises(ValueError, match=r"m\.parquet, row 1: expected eight fields"):
        Alignment.load(path)
    # No runner-up may be a null.
    parquet.write_table(table.set_column(4, "runner_up", nulls), path)
    assert [match.runner_up for match in Alignment.load(path)] == [""] * 3
    parquet.write_table(table.set_column(2, "score", table.column("source")), path)
    with pytest.raises(ValueError, match=r"m\.parquet: expected a table of matches"):
        Alignment.load(path)
    path.write_bytes(b"none")
    with pytest.raises(ValueError, match=r"m\.parquet: expected a table of matches"):
        Alignment.load(path)


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"there is no alignment .*train a model first"
    ):
        Alignment.load(tmp_path / "alignment.tsv")
    for form in ("nt", "ttl", "jsonld", "rdf", "sssom.tsv"):
        told = rf"\.{form} does not hold all scores.*from \.tsv, \.csv, \.parq"
        with pytest.raises(ValueError, match=told):
            Alignment.load(ALIGNMENT.save(tmp_path / f"m.{form}"))
    with pytest.raises(ValueError, match=r"expected one of \.tsv, \.csv, \.parquet$"):
        Alignment.load(tmp_path / "m.doc")
    with pytest.raises(ValueError, match=r"expected one of \.tsv.*\.rdf$"):
        ALIGNMENT.save(tmp_path / "m.doc")
    with pytest.raises(ValueError, match=r"sssom\.csv: expected one of \.tsv.*\.rdf$"):
        ALIGNMENT.save(tmp_path / "m.sssom.csv")


@pytest.mark.parametrize("form", ["tsv", "csv", "nt", "jsonld", "sssom.tsv"])
def test_file_that_cannot_be_written_stays_as_it_was(tmp_path, form):
    path = tmp_path / "kept"
    path.write_text("kept")
    surrogate = alignment_of(*MATCHES, Match("\ud800", "x", 0, 0, "", 0))
    with pytest.raises(UnicodeEncodeError):
        surrogate.save(path, form)
    assert path.read_text() == "kept"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("module", "use", "message"),
    [
        ("pandas", Alignment.to_pandas, "pip install pandas"),
        ("pyarrow", lambda a: a.save("m.parquet"), r"pyg_ibmea\[tables\]"),
    ],
)
def test_missing_libraries(tmp_path, monkeypatch, module, use, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=message):
        use(ALIGNMENT)
    assert not list(tmp_path.iterdir())


def test_data_frame():
    pytest.importorskip("pandas")
    frame = ALIGNMENT.to_pandas()
    assert list(frame.columns) == HEAD.split("\t")
    assert [Match(*row) for row in frame.itertuples(index=False)] == MATCHES
    assert frame["score"].dtype == "float64"
    assert list(EMPTY.to_pandas().columns) == HEAD.split("\t")


def test_data_frame_as_parquet(tmp_path):
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    ALIGNMENT.to_pandas().to_parquet(tmp_path / "m.parquet")
    assert list(Alignment.load(tmp_path / "m.parquet")) == MATCHES


def test_repr():
    assert repr(ALIGNMENT) == "Alignment(k - l: 3 matches, median confidence 0.90)"
    both = Alignment.join([ALIGNMENT[:1], alignment_of(pair=("l", "m"))])
    assert repr(both) == (
        "Alignment(k - l: 1 match, median confidence 0.90; l - m: no matches)"
    )
    assert repr(Alignment.join([])) == "Alignment(no matches)"
    many = Alignment.join([ALIGNMENT] * 3500)
    assert "k - l: 10,500 matches" in repr(many)


def test_text_shows_the_surest():
    assert str(ALIGNMENT) == (
        "source      target        score  confidence  runner_up  margin\n"
        "b           x             0.400       0.950              0.000\n"
        "a           x             0.500       0.900  y           0.100\n"
        "http://k/c  http://k/ü b  0.300       0.200  x           0.200\n"
        "3 matches"
    )
    assert str(EMPTY) == str(Alignment.join([])) == "no matches"


def test_text_is_short():
    long = "http://k/" + "very/" * 20 + "long\nname"
    matches = [Match(f"{long}{i}", "x", 0.5, i / 10, "", 0.1) for i in range(9)]
    lines = str(alignment_of(*matches)).split("\n")
    assert len(lines) == 7
    assert lines[1].startswith("…")
    assert "long name8  x" in lines[1]
    assert max(map(len, lines)) < 88
    assert lines[-1] == "9 matches, the 5 surest shown"


def test_several_pairs_of_graphs_are_told_apart():
    both = Alignment.join([ALIGNMENT, alignment_of(*MATCHES, pair=("k", "m"))])
    assert str(both).split("\n")[0].endswith("source_graph  target_graph")
    assert "<th>target_graph</th>" in both._repr_html_()
    assert "graph" not in str(ALIGNMENT) + ALIGNMENT._repr_html_()


def test_html_shows_the_first_and_is_escaped():
    name = "<script>&\"'"
    matches = [Match(f"{name}{i}", "x", 0.5, 0.5, name, 0.1) for i in range(12)]
    page = alignment_of(*matches)._repr_html_()
    assert page.count("<tr>") == 11
    assert "12 matches, the first 10 shown" in page
    assert "<script" not in page
    assert "<td>&lt;script&gt;&amp;&quot;&#x27;9</td>" in page
    assert "&#x27;10<" not in page
    assert "<caption>no matches</caption>" in EMPTY._repr_html_()


def test_every_alignment_knows_where_its_confidence_is_calibrated():
    def of(pair, calibrated):
        one, half = torch.tensor([0]), torch.tensor([0.5])
        uris = {kg: [f"{kg}0"] for kg in pair}
        columns = (one, one, half, half, half, one)
        return Alignment.of_pair(pair, *columns, uris, calibrated=calibrated)

    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    joined = Alignment.join(map(of, pairs, (True, False, None)))
    assert joined.calibrated == dict(zip(pairs, (True, False, None), strict=True))
    assert joined[:1].calibrated == joined.calibrated
    assert joined.between("a", "c").calibrated == {("a", "c"): False}
    assert repr(joined).count("not calibrated") == 1
    assert "not calibrated" in repr(joined.between("a", "c").sure(0.5))
    with pytest.raises(ValueError, match="differ in their calibrated, True and False"):
        Alignment.join([of(("a", "b"), True), of(("a", "b"), False)])


def test_in_parts_of_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "m.parquet"
    for rows in (1, 2, len(ALIGNMENT), 100):
        ALIGNMENT.save(folder, rows_per_file=rows)
        count = -(-len(ALIGNMENT) // rows)
        assert len(list(folder.iterdir())) == count
        assert list(Alignment.load(folder)) == list(ALIGNMENT)
        read = parquet.read_table(folder)  # As any reader of datasets takes it.
        assert read["source"].to_pylist() == [match.source for match in ALIGNMENT]
    ALIGNMENT[:0].save(folder, rows_per_file=2)
    assert len(Alignment.load(folder)) == 0
    ALIGNMENT.save(folder, rows_per_file=1)
    next(folder.iterdir()).unlink()
    with pytest.raises(ValueError, match="does not hold all parts"):
        Alignment.load(folder)


def test_parts_that_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.parquet"):
        ALIGNMENT.save(tmp_path / "m", rows_per_file=2)
    with pytest.raises(ValueError, match=r"number from 1.*got 0"):
        ALIGNMENT.save(tmp_path / "m.parquet", rows_per_file=0)
    ALIGNMENT.save(tmp_path / "m.parquet")
    with pytest.raises(FileExistsError, match="is a file; remove it"):
        ALIGNMENT.save(tmp_path / "m.parquet", rows_per_file=2)


@pytest.mark.parametrize("suffix", ["tsv", "csv", "parquet", "nt"])
def test_some_rows_at_a_time_give_the_same_file(tmp_path, monkeypatch, suffix):
    whole = ALIGNMENT.save(tmp_path / f"whole.{suffix}")
    monkeypatch.setattr(alignment_module, "AT_A_TIME", 2)
    pieces = ALIGNMENT.save(tmp_path / f"pieces.{suffix}")
    if suffix == "parquet":
        parquet = pytest.importorskip("pyarrow.parquet")
        assert parquet.read_table(whole).equals(parquet.read_table(pieces))
    else:
        assert whole.read_bytes() == pieces.read_bytes()
