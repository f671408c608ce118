"""A real server of claims, in a thread of this process, and a client."""

import json
import threading
from http.client import HTTPConnection
from typing import Any, NamedTuple

from coopera.accounting.claim_files import ClaimFiles
from coopera.api import serving
from coopera.api.application import application

ENOUGH = 60
"""Seconds that no answer takes."""


class Answer(NamedTuple):
    """What was answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Status, code and sentence; nothing else may be told."""
        (error,) = self.told.values()
        code, message = error.values()
        assert list(error) == ["code", "message"]
        assert "\n" not in message
        assert "; " in message
        assert self.headers["cache-control"] == "no-store"
        return self.status, code, message


class Server:
    """A server of claims in a folder."""

    def __init__(self, folder, look_seconds=0):
        self.files = ClaimFiles(folder, look_seconds)
        self.listening = serving.listen("127.0.0.1", 0)
        self.port = self.listening.getsockname()[1]
        self._server = serving.server(application(self.files))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self.listening]}
        )
        self._thread.start()

    def connect(self):
        return HTTPConnection("127.0.0.1", self.port, timeout=ENOUGH)

    def ask(self, path, method="GET", on=None, **headers) -> Answer:
        """Ask for a path as it is written, on a connection of its own or another."""
        connection = on or self.connect()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        response = connection.getresponse()
        names = {name.lower(): value for name, value in response.getheaders()}
        answer = Answer(response.status, names, response.read())
        if on is None:
            connection.close()
        return answer

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._server.should_exit = True
        self._thread.join(ENOUGH)
        assert not self._thread.is_alive()
