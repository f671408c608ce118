"""Proofs of claims over HTTP, by a real server, and all that callers may try."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.client import IncompleteRead
from threading import Barrier
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.server import Server

from coopera.accounting.claims import ClaimTree
from coopera.protocol.claims import Claimable, keccak256, read_proof
from coopera.protocol.claims import written as in_hex
from coopera.units import AMOUNT_MAX

COUNT = 300
AT_ONCE = 200
IMMUTABLE = "public, max-age=31536000, immutable"
NAMES = st.one_of(
    st.text(
        st.characters(codec="utf-8", exclude_categories=("C", "Z")),
        min_size=1,
        max_size=40,
    ),
    st.text(st.sampled_from("/%2F.?#&+=;: \"'\\é"), min_size=1, max_size=8),
)
CLAIMS = st.lists(
    st.builds(Claimable, NAMES, NAMES, NAMES, st.integers(1, AMOUNT_MAX)),
    min_size=1,
    max_size=20,
    unique_by=lambda claim: (claim.vault, claim.asset, claim.account),
)


def several(count=COUNT, more=0):
    return [
        Claimable(
            f"vault-{i % 3}", "usd", f"contributor:m{i}", 1_000_000 * i + 1 + more
        )
        for i in range(count)
    ]


def url(epoch, claim):
    """Write the path of a claim, with everything encoded that may be."""
    names = (claim.vault, claim.asset, claim.account)
    return "/".join([f"/v1/claims/{epoch}", *(quote(name, safe="") for name in names)])


def content_of(folder):
    """Read all that is in a folder, with its times."""
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    }


def fill(folder):
    """Keep two epochs in a folder."""
    folder.mkdir()
    ClaimTree.of(several(), 7).save(folder / "claims-7")
    ClaimTree.of(several(more=5), 8).save(folder / "claims-8")
    return folder


@pytest.fixture
def folder(tmp_path):
    return fill(tmp_path / "claims")


@pytest.fixture
def http(serves, folder):
    return serves(folder)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Name a folder that stays as it is."""
    folder = fill(tmp_path_factory.mktemp("kept") / "claims")
    (folder / "books.db").write_bytes(b"secret")
    (folder / ".claims-9.17.part").write_bytes(b"secret")
    (folder.parent / "books.db").write_bytes(b"secret")
    return folder


@pytest.fixture(scope="module")
def kept_http(kept):
    with Server(kept) as server:
        yield server


# Proofs


@pytest.fixture
def place(tmp_path):
    """Name a folder that is served, too, and has nothing at first."""
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def of_place(serves, place):
    return serves(place)


@given(claims=CLAIMS, epoch=st.integers(0, AMOUNT_MAX))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_claim_is_served_as_the_tree_proves_it(place, of_place, claims, epoch):
    tree = ClaimTree.of(claims, epoch)
    tree.save(place / "claims")
    connection = of_place.connect()
    for claim in claims:
        proof = tree.proof(claim.vault, claim.asset, claim.account)
        for which in (epoch, "latest"):
            answer = of_place.ask(url(which, claim), on=connection)
            assert (answer.status, answer.told) == (200, proof.told())
            assert read_proof(answer.told).holds
    connection.close()


@pytest.mark.parametrize(
    ("vault", "written"),
    [
        ("a/b", "a%2Fb"),
        ("a/b", "a%2fb"),
        ("%2F", "%252F"),
        ("50%", "50%25"),
        ("..", ".."),
        (".", "%2e"),
        ("../../claims-8", "..%2F..%2Fclaims-8"),
        ("a b", "a%20b"),
        ("a+b", "a+b"),
        ("ж", "%D0%B6"),
        ("file", "file"),
        ("?a=1#b", "%3Fa%3D1%23b"),
        ("a:b@c", "a:b@c"),
        ("llm", "l%6Cm"),
    ],
)
def test_name_is_decoded_once_and_exactly(serves, tmp_path, vault, written):
    others = ("a", "b", "%", "/", "2F", "%2f", "a%20b", "a%2Bb")
    names = dict.fromkeys((vault, *others))
    claims = [Claimable(each, "usd", "me", n) for n, each in enumerate(names, 1)]
    ClaimTree.of(claims, 7).save(tmp_path / "claims")

    answer = serves(tmp_path).ask(f"/v1/claims/7/{written}/usd/me")

    assert answer.told["vault"] == vault
    assert answer.told["cumulative"] == 1


def test_query_is_not_a_part_of_a_name(kept_http):
    claim = several()[4]

    assert kept_http.ask(url(7, claim) + "?a=/b").told["account"] == claim.account


def test_claims_are_listed_by_epoch(http, folder):
    trees = {7: ClaimTree.of(several(), 7), 8: ClaimTree.of(several(more=5), 8)}
    epochs = {
        n: {
            "epoch": n,
            "root": tree.root,
            "claims": COUNT,
            "bytes": (folder / f"claims-{n}").stat().st_size,
        }
        for n, tree in trees.items()
    }

    assert http.ask("/v1/claims").told == {
        "latest": 8,
        "epochs": [epochs[8], epochs[7]],
        "damaged": [],
        "other_files": 0,
    }
    assert http.ask("/v1/claims/7").told == epochs[7]
    assert http.ask("/v1/claims/latest").told == epochs[8]


def test_two_hundred_ask_at_once(kept_http):
    claims = several()[:AT_ONCE]
    tree = ClaimTree.of(several(), 7)
    together = Barrier(AT_ONCE)

    def ask(claim):
        connection = kept_http.connect()
        connection.connect()
        together.wait()
        answers = [kept_http.ask(url(7, claim), on=connection).told for _ in range(3)]
        connection.close()
        return answers

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for claim, answers in zip(claims, pool.map(ask, claims), strict=True):
            proof = tree.proof(claim.vault, claim.asset, claim.account)
            assert answers == [proof.told()] * 3


# What may be asked, and how


ROUTES = (
    "/healthz",
    "/v1/claims",
    "/v1/claims/7",
    "/v1/claims/latest",
    "/v1/claims/7/file",
    "/v1/claims/7/vault-1/usd/contributor:m4",
)


@pytest.mark.parametrize(
    "method",
    ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "MOVE", "get"],
)
def test_nothing_can_be_done_but_reading(kept_http, kept, method):
    before = content_of(kept)
    for route in ROUTES:
        status, code, message = kept_http.ask(route, method).refusal
        assert (status, code) == (405, "not_allowed")
        assert message.startswith(f"{method} is not for this; nothing can be changed")
    assert content_of(kept) == before


def test_what_would_be_written_is_not_read(kept_http, kept):
    before = content_of(kept)
    connection = kept_http.connect()
    connection.request("PUT", "/v1/claims/9/file", body=b"x" * 1_000_000)
    assert connection.getresponse().status == 405
    connection.close()

    assert content_of(kept) == before
    assert kept_http.ask("/v1/claims").status == 200


@pytest.mark.parametrize("route", ROUTES)
def test_head_tells_what_get_would(kept_http, route):
    got, told = kept_http.ask(route), kept_http.ask(route, "HEAD")

    assert (told.status, told.body) == (200, b"")
    for answer in (got, told):
        del answer.headers["date"]
    assert told.headers == got.headers
    assert int(told.headers["content-length"]) == len(got.body)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/claims/",
        "/v1/claims/7/",
        "/v1/claims/7/books.db",
        "/v1/claims/7/file/",
        "/v1/claims/7/vault-1/usd",
        "/v1/claims/7/vault-1/usd/contributor:m4/",
        "/v1/claims/7/vault-1/usd/contributor:m4/x",
        "/v1/claims/7/vault-1//contributor:m4",
        "//v1/claims",
        "/V1/claims",
        "/books.db",
        "/../books.db",
        "/v1/claims/7/file/../../books.db",
        "/v1/../../books.db",
        "/docs",
        "/openapi.json",
        "/favicon.ico",
        "*",
        f"/{'x' * 5000}",
    ],
)
def test_what_is_no_route_is_not_there(kept_http, path):
    for method in ("GET", "HEAD", "POST"):
        answer = kept_http.ask(path, method)
        assert (answer.status, b"secret" in answer.body) == (404, False)
    status, code, message = kept_http.ask(path).refusal
    assert (status, code) == (404, "unknown_record")
    assert message.startswith(
        f"there is nothing at '{path[:80]}'; begin with /v1/claims"
    )


@pytest.mark.parametrize(
    "epoch",
    [
        "..",
        "%2e%2e",
        "..%2Fbooks.db",
        "books.db",
        "%00",
        ".claims-9.17.part",
        "/books.db",
    ],
)
def test_other_files_of_the_folder_cannot_be_had(kept_http, epoch):
    for path in (f"/v1/claims/{epoch}", f"/v1/claims/{epoch}/file"):
        answer = kept_http.ask(path)
        assert answer.status in (400, 404)
        assert b"secret" not in answer.body
    listed = kept_http.ask("/v1/claims")
    assert listed.told["other_files"] == 1
    assert b"books" not in listed.body


@pytest.mark.parametrize(
    ("path", "status", "code", "said"),
    [
        ("/v1/claims/x", 400, "malformed", "epoch is 'x'; it must be a whole number"),
        ("/v1/claims/07", 400, "malformed", "epoch is '07'; it must be a whole"),
        ("/v1/claims/-1", 400, "malformed", "epoch is '-1'; it must be a whole"),
        ("/v1/claims/7%2Ffile", 400, "malformed", "epoch is '7%2Ffile'; it must be a"),
        ("/v1/claims/../claims/7/..", 400, "malformed", "epoch is '..'; it must be a"),
        ("/v1/claims/%37", 400, "malformed", "epoch is '%37'; it must be a whole"),
        ("/v1/claims/7.0/file", 400, "malformed", "epoch is '7.0'; it must be"),
        ("/v1/claims/" + "9" * 17, 400, "malformed", f"epoch is '{'9' * 17}'; it"),
        ("/v1/claims/9", 404, "unknown_record", "there are no claims of epoch 9 here"),
        ("/v1/claims/9/file", 404, "unknown_record", "there are no claims of epoch 9"),
        ("/v1/claims/9/a/b/c", 404, "unknown_record", "there are no claims of epoch 9"),
        ("/v1/claims/7/a/b/c", 404, "unknown_record", "c has no claim to b of the va"),
        ("/v1/claims/7/%/b/c", 400, "malformed", "vault is '%'; write it in UTF-8"),
        ("/v1/claims/7/a/b/%2", 400, "malformed", "account is '%2'; write it in UTF"),
        ("/v1/claims/7/a/%GG/c", 400, "malformed", "asset is '%GG'; write it in UTF"),
        ("/v1/claims/7/%FF/b/c", 400, "malformed", "vault is '%FF'; write it in UTF"),
        ("/v1/claims/7/%ED%A0%80/b/c", 400, "malformed", "vault is '%ED%A0%80'; wri"),
        ("/v1/claims/7/%00/b/c", 400, "malformed", "vault is '\\x00'; it must be 1 "),
        ("/v1/claims/7/a%09b/b/c", 400, "malformed", "vault is 'a\\tb'; it must be 1"),
        ("/v1/claims/7/a/b/c%0A", 400, "malformed", "account is 'c\\n'; it must be 1"),
        (f"/v1/claims/7/a/b/{'x' * 201}", 400, "malformed", "account is 'xxxxxxxxx"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_one_sentence(
    kept_http, path, status, code, said
):
    refusal = kept_http.ask(path).refusal

    assert refusal[:2] == (status, code)
    assert refusal[2].startswith(said)
    assert kept_http.ask(path, "HEAD").status == status


def raw(http, content):
    """Send what no client would: what comes back until the connection is closed."""
    with socket.create_connection(("127.0.0.1", http.port), timeout=60) as sent:
        try:
            sent.sendall(content)
            sent.shutdown(socket.SHUT_WR)
        except OSError:
            return b""
        received = b""
        try:
            while some := sent.recv(65536):
                received += some
        except ConnectionResetError:
            pass
        return received


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/claims/7/\xff/usd/x HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/claims HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /v1/claims HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        b"GET /" + b"x" * 3_000_000,
        b"GET /" + b"x" * 3_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"X-Endless: " + b"x" * 3_000_000,
    ],
)
def test_what_is_no_request_harms_nobody_and_fills_no_log(kept_http, content, caplog):
    caplog.clear()
    received = raw(kept_http, content)

    assert received == b"" or received.startswith(b"HTTP/1.1 4")
    assert kept_http.ask("/v1/claims").status == 200
    assert caplog.text == ""


# Caches and browsers


@pytest.mark.parametrize("route", ROUTES[1:])
def test_what_the_caller_has_is_not_sent_again(kept_http, route):
    got = kept_http.ask(route)
    etag = got.headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = kept_http.ask(route, If_None_Match=known)
        assert (again.status, again.body) == (304, b"")
        for name in ("etag", "cache-control"):
            assert again.headers[name] == got.headers[name]
    assert kept_http.ask(route, If_None_Match='"other"').body == got.body


def test_proofs_of_an_epoch_may_be_kept_forever_and_others_briefly(kept_http):
    proof = "vault-1/usd/contributor:m4"
    for part in ("", "/file", f"/{proof}"):
        kept = kept_http.ask(f"/v1/claims/7{part}").headers["cache-control"]
        briefly = kept_http.ask(f"/v1/claims/latest{part}").headers["cache-control"]
        assert (kept, briefly) == (IMMUTABLE, "public, max-age=5")
    assert kept_http.ask("/v1/claims").headers["cache-control"] == "public, max-age=5"
    assert kept_http.ask("/healthz").headers["cache-control"] == "no-store"


def test_etag_of_the_latest_changes_with_the_epoch_though_nobody_earned(http, folder):
    claims = several(more=5)
    paths = ("/v1/claims/latest", "/v1/claims/latest/file", url("latest", claims[3]))
    before = {path: http.ask(path).headers["etag"] for path in paths}
    listed = http.ask("/v1/claims").headers["etag"]
    ClaimTree.of(claims, 9).save(folder / "claims-9")

    for path, etag in before.items():
        assert http.ask(path, If_None_Match=etag).status == 200
    assert http.ask(paths[-1]).told["epoch"] == 9
    assert http.ask("/v1/claims", If_None_Match=listed).status == 200


def test_browsers_may_read_everything_from_anywhere(kept_http):
    for route in (*ROUTES, "/nothing", "/v1/claims/x", "/v1/claims/9"):
        for asked in ({"Origin": "https://wallet.example"}, {}):
            headers = kept_http.ask(route, **asked).headers
            assert headers["access-control-allow-origin"] == "*"
            assert "ETag" in headers["access-control-expose-headers"]
            assert headers["x-content-type-options"] == "nosniff"


def test_browsers_are_told_what_they_may_send(kept_http):
    for route in ROUTES:
        answer = kept_http.ask(
            route,
            "OPTIONS",
            Origin="https://wallet.example",
            Access_Control_Request_Method="GET",
            Access_Control_Request_Headers="if-none-match",
        )
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
        assert answer.headers["access-control-allow-headers"] == "*"
    assert kept_http.ask("/nothing", "OPTIONS").status == 404


# The file of all claims


def test_file_is_given_as_it_is(kept_http, kept):
    answer = kept_http.ask("/v1/claims/7/file")

    assert answer.body == (kept / "claims-7").read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == 'attachment; filename="claims-7"'
    assert kept_http.ask("/v1/claims/latest/file").body == (
        (kept / "claims-8").read_bytes()
    )


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=5-99", slice(5, 100)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=-99999999", slice(None)),
        ("bytes=10-99999999", slice(10, None)),
        # As HTTP has it, what is not understood is as if it were not there.
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=1-2,5-6", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 30 + "-", None),
        ("lines=1-2", None),
        ("", None),
    ],
)
def test_part_of_the_file(kept_http, kept, asked, part):
    content = (kept / "claims-7").read_bytes()
    answer = kept_http.ask("/v1/claims/7/file", Range=asked)

    if part is None:
        assert (answer.status, answer.body) == (200, content)
        assert "content-range" not in answer.headers
        return
    assert (answer.status, answer.body) == (206, content[part])
    start, stop, _ = part.indices(len(content))
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(content)}"


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=999999-9999999", "bytes=-0"])
def test_part_that_the_file_does_not_have_is_refused(kept_http, kept, asked):
    size = (kept / "claims-7").stat().st_size
    answer = kept_http.ask("/v1/claims/7/file", Range=asked)

    status, code, message = answer.refusal
    assert (status, code) == (416, "malformed")
    assert message.endswith(
        f"the file has {size} bytes; ask for an earlier part, or for all of it"
    )
    assert answer.headers["content-range"] == f"bytes */{size}"


def test_part_is_given_of_the_same_file_only(kept_http):
    etag = kept_http.ask("/v1/claims/7/file").headers["etag"]

    for had, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200)):
        answer = kept_http.ask("/v1/claims/7/file", Range="bytes=5-", If_Range=had)
        assert answer.status == status


def test_download_that_was_broken_off_goes_on(kept_http, kept):
    content = b""
    size = int(kept_http.ask("/v1/claims/7/file", "HEAD").headers["content-length"])
    while len(content) < size:
        stop = len(content) + 4999
        content += kept_http.ask(
            "/v1/claims/7/file", Range=f"bytes={len(content)}-{stop}"
        ).body

    assert content == (kept / "claims-7").read_bytes()


def large(path, size):
    """Write a file that is one of claims as far as is seen when it is opened."""
    text, root = b"x" * size, sha256(b"root").digest()
    told = {"format": "coopera claims", "version": 1, "epoch": 9, "claims": 1}
    line = json.dumps({**told, "bytes": size, "root": in_hex(root)}).encode()
    check = in_hex(keccak256()(line)).encode()
    path.write_bytes(b"\n".join((line, check, text + root)))


def test_large_file_comes_whole_while_others_are_answered(http, folder):
    large(folder / "claims-9", 30_000_000)
    connection = http.connect()
    connection.request("GET", "/v1/claims/9/file")
    response = connection.getresponse()
    content = response.read(1_000_000)
    assert http.ask(url(7, several()[3])).status == 200
    # The file is another one now, and this answer is of the one that it was.
    expected = (folder / "claims-9").read_bytes()
    ClaimTree.of(several(3), 9).save(folder / "claims-9")
    assert http.ask("/v1/claims/9").told["claims"] == 3

    assert content + response.read() == expected
    connection.close()


def test_file_that_is_cut_while_it_is_sent_ends_the_answer_and_nothing_else(
    http, folder, caplog
):
    large(folder / "claims-9", 100_000_000)
    connection = http.connect()
    connection.request("GET", "/v1/claims/9/file")
    response = connection.getresponse()
    assert response.status == 200
    os.truncate(folder / "claims-9", 20_000_000)

    with pytest.raises(IncompleteRead):
        response.read()
    connection.close()
    assert http.ask(url(7, several()[3])).status == 200
    http.stop()
    assert "an answer was broken off: " in caplog.text
    assert "claims-9 was cut while it was read, to 20000000 bytes" in caplog.text
    assert "Traceback" not in caplog.text


def test_who_leaves_in_the_middle_of_an_answer_harms_nobody(http, folder):
    large(folder / "claims-9", 100_000_000)
    for _ in range(5):
        connection = http.connect()
        connection.request("GET", "/v1/claims/9/file")
        connection.getresponse().read(10)
        connection.close()

    assert http.ask(url(7, several()[3])).status == 200


# A folder that changes


def test_new_epoch_is_served_at_once(http, folder):
    claim = several()[3]
    assert http.ask(url(9, claim)).status == 404
    tree = ClaimTree.of([claim], 9)
    tree.save(folder / "claims-9")

    assert http.ask("/v1/claims").told["latest"] == 9
    answer = http.ask(url("latest", claim))
    assert answer.told == tree.proof(claim.vault, claim.asset, claim.account).told()


def test_damaged_file_is_told_of_and_the_others_are_served(http, folder):
    content = (folder / "claims-8").read_bytes()
    (folder / "claims-9").write_bytes(content[:-1])
    os.truncate(folder / "claims-8", 1000)

    assert http.ask("/v1/claims").told["damaged"] == [
        {
            "file": f"claims-{n}",
            "error": {
                "code": "unreadable",
                "message": f"claims-{n} has {size} bytes and must have {len(content)}; "
                "fetch the file again",
            },
        }
        for n, size in ((8, 1000), (9, len(content) - 1))
    ]
    assert http.ask("/healthz").told == {
        "status": "ok",
        "epochs": 1,
        "latest": 7,
        "damaged": 2,
    }
    assert http.ask(url("latest", several()[3])).told["epoch"] == 7


def test_cut_that_was_not_noticed_yet_is_told_to_whoever_needs_what_is_gone(
    serves, folder
):
    http = serves(folder, look_seconds=3600)
    claim = several()[3]
    assert http.ask(url(8, claim)).status == 200
    os.truncate(folder / "claims-8", 200)

    answer = http.ask(url(8, claim))
    status, code, message = answer.refusal
    assert (status, code) == (503, "unreadable")
    assert message.startswith("claims-8 was cut while it was read, to 200 bytes;")
    assert answer.headers["retry-after"] == "1"
    assert http.ask(url(7, claim)).status == 200


def test_claim_that_was_altered_is_not_proven(http, folder):
    content = (folder / "claims-8").read_bytes()
    assert content.count(b"\tcontributor:m4\t4000006\n") == 1
    (folder / "claims-8").write_bytes(content.replace(b"\t4000006\n", b"\t9000006\n"))
    claims = several()

    status, code, message = http.ask(url(8, claims[4])).refusal
    assert (status, code) == (503, "unreadable")
    assert message.startswith("claims-8 was altered: no path leads from the claim of c")
    assert http.ask(url(8, claims[5])).status == 200
    (damaged,) = http.ask("/v1/claims").told["damaged"]
    assert damaged["error"]["message"] == message


def test_epoch_with_two_roots_is_not_served(http, folder):
    ClaimTree.of(several(), 8).save(folder / "other")

    status, code, message = http.ask(url(8, several()[3])).refusal
    assert (status, code) == (503, "inconsistent")
    assert message.startswith("claims-8 and other are both of epoch 8 and have differe")
    assert http.ask("/v1/claims/latest").told["epoch"] == 7


def test_folder_that_is_taken_away(http, folder, tmp_path):
    claim = several()[3]
    assert http.ask(url(8, claim)).status == 200
    folder.rename(tmp_path / "elsewhere")

    status, code, message = http.ask("/healthz").refusal
    assert (status, code) == (503, "unreadable")
    assert "No such file" in message
    assert str(tmp_path) not in message
    assert http.ask(url(8, claim)).status == 200
    (tmp_path / "elsewhere").rename(folder)
    assert http.ask("/healthz").status == 200


def test_nobody_is_told_where_the_files_are(http, folder):
    (folder / "claims-9").write_bytes((folder / "claims-8").read_bytes()[:-1])
    content = (folder / "claims-7").read_bytes()
    (folder / "claims-7").write_bytes(content[:-64] + b"\0" * 64)
    answers = [http.ask(url(7, claim)) for claim in several()]
    answers += [http.ask("/v1/claims"), http.ask("/healthz")]

    assert 503 in {each.status for each in answers}
    assert not [each for each in answers if str(folder.parent).encode() in each.body]


def test_error_of_the_program_is_told_in_the_log_alone(http, monkeypatch, caplog):
    def broken(_epoch):
        raise AssertionError("the secret cause")

    monkeypatch.setattr(http.files, "known", broken)
    status, code, message = http.ask("/v1/claims/7").refusal

    assert (status, code) == (500, "failed")
    assert message.startswith("this program has an error")
    monkeypatch.undo()
    assert http.ask("/v1/claims/7").status == 200
    http.stop()
    assert "the secret cause" in caplog.text
