"""Encoders by name, and vision models, on tiny ones made on the spot."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pretended_cuda import on_pretended_cuda
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTModel,
)

from pyg_ibmea.data import (
    IMAGE_ENCODERS,
    NAME_ENCODERS,
    VisionEncoder,
    encode_images,
    encode_names,
)
from pyg_ibmea.data.features.encoders import image_encoder, name_encoder

SIZE = 16
MEAN, DEVIATION = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]


def save(model, folder, **options):
    model.eval().save_pretrained(folder)
    given = {"size": {"height": SIZE, "width": SIZE}, "image_mean": MEAN}
    given |= {"image_std": DEVIATION, **options}
    (folder / "preprocessor_config.json").write_text(json.dumps(given))
    return folder


def vit(seed=0):
    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, image_size=SIZE, patch_size=4,
    )  # fmt: skip
    return ViTModel(config)


@pytest.fixture
def picture(tmp_path):
    """Twice as wide as high: above and below, the square stays white."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    return tmp_path / "wide.png"


@pytest.fixture
def tensor(picture):
    """What a model must see of the picture."""
    square = np.full((SIZE, SIZE, 3), 255, dtype=np.uint8)
    square[4:12] = np.asarray(Image.open(picture))
    scaled = (square / 255 - MEAN) / DEVIATION
    return torch.from_numpy(scaled).float().permute(2, 0, 1)[None]


@torch.no_grad()
def test_pooled_output_of_a_transformer(picture, tensor, tmp_path):
    model = vit()
    encoder = VisionEncoder(save(model, tmp_path / "vit"))
    expected = model.eval()(pixel_values=tensor).pooler_output[0]
    torch.testing.assert_close(torch.from_numpy(encoder(picture)), expected)
    assert encoder(picture).dtype == np.float32


@torch.no_grad()
def test_mean_of_the_last_layer_without_a_pooler(picture, tensor, tmp_path):
    model = ViTModel(vit().config, add_pooling_layer=False)
    encoder = VisionEncoder(save(model, tmp_path / "vit"))
    encoder.model = model.eval()  # As loaded, it would get a pooler again.
    expected = model(pixel_values=tensor).last_hidden_state[0].mean(0)
    torch.testing.assert_close(torch.from_numpy(encoder(picture)), expected)


@torch.no_grad()
def test_convolutional_networks_and_clip(picture, tensor, tmp_path):
    torch.manual_seed(0)
    resnet = ResNetModel(ResNetConfig(embedding_size=4, hidden_sizes=[4, 8],
                                      depths=[1, 1], layer_type="basic"))  # fmt: skip
    found = VisionEncoder(save(resnet, tmp_path / "resnet"))(picture)
    expected = resnet.eval()(pixel_values=tensor).pooler_output.flatten()
    torch.testing.assert_close(torch.from_numpy(found), expected)

    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
             "intermediate_size": 16}  # fmt: skip
    clip = CLIPModel(CLIPConfig(
        text_config={**small, "vocab_size": 20},
        vision_config={**small, "image_size": SIZE, "patch_size": 4},
    ))  # fmt: skip
    found = VisionEncoder(save(clip, tmp_path / "clip"))(picture)
    expected = clip.eval().vision_model(pixel_values=tensor).pooler_output[0]
    torch.testing.assert_close(torch.from_numpy(found), expected)


def test_sizes_and_colours_of_the_configuration(tmp_path):
    folder = save(vit(), tmp_path / "vit", crop_size=32)
    assert VisionEncoder(folder).size == 32
    folder = save(vit(), tmp_path / "edge", size={"shortest_edge": 24})
    assert VisionEncoder(folder).size == 24
    (folder / "preprocessor_config.json").unlink()
    encoder = VisionEncoder(folder)
    assert (encoder.size, encoder.mean.tolist()) == (224, [0.5] * 3)


def test_vectors_are_kept_by_image_and_model(picture, tmp_path):
    files, cache = {"e": picture}, tmp_path / "cache"
    one = VisionEncoder(save(vit(0), tmp_path / "one"))
    two = VisionEncoder(save(vit(1), tmp_path / "two"))
    assert one.cache_name != two.cache_name
    first, _ = encode_images(files, ["e"], cache, one)
    second, _ = encode_images(files, ["e"], cache, two)
    assert not first.equal(second)
    assert len(list(cache.iterdir())) == 2

    again = VisionEncoder(tmp_path / "one")
    again.model = None  # It is not asked a second time.
    assert encode_images(files, ["e"], cache, again)[0].equal(first)


@pytest.mark.parametrize("what", ["nothing", "text", "size", "colours", "json"])
def test_folders_without_a_vision_model(what, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    message = "no vision model"
    if what == "text":
        BertModel(BertConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1,
                             num_attention_heads=2,
                             intermediate_size=8)).save_pretrained(folder)  # fmt: skip
        message = "does not read images"
    elif what != "nothing":
        wrong = {"size": {"size": "big"}, "colours": {"image_std": [0, 1, 1]}}
        save(vit(), folder, **wrong.get(what, {}))
        if what == "json":
            (folder / "preprocessor_config.json").write_text("{")
    with pytest.raises(ValueError, match=message):
        VisionEncoder(folder)


def test_by_name(picture, tmp_path):
    assert image_encoder("colours")(picture).shape == (720,)
    folder = save(vit(), tmp_path / "a:b")
    assert image_encoder(f"vision:{folder}")(picture).shape == (8,)
    assert name_encoder("ngrams") is encode_names
    for function, spec, message in [
        (image_encoder, "sharp", "no encoder 'sharp'; there are colours, vision"),
        (image_encoder, "vision", "vision:FOLDER"),
        (image_encoder, "colours:x", "takes no folder"),
        (name_encoder, "ngrams:x", "takes no folder"),
        (name_encoder, "x:y", "no encoder 'x'; there are ngrams, sentences"),
    ]:
        with pytest.raises(ValueError, match=message):
            function(spec)


def test_encoders_of_your_own(picture, tmp_path, monkeypatch):
    monkeypatch.setitem(IMAGE_ENCODERS, "size", lambda _: lambda path: np.array(
        [path.stat().st_size], dtype=np.float32))  # fmt: skip
    assert image_encoder("size")(Path(picture))[0] == picture.stat().st_size
    asked = []

    def lengths(texts):
        asked.append(list(texts))
        return np.array([[len(text)] for text in texts], dtype=np.float32)

    monkeypatch.setitem(NAME_ENCODERS, "length", lambda folder: lengths)
    for model in ("any", "other"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "weights").write_text(model)
    encoder = name_encoder(f"length:{tmp_path / 'any'}", tmp_path / "cache")
    assert encoder(["ab", "", "ab"]).ravel().tolist() == [2.0, 0.0, 2.0]
    assert encoder(["abc", "ab"]).ravel().tolist() == [3.0, 2.0]
    assert asked == [["ab", ""], ["abc"]]  # Each text once.
    other = name_encoder(f"length:{tmp_path / 'other'}", tmp_path / "cache")
    other(["ab"])
    assert asked[-1] == ["ab"]  # Another model has its own vectors.
    (tmp_path / "any" / "weights").write_text("new")
    name_encoder(f"length:{tmp_path / 'any'}", tmp_path / "cache")(["abc"])
    assert asked[-1] == ["abc"]  # So does a new one in the same folder.


def encoded_on_gpu(folder, picture):
    encoder = VisionEncoder(folder)
    assert {weight.device.type for weight in encoder.model.parameters()} == {"cuda"}
    return encoder(picture)


def test_a_vision_model_encodes_on_a_gpu(picture, tmp_path):
    folder = save(vit(), tmp_path / "vit")
    found = on_pretended_cuda(encoded_on_gpu, folder, picture)
    np.testing.assert_allclose(found, VisionEncoder(folder, "cpu")(picture), atol=1e-6)
    with pytest.raises(ValueError, match="device 'abacus' cannot be used"):
        image_encoder(f"vision:{folder}", device="abacus")


def test_encoders_of_your_own_are_told_the_device_if_they_ask(monkeypatch):
    def asks(folder, device=None):
        return lambda file: (folder, device)

    monkeypatch.setitem(IMAGE_ENCODERS, "asks", asks)
    monkeypatch.setitem(IMAGE_ENCODERS, "does not", lambda folder: lambda file: folder)
    assert image_encoder("asks:here", "cuda:1")("x.png") == ("here", "cuda:1")
    assert image_encoder("does not:here", "cuda:1")("x.png") == "here"
