# ruff: noqa: F401, F811
import base64
import io

from PIL import Image
from reviewed_run import data, files

from pyg_ibmea.review import EntityView
from pyg_ibmea.review.entity_view import short_name


def test_a_card_shows_all_there_is(data, files):
    found = EntityView(data, "a", files, pixels=240).card(data.uri["a"][2])
    image = found.pop("image")
    assert found == {
        "graph": "a",
        "uri": "http://a.org/e2",
        "name": "Two",
        "relations": [
            {"name": "near", "arrow": "→", "others": ["<b>Three</b>"], "more": 0},
            {"name": "near", "arrow": "←", "others": ["e1"], "more": 0},
        ],
        "values": [["height", "12.5"]],
    }
    head, _, body = image.partition(",")
    assert head == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(body))).size == (240, 120)


def test_without_files_there_are_the_neighbours(data):
    found = EntityView(data, "b").card(data.uri["b"][0])
    assert found == {
        "graph": "b",
        "uri": "http://b.org/e0",
        "relations": [{"name": "near", "arrow": "→", "others": ["e1"], "more": 0}],
        "values": [],
    }


def test_many_neighbours_are_counted(data):
    data["b", "rel", "b"].edge_index[0] = 0
    card = EntityView(data, "b").card(data.uri["b"][0])
    [one] = [found for found in card["relations"] if found["arrow"] == "→"]
    assert (len(one["others"]), one["more"]) == (6, 1)
    text = EntityView(data, "b").describe(data.uri["b"][0])
    assert text["neighbours"][0] == "near → e1"


def test_a_picture_that_cannot_be_read_is_left_out(data, files):
    (files.folder / "images" / "e2.png").write_bytes(b"no picture")
    assert "image" not in EntityView(data, "a", files).card(data.uri["a"][2])


def test_short_names():
    assert short_name("http://x.org/a#b") == "b"
    assert short_name("http://x.org/") == "x.org"
    assert short_name("/") == "/"
