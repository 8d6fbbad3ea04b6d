import pytest

from pyg_ibmea.cli._flag_names import with_flags

NAMES = ["val_ratio", "ratio", "search", "k", "run", "allow_dropped"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("val_ratio must lie in [0, 1)", "--val-ratio must lie in [0, 1)"),
        ("ratio must be 1", "--ratio must be 1"),
        ("the ratio of k is low", "the ratio of k is low"),
        ("a search for the run", "a search for the run"),
        ("compare all with search='exact'", "compare all with --search exact"),
        ("off with val_ratio=0, or", "off with --val-ratio 0, or"),
        ("set allow_dropped=True", "set --allow-dropped"),
        ("/data/val_ratio/x is missing", "/data/val_ratio/x is missing"),
        ("val_ratio.tsv is empty", "val_ratio.tsv is empty"),
        ("my_val_ratio is", "my_val_ratio is"),
        ("run=3", "run=3"),
        ("no entity http://x/?k=3&search=a", "no entity http://x/?k=3&search=a"),
        ("no modality 'val_ratio'", "no modality 'val_ratio'"),
    ],
)
def test_arguments_become_flags(message, said):
    assert with_flags(message, NAMES) == said
