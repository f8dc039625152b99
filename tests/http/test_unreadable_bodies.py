"""Bodies that can't be read: compressed, of another encoding, too deep. The error says what it is, and nothing is written."""

import gzip
import zlib
from typing import Any, Final

import pytest

from tests.conftest import Client
from tests.http.checks import is_error, names

BODY: Final = b'{"userName":"zo\xc3\xa9"}'
WAYS: Final = ["client", "port_client"]
TAKE_BODIES: Final = [
    ("POST", "/Users"), ("PUT", "/Users/{user}"), ("PATCH", "/Users/{user}"), ("POST", "/Groups"), ("POST", "/.search"),
    ("POST", "/Users/.search"), ("POST", "/Bulk"),
]  # fmt: skip


@pytest.fixture(params=WAYS)
def through(request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue(request.param)
    return client


@pytest.mark.parametrize(("method", "path"), TAKE_BODIES)
@pytest.mark.parametrize(
    ("coding", "named", "content"),
    [
        ("gzip", "'gzip'", gzip.compress(BODY, mtime=0)),
        ("GZIP", "'GZIP'", gzip.compress(BODY, mtime=0)),
        ("deflate", "'deflate'", zlib.compress(BODY)),
        ("br", "'br'", BODY),
        ("x-gzip", "'x-gzip'", BODY),
        ("identity, gzip", "'gzip'", BODY),
        ("gzip, gzip", "'gzip'", BODY),
        ("aes128gcm", "'aes128gcm'", BODY),
        ("utf-8", "'utf-8'", BODY),
        ("<script>", "of the body", BODY),
        ("x" * 1_000, "of the body", BODY),
        ("gzip", "'gzip'", b""),
    ],
)
def test_a_content_coding_is_415_that_names_it(
    client: Client, method: str, path: str, coding: str, named: str, content: bytes
) -> None:
    user = client.user("kept")["id"]
    answer = client.request(method, path.replace("{user}", user), content, headers={"Content-Encoding": coding})
    is_error(answer, 415)
    assert named in answer.json["detail"]
    assert "script" not in answer.json["detail"]
    assert answer.headers["accept-encoding"] == "identity"
    assert names(client.get("/Users")) == ["kept"]


@pytest.mark.parametrize("coding", ["identity", "Identity", "identity, identity", "", ","])
def test_the_coding_identity_is_accepted(through: Client, coding: str) -> None:
    answer = through.post("/Users", BODY, headers={"Content-Encoding": coding})
    assert answer.status == 201, answer.body
    through.delete(f"/Users/{answer.json['id']}")


def test_over_a_port_bodies_are_not_decompressed(port_client: Client) -> None:
    packed = gzip.compress(b'{"userName":"' + b"x" * 10_000_000 + b'"}')
    answer = port_client.post("/Users", packed, headers={"Content-Encoding": "gzip"})
    is_error(answer, 415)
    assert "'gzip'" in answer.json["detail"]


ENCODED: Final[dict[str, bytes]] = {
    "Latin-1": '{"userName":"zoé"}'.encode("latin-1"),
    "Windows-1252": '{"userName":"\N{EURO SIGN}"}'.encode("cp1252"),
    "Shift JIS": '{"userName":"\N{KATAKANA LETTER KA}"}'.encode("shift_jis"),
    "UTF-16 with a byte order mark": BODY.decode().encode("utf-16"),
    "UTF-16, little endian": BODY.decode().encode("utf-16-le"),
    "UTF-16, big endian": BODY.decode().encode("utf-16-be"),
    "UTF-16 of ASCII": b'{"userName":"zoe"}'.decode().encode("utf-16-le"),
    "UTF-32 with a byte order mark": BODY.decode().encode("utf-32"),
    "UTF-32, little endian": b'{"userName":"zoe"}'.decode().encode("utf-32-le"),
    "UTF-32, big endian": b'{"userName":"zoe"}'.decode().encode("utf-32-be"),
    "a lone surrogate": b'{"userName":"\xed\xa0\x80"}',
    "CESU-8": b'{"userName":"\xed\xa0\xbd\xed\xb8\x80"}',
    "an overlong slash": b'{"userName":"\xc0\xaf"}',
    "beyond Unicode": b'{"userName":"\xf4\x90\x80\x80"}',
    "cut off in a character": b'{"userName":"zo\xc3',
    "in a key": b'{"userName":"zoe","\xe9":1}',
    "gzip without a Content-Encoding": gzip.compress(BODY, mtime=0),
}


@pytest.mark.parametrize("content", ENCODED.values(), ids=ENCODED)
@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=iso-8859-1"])
def test_the_error_about_a_body_that_is_not_utf_8_says_so(client: Client, content: bytes, charset: str) -> None:
    headers = {"Content-Type": f"application/scim+json{charset}"}
    answer = client.post("/Users", content, headers=headers)
    is_error(answer, 400, "invalidSyntax")
    assert answer.json["detail"] == "The body must be encoded in UTF-8."
    assert names(client.get("/Users")) == []


@pytest.mark.parametrize(
    "charset", ["utf-8", "UTF8", '"utf-8"', "us-ascii", "iso-8859-1", "utf-16", "nonsense", "", "utf-8; charset=utf-16"]
)
def test_a_charset_does_not_matter_where_the_body_is_utf_8(through: Client, charset: str) -> None:
    """RFC 8259 §11: the parameter isn't defined for JSON, and has no effect."""
    answer = through.post("/Users", BODY, headers={"Content-Type": f"application/json; charset={charset}"})
    assert (answer.status, answer.json["userName"]) == (201, "zoé")
    through.delete(f"/Users/{answer.json['id']}")


def test_a_byte_order_mark_before_utf_8_is_ignored(client: Client) -> None:
    assert client.post("/Users", b"\xef\xbb\xbf" + BODY).json["userName"] == "zoé"
    assert (
        client.post("/Users", b"\xef\xbb\xbf\xef\xbb\xbf" + BODY).json["detail"].startswith("The body isn't valid JSON")
    )


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00x", "\\udc00\\ud800"])
def test_a_lone_surrogate_is_invalid_json(client: Client, text: str) -> None:
    answer = client.post("/Users", f'{{"userName":"{text}"}}'.encode())
    is_error(answer, 400, "invalidSyntax")
    assert answer.json["detail"].startswith("The body isn't valid JSON (line 1, column ")


@pytest.mark.parametrize(
    "content",
    [b"[" * 2_000, b'{"x":' * 2_000, b'{"userName":"u","x":' + b"[" * 1_500 + b"]" * 1_500 + b"}"],
    ids=["lists", "objects", "closed"],
)
def test_the_error_about_json_that_is_nested_too_deeply_says_so(through: Client, content: Any) -> None:
    answer = through.post("/Users", content)
    is_error(answer, 400, "invalidSyntax")
    assert "1,024 levels" in answer.json["detail"]
