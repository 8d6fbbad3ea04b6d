"""A review as a page on this machine, by Python's own web server."""

from __future__ import annotations

import hmac
import json
import secrets
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pyg_ibmea.review._page import page
from pyg_ibmea.review.session import Session, StaleQuestionError

_MOST = 4096  # Bytes of a request's body.
_SECONDS = 30.0  # For a request to arrive.


class ReviewServer(ThreadingHTTPServer):
    """Serves the page of a review on 127.0.0.1, to those who know its address.

    The address holds a random token; whoever asks without it, or under another host
    name than this machine's own, gets nothing. No page of another site can read or
    answer a question.

    Args:
        session (Session): The review.
        port (int, optional): The port. (default: :obj:`0`, any that is free)

    Attributes:
        token (str): The token.
        url (str): The address of the page.

    Raises:
        OSError: If the port is in use.
    """

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.session = session
        self.token = secrets.token_urlsafe(32)

    @property
    def port(self) -> int:
        """The port."""
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def state(self) -> dict[str, Any]:
        """What the page shows: the question that is asked now, and the progress."""
        with self.session.lock:
            return {
                "question": self.session.question(),
                "progress": asdict(self.session.progress),
                "farewell": self.session.farewell,
            }


class _Refused(Exception):
    """A request that gets no more than a status and a sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version = "pyg-ibmea"
    sys_version = ""
    timeout = _SECONDS

    def do_GET(self) -> None:
        """Answers with the page or the question."""
        self._reply(self._get)

    def do_POST(self) -> None:
        """Takes an answer, or takes one back."""
        self._reply(self._post)

    def _reply(self, reply: Any) -> None:
        try:
            reply(self._checked_path())
        except _Refused as refused:
            self._send(refused.status, "text/plain", f"{refused}\n")
        except OSError as error:  # Such as a full disk; the page shows why.
            self._send(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain", f"{error}\n")

    def _checked_path(self) -> str:
        """What is asked for, behind the token."""
        port = self.server.port
        if self.headers.get("Host") not in (f"127.0.0.1:{port}", f"localhost:{port}"):
            raise _Refused(HTTPStatus.FORBIDDEN, "not under this host name")
        _, _, rest = self.path.partition("/")
        token, _, path = rest.partition("/")
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "open the address that was printed")
        return path

    def _get(self, path: str) -> None:
        if path == "":
            nonce = secrets.token_urlsafe(16)
            self._send(HTTPStatus.OK, "text/html", page(nonce), nonce)
        elif path == "state":
            self._send_state()
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")

    def _post(self, path: str) -> None:
        if path not in ("answer", "undo"):
            raise _Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        # A form of another site cannot send this type.
        if self.headers.get("Content-Type", "").split(";")[0] != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON")
        body = self._body()
        if path == "undo":
            if not self.server.session.undo():
                raise _Refused(HTTPStatus.CONFLICT, "there is nothing to undo")
        else:
            self._answer(body)
        self._send_state()

    def _answer(self, body: Any) -> None:
        number = body.get("number") if isinstance(body, dict) else None
        kind = body.get("answer") if isinstance(body, dict) else None
        if type(number) is not int or not isinstance(kind, str):
            raise _Refused(HTTPStatus.BAD_REQUEST, "send a number and an answer")
        try:
            self.server.session.answer(number, kind)
        except StaleQuestionError as error:
            raise _Refused(HTTPStatus.CONFLICT, str(error)) from None
        except ValueError as error:
            raise _Refused(HTTPStatus.BAD_REQUEST, str(error)) from None

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "say how long the body is")
        if int(length) > _MOST:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None

    def _send_state(self) -> None:
        text = json.dumps(self.server.state())
        self._send(HTTPStatus.OK, "application/json", text)

    def _send(self, status: HTTPStatus, kind: str, text: str, nonce: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        inline = f"'nonce-{nonce}'" if nonce else "'none'"
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"default-src 'none'; img-src data:; "
            f"style-src {inline}; script-src {inline}; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the token would be in it."""
