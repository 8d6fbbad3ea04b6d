# ruff: noqa: F401, F811
"""The page over HTTP, as a browser and as an attacker would ask for it."""

import http.client
import json
import threading
import urllib.error
import urllib.request

import pytest
from reviewed_run import alignment, data, files, make_session, run

from pyg_ibmea.review import ReviewServer
from pyg_ibmea.train import read_answers


@pytest.fixture
def server(make_session):
    with ReviewServer(make_session()) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(url):
    with urllib.request.urlopen(url, timeout=20) as reply:
        return reply.read().decode(), reply.headers


def post(url, body, kind="application/json"):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.loads(reply.read())


def refusal(ask, *arguments):
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(*arguments)
    with error.value as reply:
        return reply.code, reply.read().decode()


def raw(server, method, path, headers, body=b""):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.putrequest(method, path, skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    reply = connection.getresponse()
    found = reply.status, reply.read()
    connection.close()
    return found


def test_a_review(server, run):
    text, headers = get(server.url)
    assert "<title>Are these the same?</title>" in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    state = json.loads(get(server.url + "state")[0])
    assert state["question"]["source"]["name"] == "Two"
    assert state["question"]["source"]["image"].startswith("data:image/png;base64,")
    state = post(server.url + "answer", {"number": 0, "answer": "same"})
    assert state["question"]["number"] == 1
    assert state["progress"]["same"] == 1
    state = post(server.url + "answer", {"number": 1, "answer": "different"})
    state = post(server.url + "undo", {})
    assert state["question"]["number"] == 1
    assert state["progress"]["different"] == 0
    told = [answer.answer for answer in read_answers(run)]
    assert told == ["same", "different", "undo"]


def test_the_last_question(server):
    for number in range(6):
        state = post(server.url + "answer", {"number": number, "answer": "skip"})
    assert state["question"] is None
    assert "train --continue" in state["farewell"]


@pytest.mark.parametrize("path", ["", "state", "answer"])
@pytest.mark.parametrize("token", ["", "wrong", "é"])
def test_without_the_token_there_is_nothing(server, run, path, token):
    port = server.port
    url = f"/{token}/{path}".encode().decode("latin-1")
    host = {"Host": f"127.0.0.1:{port}"}
    status, body = raw(server, "GET", urllib.request.quote(url), host)
    assert status == 403
    assert server.token.encode() not in body
    more = {"Content-Type": "application/json", "Content-Length": "2"}
    quoted = urllib.request.quote(url)
    assert raw(server, "POST", quoted, {**host, **more}, b"{}")[0] == 403
    assert read_answers(run) == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", ""]
)
def test_another_host_name_gets_nothing(server, host):
    headers = {"Host": host.format(port=server.port)} if host else {}
    assert raw(server, "GET", f"/{server.token}/state", headers)[0] == 403
    headers = {"Host": f"localhost:{server.port}"}
    assert raw(server, "GET", f"/{server.token}/state", headers)[0] == 200


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ({"number": 0, "answer": "same"}, "text/plain", 415),
        ({"number": 0, "answer": "same"}, "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"[" * 4000, "application/json", 400),
        (b"\xff", "application/json", 400),
        ([], "application/json", 400),
        ({"number": True, "answer": "same"}, "application/json", 400),
        ({"number": "0", "answer": "same"}, "application/json", 400),
        ({"number": 0, "answer": 1}, "application/json", 400),
        ({"number": 0, "answer": "perhaps"}, "application/json", 400),
        ({"number": 0, "answer": "undo"}, "application/json", 400),
        ({"number": 1, "answer": "same"}, "application/json", 409),
        ({"number": -1, "answer": "same"}, "application/json", 409),
        (b" " * 5000, "application/json", 413),
    ],
)
def test_bad_answers(server, run, body, kind, status):
    assert refusal(post, server.url + "answer", body, kind)[0] == status
    assert read_answers(run) == []
    assert json.loads(get(server.url + "state")[0])["question"]["number"] == 0


def test_other_bad_requests(server):
    assert refusal(get, server.url + "other")[0] == 404
    assert refusal(post, server.url + "other", {})[0] == 404
    assert refusal(post, server.url + "undo", {}) == (409, "there is nothing to undo\n")
    host = {"Host": f"127.0.0.1:{server.port}", "Content-Type": "application/json"}
    path = f"/{server.token}/undo"
    assert raw(server, "POST", path, host)[0] == 411
    assert raw(server, "POST", path, {**host, "Content-Length": "-1"})[0] == 411
    assert raw(server, "DELETE", path, host)[0] == 501


def test_a_click_that_comes_twice_counts_once(server, run):
    threads = []
    statuses = []

    def click():
        try:
            post(server.url + "answer", {"number": 0, "answer": "same"})
            statuses.append(200)
        except urllib.error.HTTPError as error:
            statuses.append(error.code)
            error.close()

    for _ in range(5):
        threads.append(threading.Thread(target=click))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 409, 409, 409, 409]
    assert len(read_answers(run)) == 1


def test_an_answer_that_cannot_be_written_is_told(server, run):
    (run / "answers.tsv").mkdir()
    status, text = refusal(post, server.url + "answer", {"number": 0, "answer": "same"})
    assert status == 500
    assert "answers.tsv" in text


def test_it_listens_on_this_machine_only(server):
    assert server.server_address[0] == "127.0.0.1"
    assert len(server.token) >= 43


def test_markup_in_names_stays_text(server):
    text = get(server.url)[0]
    assert "innerHTML" not in text
    assert "<b>Three</b>" not in text  # It comes as data, and is shown as text.
