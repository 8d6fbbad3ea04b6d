import pytest
import torch
from torch_geometric.data import HeteroData

from pyg_ibmea.nn import EntityEmbedding
from pyg_ibmea.nn.encoder.entity_embedding import seed_rows

ROWS = torch.tensor([0, 1, 2, 0, 3, 4])


def test_shared_rows_get_the_gradient_of_all():
    embedding = EntityEmbedding(ROWS, 2).double()
    factor = torch.arange(12.0, dtype=torch.double).view(6, 2)
    (embedding() * factor).sum().backward()
    expected = torch.zeros(5, 2, dtype=torch.double).index_add(0, ROWS, factor)
    torch.testing.assert_close(embedding.weight.grad, expected)


def test_withheld_entities_and_their_partners_are_zero():
    x = EntityEmbedding(ROWS, 3)(withheld=torch.tensor([3, 4]))
    assert x.any(dim=1).tolist() == [False, True, True, False, False, True]


def test_further_pairs_share_until_the_next_call():
    embedding = EntityEmbedding(ROWS, 3)
    embedding.share(torch.tensor([1]), torch.tensor([4]))
    assert embedding.row.tolist() == [0, 1, 2, 0, 1, 4]
    other = EntityEmbedding(ROWS, 3)
    other.load_state_dict(embedding.state_dict())
    assert other().equal(embedding())
    assert other()[1].equal(other()[4])
    embedding.share(torch.tensor([2]), torch.tensor([5]))
    assert embedding.row.tolist() == [0, 1, 2, 0, 3, 2]


def test_pairs_that_hang_together_share_one_embedding():
    embedding = EntityEmbedding(ROWS, 3)
    # 5 and 4, 4 and 0; 3 has been with 0 from the start.
    embedding.share(torch.tensor([5, 4]), torch.tensor([4, 0]))
    assert embedding.row.tolist() == [0, 1, 2, 0, 0, 0]


def test_length_at_the_start():
    torch.manual_seed(0)
    x = EntityEmbedding(torch.arange(500), 64)()
    assert x.norm(dim=1).mean().item() == pytest.approx(1, abs=0.02)


def test_repr():
    assert repr(EntityEmbedding(ROWS, 2)) == "EntityEmbedding(6, channels=2)"


def test_training_pairs_and_no_others_share_a_row():
    data = HeteroData()
    data["zh"].num_nodes, data["type"].num_nodes = 5, 6
    links = data["zh", "same_as", "type"]
    links.edge_index = torch.tensor([[0, 1, 1, 4], [0, 2, 3, 5]])
    assert seed_rows(data).unique().numel() == 11  # There is no split.
    links.train_mask = torch.tensor([True, True, True, False])
    rows = seed_rows(data)
    assert rows[0] == rows[5]
    assert rows[1] == rows[7] == rows[8]  # One entity here is two there.
    assert rows.unique().tolist() == list(range(8))
    links.edge_index[:, 3] = torch.tensor([2, 4])
    assert seed_rows(data).equal(rows)
