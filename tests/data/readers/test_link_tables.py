from pathlib import Path

import pytest
import torch

from pyg_ibmea.data import KnowledgeGraph
from pyg_ibmea.data.readers.link_tables import read_link_table, read_pairs


def written(path: Path, rows: list[tuple[str, str]]) -> Path:
    """The rows, with commas or tabs by the suffix."""
    separator = "," if path.suffix == ".csv" else "\t"
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    return path


def test_links(tmp_path: Path) -> None:
    empty = torch.empty(0, 3, dtype=torch.long)
    source = KnowledgeGraph("fr", ["Rome", "Paris"], [], empty)
    target = KnowledgeGraph("nl", ["Parijs", "Rome_"], [], empty)
    rows = [("Paris", "Parijs"), ("Rome", "Rome_"), ("Paris", "Parijs")]
    path = written(tmp_path / "links.tsv", rows)
    assert read_link_table(path, source, target).tolist() == [[1, 0], [0, 1]]
    path = written(tmp_path / "links.csv", [*rows, ("Oslo", "Parijs")])
    with pytest.warns(
        UserWarning, match=r"1 of 4 pairs.*'Oslo' is not an entity of 'fr'"
    ):
        assert read_link_table(path, source, target).shape == (2, 2)
    path = written(tmp_path / "swapped.tsv", [("Parijs", "Paris")])
    with pytest.raises(ValueError, match="are the columns swapped"):
        read_link_table(path, source, target)
    path = tmp_path / "links.nt"
    path.write_text("<Oslo> <http://www.w3.org/2002/07/owl#sameAs> <x> .".replace(
        "<", "<urn:"
    ).replace("urn:http", "http"))  # fmt: skip
    with pytest.raises(ValueError, match="row 1: 'urn:Oslo' is not an entity"):
        read_link_table(path, source, target)


def test_only_tables_of_ours_have_escapes(tmp_path: Path) -> None:
    row, header = "C:\\temp\tx", "source\ttarget"
    path = tmp_path / "pairs.tsv"
    path.write_text(f"{row}\n")
    assert list(read_pairs(path)) == [("C:\\temp", "x")]
    path.write_text(f"{header}\n{row}\n")
    assert list(read_pairs(path)) == [("C:\\temp", "x")]
    path.write_text(f"{header}\tsource_graph\ttarget_graph\n{row}\ta\tb\n")
    assert list(read_pairs(path)) == [("C:\temp", "x")]
