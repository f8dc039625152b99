"""What a report shows, and what it never does."""

import base64
import json
from html.parser import HTMLParser
from urllib.parse import quote

import pytest

from scim.doctor.catalogue import Report
from scim.doctor.checks import CHECKS
from scim.doctor.page import as_html
from scim.doctor.report import as_json, as_text
from scim.doctor.verdicts import Verdict
from tests.doctor.served import Bent, Fault, Got, Sent, Serve, bent, examined, refused, sound

TOKEN = 'sEcret/"tok<en&+4711.withPartsThatAreLong=='
TESTS = "a-token-for-tests"
_FORMS = (as_text, as_json, as_html)
_HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>\x1b[2J\u202e</pre></details>"


def _sent_back(sent: Sent, serve: Serve) -> Got:
    """Everything the server got, in every form, in an error."""
    token = sent.headers.get("authorization", "").removeprefix("Bearer ")
    echoed = {
        "detail": f"not {token} nor {quote(token, safe='')} nor {base64.b64encode(token.encode()).decode()}",
        "password": "a-password-of-somebody",  # pragma: allowlist secret - must be hidden
        "headers": sent.headers,
        "upper": token.upper(),
        "jwt": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl",  # pragma: allowlist secret - the same
    }
    return Got(500, echoed, {"content-type": "text/html", "x-echo": token, "set-cookie": "session=abcdef"})


def _hostile(sent: Sent, serve: Serve) -> Got:
    return Got(
        500,
        {"detail": _HOSTILE},
        {"content-type": "text/html", "x-hostile": _HOSTILE.translate({0x1B: None, 0x202E: None})},
    )


def _report(fault: object, token: str = TOKEN, url: str = "https://scim.example.com/scim/v2") -> Report:
    with bent(fault) as server:  # type: ignore[arg-type]
        return examined(server, url=url, token=token)


@pytest.mark.parametrize("form", _FORMS)
def test_the_token_is_in_no_format_even_if_the_server_sends_it_back(form: object) -> None:
    shown = form(_report(_sent_back))  # type: ignore[operator]
    lowered = shown.lower()
    for secret in (TOKEN, quote(TOKEN, safe=""), base64.b64encode(TOKEN.encode()).decode(), "withPartsThatAreLong"):
        assert secret.lower() not in lowered
        assert json.dumps(secret)[1:-1].lower() not in lowered
    assert "[hidden]" in shown
    for other in ("a-password-of-somebody", "session=abcdef", "eyJhbGciOiJub25lIn0"):
        assert other not in shown


@pytest.mark.parametrize("form", _FORMS)
def test_a_key_in_the_url_is_in_no_format(form: object) -> None:
    report = _report(_sent_back, url="https://scim.example.com/scim/v2?code=function-key-4711")
    assert "function-key-4711" not in form(report)  # type: ignore[operator]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_escapes_what_a_hostile_server_sends() -> None:
    page = _Page()
    page.feed(as_html(_report(_hostile)))
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert not {"src", "onerror", "style"} & {name for name, _ in page.attributes}
    assert {value for name, value in page.attributes if name == "href"} <= {f"#{check.id}" for check in CHECKS}
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_html_is_one_page_that_fetches_nothing_and_follows_the_colour_scheme() -> None:
    shown = as_html(_report(_hostile))
    assert shown.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in shown
    assert "prefers-color-scheme: dark" in shown
    assert "url(" not in shown
    assert "@import" not in shown


def test_text_has_no_characters_that_steer_a_terminal() -> None:
    shown = as_text(_report(_hostile))
    assert not [letter for letter in shown if ord(letter) < 32 and letter != "\n"]
    assert "\u202e" not in shown


def test_json_holds_every_check_with_its_evidence() -> None:
    with bent() as server:
        read = json.loads(as_json(examined(server, write=False)))
    assert read["summary"]["fail"] == 0
    assert read["complete"] is True
    found = {one["id"]: one for one in read["checks"]}
    assert found["test-connection"]["verdict"] == "pass"
    evidence = found["test-connection"]["evidence"][0]
    assert evidence["status"] == 200
    assert evidence["sent"]["Authorization"] == "[hidden]"
    assert json.loads(evidence["body"])["totalResults"] == 0
    assert {"effect", "fix", "found", "title"} <= found["test-connection"].keys()
    assert read["fixFirst"] == []


def test_other_peoples_values_are_not_shown() -> None:
    with bent() as server:
        _person(server)
        report = examined(server)
    for form in _FORMS:
        shown = form(report)
        assert "quentina" not in shown.lower()
    assert not report.left_behind


def test_whoever_the_token_belongs_to_and_resources_of_an_own_type_are_not_shown() -> None:
    me = {"id": "1", "userName": "quentina@example.com", "displayName": "Quentina"}
    device = {"id": "2", "endpoint": "https://quentina.example.com", "attributes": ["quentina"]}
    devices = {"id": "Device", "name": "Device", "endpoint": "/Devices", "schema": "urn:example:2.0:Device"}

    def personal(sent: Sent, serve: Serve) -> Got:
        if sent.path == "/Me":
            return Got(200, me)
        got = serve(sent)
        if sent.path == "/Devices":
            return serve(sent.but(path="/Users")).having(Resources=[device], totalResults=1)
        return got.having(Resources=[*got.body["Resources"], devices]) if sent.path == "/ResourceTypes" else got

    report = _report(personal, token=TESTS)
    shown = [result.evidence[-1] for result in report.results if result.check.id in {"me", "resource-types-served"}]
    assert [(one.status, one.url.rpartition("/")[2].partition("?")[0]) for one in shown] == [
        (200, "Devices"),
        (200, "Me"),
    ]
    for form in _FORMS:
        assert "quentina" not in form(report).lower()


def _verbose(sent: Sent, serve: Serve) -> Got:
    """Refuses every change, and answers with bodies and details of 100,000 characters."""
    got = serve(sent)
    if sent.method == "GET":
        return got
    return refused(400, '"' * 100_000).but(headers={**got.headers, "x-long": "x" * 5_000})


@pytest.mark.parametrize("fault", [sound, _verbose, _hostile])
def test_html_is_below_300_kb_whatever_the_server_sends(fault: Fault) -> None:
    assert len(as_html(_report(fault, token=TESTS)).encode()) < 300_000


def test_html_shows_every_check_or_those_of_one_verdict() -> None:
    shown = as_html(_report(_refuses_strings))
    page = _Page()
    page.feed(shown)
    buttons = [value for name, value in page.attributes if name == "id" and str(value).startswith("show-")]
    assert buttons == ["show-all", "show-pass", "show-fail", "show-warning", "show-skipped"]
    # What the style does with them needs no script, which the page's policy wouldn't run.
    for verdict in Verdict:
        assert f"body:has(#show-{verdict}:checked) details:not(.{verdict})" in shown


def _refuses_strings(sent: Sent, serve: Serve) -> Got:
    """Refuses strings for booleans, operations without a path, and groups."""
    if sent.method == "PATCH" and any(
        op.get("value") in ("False", "True") or "path" not in op for op in sent.operations
    ):
        return refused(400, "no strings, no operations without a path")
    if sent.method == "POST" and sent.path == "/Groups":
        return refused(400, "no groups")
    return serve(sent)


@pytest.mark.parametrize("form", _FORMS)
def test_every_format_begins_with_what_to_fix_first(form: object) -> None:
    report = _report(_refuses_strings, token=TESTS)
    # Groups can't be created, then nobody can be disabled, then other changes fail.
    assert [one.check.id for one in report.fix_first] == ["group-create", "disable", "patch-no-path"]
    assert report.waiting["group-create"] > 10
    shown = form(report)  # type: ignore[operator]
    assert shown.index("group-create") < shown.index("disable") < shown.index("test-connection")


def test_a_text_colours_verdicts_but_no_count_of_zero() -> None:
    with bent(_refuses_strings) as server:
        report = examined(server, write=False)
    shown = as_text(report, lambda text, verdict: f"<{verdict}>{text}</>")
    assert "<pass>pass    </> reachable" in shown
    assert f"<pass>{report.count(Verdict.PASS)} pass</>, 0 fail, 0 warning, <skipped>" in shown


def test_long_bodies_are_cut() -> None:
    long = lambda sent, serve: refused(500, "x" * 100_000)  # noqa: E731
    assert len(as_text(_report(long))) < 80_000


def _person(server: Bent) -> None:
    body = {"userName": "quentina@example.com", "displayName": "Quentina", "externalId": "quentina"}
    headers = {"authorization": "Bearer a-token-for-tests"}
    assert server.serve(Sent("POST", "/Users", "", headers, body)).status == 201
