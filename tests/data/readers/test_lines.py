from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pyg_ibmea.data.readers._lines import read_id_rows, read_id_table

URIS = st.text(
    st.characters(exclude_characters="\n", exclude_categories=("Cs",)), min_size=1
).filter(lambda uri: bool(uri.strip()) and not uri.endswith("\r"))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), URIS), min_size=1, max_size=9))
def test_id_tables_survive_the_round_trip(rows: list[tuple[int, str]]) -> None:
    rows = list(dict(rows).items())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table"
        path.write_bytes("\n".join(f"{i}\t{uri}" for i, uri in rows).encode())
        ids, uris = read_id_table(path, "entity")
    assert list(zip(ids.tolist(), uris, strict=True)) == rows


@settings(max_examples=50)
@given(st.lists(st.tuples(*[st.integers(0, 2**63 - 1)] * 3), min_size=1, max_size=9))
def test_id_rows_survive_the_round_trip(rows: list[tuple[int, int, int]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "triples"
        path.write_text("\n".join("\t".join(map(str, row)) for row in rows))
        read = read_id_rows(path, ("head", "relation", "tail"))
    assert read.dtype == np.int64
    assert [tuple(row) for row in read.tolist()] == rows
