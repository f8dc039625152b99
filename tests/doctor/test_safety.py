"""The doctor changes what it has made and nothing else, and takes it away again whatever happens."""

import json
from typing import Any

import httpx
import pytest

from scim.doctor.catalogue import Check, Report
from scim.doctor.check_context import CheckContext
from scim.doctor.checks import CHECKS
from scim.doctor.client import Client, Endpoint
from scim.doctor.effects import HARMLESS
from scim.doctor.objects import NotOurs, Objects
from scim.doctor.run import examine
from tests.conftest import BASE, ORIGIN, TOKEN
from tests.doctor.served import Bent, Fault, Got, Outside, Sent, Serve, bent, examined, no_authorities, refused

HEADERS = {"authorization": f"Bearer {TOKEN}"}


def _post(server: Bent, endpoint: str, body: dict[str, Any]) -> str:
    got = server.serve(Sent("POST", endpoint, "", HEADERS, body))
    assert got.status == 201
    id: str = got.body["id"]
    return id


def _people(server: Bent) -> str:
    ids = [_post(server, "/Users", {"userName": f"person-{n}@example.com", "title": "kept"}) for n in range(3)]
    _post(server, "/Groups", {"displayName": "Everybody", "members": [{"value": id} for id in ids]})
    _post(server, "/Users", {"userName": "scim-doctor-another@example.com"})
    return ids[0]


def test_no_foreign_object_is_changed() -> None:
    with bent() as server:
        _people(server)
        before = server.everything()
        report = examined(server)
        assert server.everything() == before
    assert report.left_behind == ()


def test_a_server_that_answers_with_a_foreign_id_gets_nobody_changed() -> None:
    foreign = ""

    def wrong_id(sent: Sent, serve: Serve) -> Got:
        got = serve(sent)
        return got.having(id=foreign) if sent.method == "POST" and sent.path == "/Users" and got.status == 201 else got

    with bent(wrong_id) as server:
        foreign = _people(server)
        before = server.everything()
        report = examined(server)
        assert server.everything() == before
        assert not [sent for sent in server.seen if sent.method in {"PATCH", "DELETE"} and foreign in sent.path]
    failed = next(one for one in report.results if one.check.id == "user-create")
    assert "another user" in failed.found


def test_every_change_asserts_whose_the_object_is() -> None:
    with bent() as server:
        foreign = _people(server)
        client = _client(server)
        objects = Objects(client, "0badcafe")
        with pytest.raises(NotOurs):
            objects.delete("Users", foreign)
        with pytest.raises(NotOurs):
            objects.patch("Users", foreign, [{"op": "remove", "path": "title"}])
        assert server.seen == []
        client.close()


def test_a_filter_that_finds_everybody_deletes_nobody() -> None:
    """A POST without an answer is looked for by name; a server that ignores filters shows everybody."""

    def lost(sent: Sent, serve: Serve) -> Got:
        if sent.method == "POST":
            serve(sent)
            return refused(500)
        return serve(sent.but(query="")) if sent.filter else serve(sent)

    with bent(lost) as server:
        _people(server)
        before = server.everything()
        report = examined(server)
        assert server.everything() == before
    assert report.left_behind == ()


@pytest.mark.parametrize("at", [30, 100, 300])
def test_ctrl_c_cleans_up_and_shows_what_was_found(at: int) -> None:
    number = 0

    def interrupted(sent: Sent, serve: Serve) -> Got:
        nonlocal number
        number += 1
        got = serve(sent)
        if number == at:
            raise KeyboardInterrupt
        return got

    with bent(interrupted) as server:
        report = examined(server)
        assert server.everything() == {"/Users": [], "/Groups": []}
    assert report.stopped == "interrupted"
    assert report.left_behind == ()
    assert report.results


def test_a_second_ctrl_c_gives_up_and_says_what_is_left() -> None:
    def impatient(sent: Sent, serve: Serve) -> Got:
        if sent.method == "DELETE":
            raise KeyboardInterrupt
        return serve(sent)

    with bent(impatient) as server:
        report = examined(server)
        there = server.everything()
    ids = {one["id"] for resources in there.values() for one in resources}
    assert ids
    assert {line.split()[0].rpartition("/")[2] for line in report.left_behind} == ids


def test_a_fault_of_the_doctor_itself_cleans_up() -> None:
    def broken(context: CheckContext) -> None:
        raise NotImplementedError("a fault of the doctor")

    made = [check for check in CHECKS if check.id in {"reachable", "token-accepted", "user-create"}]
    checks = [*made, Check("broken", "", HARMLESS, "", broken, needs=())]
    with bent() as server:
        report = examined(server, checks=checks)
        assert server.everything()["/Users"] == []
    assert "NotImplementedError" in report.stopped


def test_a_server_that_dies_is_given_up_and_what_is_left_is_named() -> None:
    report, there = _until_it_dies(150)
    assert report.left_behind
    ids = {one["id"] for resources in there.values() for one in resources}
    named = {line.split()[0].rpartition("/")[2] for line in report.left_behind}
    assert ids <= named | {"Users", "Groups"}
    assert report.results[-1].found == "the server doesn't answer any more"


def _until_it_dies(requests: int) -> tuple[Report, dict[str, Any]]:
    number = 0

    def dying(sent: Sent, serve: Serve) -> Got:
        nonlocal number
        number += 1
        if number > requests:
            raise httpx.ConnectError("connection refused")
        return serve(sent)

    with bent(dying) as server:
        return examined(server), server.everything()


@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_told_and_repeats(status: int) -> None:
    waits = 0

    def busy(sent: Sent, serve: Serve) -> Got:
        nonlocal waits
        waits += 1
        return Got(status, None, {"retry-after": "7"}) if waits == 5 else serve(sent)

    outside = Outside()
    with bent(busy) as server:
        report = examined(server, outside=outside, write=False)
    assert outside.waits.count(7.0) == 1
    assert not [one for one in report.results if one.verdict == "fail"]


def test_does_not_wait_for_hours() -> None:
    outside = Outside()
    busy: Fault = lambda sent, serve: Got(429, None, {"retry-after": "86400"})  # noqa: E731
    with bent(busy) as server:
        examined(server, outside=outside, write=False)
    assert max(outside.waits) <= 120


def test_a_load_that_is_too_slow_is_a_warning() -> None:
    outside = Outside()

    def slow(sent: Sent, serve: Serve) -> Got:
        if "filter" in sent.query:
            outside.seconds += 3
        return serve(sent)

    with bent(slow) as server:
        report = examined(server, outside=outside, write=False, load=1)
    assert {one.check.id: one.verdict for one in report.results}["load-latency"] == "warning"


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"null", b"[]", b'"text"', b'{"schemas": 5}', b'{"totalResults": [], "schemas": {}}', b"\xff\xfe"],
)
def test_an_answer_of_any_form_is_a_verdict_and_no_crash(body: bytes) -> None:
    odd: Fault = lambda sent, serve: Got(200 if sent.method != "POST" else 201, body)  # noqa: E731
    with bent(odd) as server:
        report = examined(server)
    assert not report.stopped
    assert [one for one in report.results if one.verdict == "fail"]


def test_a_response_without_end_is_cut_off() -> None:
    class Endless(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, content=(b"x" * 2**20 for _ in range(10**6)))

    report = examined(Endless(), write=False)
    assert "longer than" in next(one for one in report.results if one.check.id == "reachable").found


def _client(server: Bent) -> Client:
    return Client(
        Endpoint.of(ORIGIN + BASE), TOKEN, Outside().collaborators, rate=4, trust=no_authorities, transport=server
    )


def test_objects_carry_the_run_in_their_names() -> None:
    with bent() as server:
        report = examined(server)
        for sent in server.seen:
            if sent.method == "POST":
                for made in _made_by(sent):
                    assert f"scim-doctor-{report.run}-" in json.dumps(made).lower()


def _made_by(sent: Sent) -> list[Any]:
    """The bodies of what a POST may make; nothing is at the endpoint of the operations that are too many."""
    if sent.path != "/Bulk":
        return [sent.body]
    made = [one for one in sent.body["Operations"] if one["method"] == "POST"]
    return [one["data"] for one in made if one["path"] != "/ScimDoctorNoSuch" or one["data"]]


def test_an_endpoint_of_another_host_gets_no_request() -> None:
    """The token would go with it."""
    listed = [
        "https://other.example.com/Roles",
        "@other.example.com/Roles",
        "//other.example.com",
        "/../Roles",
        "/Roles?a",
    ]

    def elsewhere(sent: Sent, serve: Serve) -> Got:
        got = serve(sent)
        if sent.path != "/ResourceTypes":
            return got
        return got.having(Resources=[*got.body["Resources"], {"name": "Role", "endpoint": listed[0]}])

    while listed:
        with bent(elsewhere) as server:
            report = examined(server, write=False)
            assert not [sent for sent in server.seen if "Roles" in sent.path or "other" in sent.path]
        found = next(one for one in report.results if one.check.id == "resource-types-served")
        assert found.verdict == "fail"
        listed.pop(0)


def test_what_a_bulk_is_to_make_is_deleted_whatever_its_answer_says() -> None:
    """An operation carried out in spite of failOnErrors, or answered with an error."""

    def contrary(sent: Sent, serve: Serve) -> Got:
        if sent.path != "/Bulk":
            return serve(sent)
        got = serve(sent.but(body={name: value for name, value in sent.body.items() if name != "failOnErrors"}))
        if got.status != 200:
            return got
        told = [{"method": "POST", "status": "400", "bulkId": one.get("bulkId")} for one in got.body["Operations"]]
        return got.having(Operations=told)

    made = 0

    def counted(sent: Sent, serve: Serve) -> Got:
        nonlocal made
        got = contrary(sent, serve)
        if sent.path == "/Bulk":
            made += len(server.everything()["/Users"])
        return got

    with bent(counted) as server:
        report = examined(server)
        assert server.everything() == {"/Users": [], "/Groups": []}
    assert made
    assert report.left_behind == ()


def test_a_bulk_changes_nobody_else() -> None:
    with bent() as server:
        foreign = _people(server)
        client = _client(server)
        patch = {"method": "PATCH", "path": f"/Users/{foreign}", "bulkId": "a", "data": {}}
        with pytest.raises(NotOurs):
            Objects(client, "0badcafe").bulk([patch])
        with pytest.raises(NotOurs):
            Objects(client, "0badcafe").bulk([{**patch, "path": "/Users/bulkId:b"}])
        assert server.seen == []
        client.close()


def test_a_bulk_whose_answer_leads_to_somebody_else_gets_nobody_deleted() -> None:
    foreign = ""

    def wrong_location(sent: Sent, serve: Serve) -> Got:
        got = serve(sent)
        if sent.path != "/Bulk" or got.status != 200:
            return got
        return got.having(Operations=[{**one, "location": f"/Users/{foreign}"} for one in got.body["Operations"]])

    with bent(wrong_location) as server:
        foreign = _people(server)
        before = server.everything()
        report = examined(server)
        assert server.everything() == before
    assert report.left_behind == ()
    assert next(one for one in report.results if one.check.id == "bulk-location").verdict == "fail"


def test_cookies_are_not_kept() -> None:
    """A session would let in the request without a token."""

    def session(sent: Sent, serve: Serve) -> Got:
        got = serve(sent)
        return got.but(headers={**got.headers, "set-cookie": "session=1; Path=/"})

    with bent(session) as server:
        examined(server, write=False)
        assert not [sent for sent in server.seen if "cookie" in sent.headers]


def test_an_object_whose_deletion_is_refused_is_named() -> None:
    def kept(sent: Sent, serve: Serve) -> Got:
        return refused(405) if sent.method == "DELETE" else serve(sent)

    with bent(kept) as server:
        report = examined(server)
        ids = {one["id"] for resources in server.everything().values() for one in resources}
    assert {line.split()[0].rpartition("/")[2] for line in report.left_behind} == ids
    assert all("405" in line for line in report.left_behind)


def test_what_was_made_by_a_request_without_an_answer_is_found_and_deleted() -> None:
    def lost(sent: Sent, serve: Serve) -> Got:
        got = serve(sent)
        if sent.method == "POST" and "-boss@" in str(sent.body):
            raise httpx.ReadTimeout("lost")
        return got

    with bent(lost) as server:
        report = examined(server)
        assert server.everything() == {"/Users": [], "/Groups": []}
    assert report.left_behind == ()


def test_a_post_that_is_repeated_and_meets_its_own_first_try_is_found_and_deleted() -> None:
    """503 after the user was made; told to wait, the client sends the same again and gets a 409."""

    def late(sent: Sent, serve: Serve) -> Got:
        got = serve(sent)
        made = sent.method == "POST" and "-boss@" in str(sent.body) and got.status == 201
        return Got(503, None, {"retry-after": "1"}) if made else got

    with bent(late) as server:
        report = examined(server)
        assert server.everything() == {"/Users": [], "/Groups": []}
    assert report.left_behind == ()


def test_an_interruption_that_is_swallowed_where_it_arrives_counts_at_the_next_request() -> None:
    with bent() as server:
        client = _client(server)

        def swallowed(result: object) -> None:
            client.interrupted = len(server.seen) > 40

        report = examine(client, TOKEN, write=True, on_result=swallowed)
        client.close()
        assert server.everything() == {"/Users": [], "/Groups": []}
    assert report.stopped == "interrupted"
