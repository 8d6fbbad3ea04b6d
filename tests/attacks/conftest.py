import pytest
from attacked_runs import write_graphs


@pytest.fixture(scope="session")
def graph_files(tmp_path_factory):
    return write_graphs(tmp_path_factory.mktemp("graphs"))
