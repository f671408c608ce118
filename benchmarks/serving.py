"""
A server of claims in a process of its own, for `benchmarks.claims`.

Beside the real one stands, as the same process, a bare application: it answers with
bytes that it was given, and nothing is looked up.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from coopera.accounting.claim_files import ClaimFiles
from coopera.api import serving
from coopera.api.application import application


def main(path: Path, content: bytes) -> None:
    """Serve on a free port, which is printed."""
    served = application(ClaimFiles(path))

    async def both(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].startswith("/v1/"):
            await served(scope, receive, send)
            return
        bare = scope["path"] == "/bare"
        body = content if bare else json.dumps(time.process_time()).encode()
        length = str(len(body)).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", length)]
        start = {"type": "http.response.start", "status": 200, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})

    with serving.listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        serving.serve(both, listening, lambda: print(port, flush=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].encode())
