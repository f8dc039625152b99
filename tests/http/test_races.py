"""Several writers at once: nothing is lost, nobody wins twice."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.conftest import Answer, PortClient, Server
from tests.http.checks import is_error, names, resources

WRITERS = 8
ROUNDS = 12
# One for each writer.
ATTRIBUTES = ["title", "nickName", "displayName", "locale", "timezone", "userType", "name.familyName", "name.givenName"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Server]]:
    """Three processes on one file, which all of them find missing at their start."""
    with ThreadPoolExecutor(3) as pool:
        servers = list(pool.map(lambda _: Server("--data", str(tmp_path / "scim.db")), range(3)))
    yield servers
    with ThreadPoolExecutor(3) as pool:
        assert [code for code, _ in pool.map(lambda server: server.stop(), servers)] == [0] * 3


def at_once(origins: Sequence[str], work: Callable[[PortClient, int], Any]) -> list[Any]:
    """What each writer's work gives; all begin together, spread over the servers."""
    start = Barrier(WRITERS)

    def run(number: int) -> Any:
        client = PortClient(origins[number % len(origins)])
        try:
            start.wait(30)
            return work(client, number)
        finally:
            client.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, range(WRITERS)))


def insist(send: Callable[..., Answer], *arguments: Any, **options: Any) -> Answer:
    """The answer, after doing what `Retry-After` says: again."""
    for _ in range(50):
        answer = send(*arguments, **options)
        if answer.status != 503:
            return answer
        is_error(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
    raise AssertionError("the service stays unavailable")


def nothing_is_lost(origins: Sequence[str], name: str) -> None:
    one = PortClient(origins[0])
    user, group = one.user(name)["id"], one.group(name)["id"]

    def write(client: PortClient, number: int) -> None:
        path = ATTRIBUTES[number]
        for at in range(ROUNDS):
            member, role = f"m-{number}-{at}", f"r-{number}-{at}"
            changes = [
                (f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": member}]}),
                (f"/Users/{user}", {"op": "replace", "path": path, "value": role}),
                (f"/Users/{user}", {"op": "add", "path": "roles", "value": [{"value": role}]}),
            ]
            if at % 3 == 2:
                remove = {"op": "remove", "path": f'members[value eq "m-{number}-{at - 1}"]'}
                changes.append((f"/Groups/{group}", remove))
            for to, operation in changes:
                assert insist(client.patch, to, operation).status == 204

    at_once(origins, write)
    for origin in origins:
        reader = PortClient(origin)
        shown = reader.get(f"/Users/{user}").json
        for number, path in enumerate(ATTRIBUTES):
            outer, _, inner = path.partition(".")
            value = shown[outer][inner] if inner else shown[outer]
            assert value == f"r-{number}-{ROUNDS - 1}", path
            assert names(reader.get(f'/Users?filter={path} eq "r-{number}-{ROUNDS - 1}"')) == [name]
            assert names(reader.get(f'/Users?filter={path} eq "r-{number}-0"')) == []
        everybody = {(number, at) for number in range(WRITERS) for at in range(ROUNDS)}
        assert {role["value"] for role in shown["roles"]} == {f"r-{number}-{at}" for number, at in everybody}
        members = [member["value"] for member in reader.get(f"/Groups/{group}").json["members"]]
        assert sorted(members) == sorted(f"m-{number}-{at}" for number, at in everybody if at % 3 != 1)
        reader.close()
    one.close()


def one_version_is_won_once(origins: Sequence[str], name: str) -> None:
    one = PortClient(origins[0])
    for resource_type, resource in (("Users", one.user(name)), ("Groups", one.group(name))):
        path, tag = f"/{resource_type}/{resource['id']}", {"If-Match": resource["meta"]["version"]}

        def write(client: PortClient, number: int, path: str = path, tag: dict[str, str] = tag) -> Answer:
            operation: dict[str, Any] = {"op": "replace", "path": "title", "value": f"{number}"}
            if path.startswith("/Groups"):
                operation = {"op": "add", "path": "members", "value": [{"value": f"{number}"}]}
            return insist(client.patch, path, operation, headers=tag)

        answers: list[Answer] = at_once(origins, write)
        winners = [number for number, answer in enumerate(answers) if answer.status == 204]
        assert len(winners) == 1, [answer.status for answer in answers]
        for number, answer in enumerate(answers):
            if number not in winners:
                is_error(answer, 412)
        shown = one.get(path).json
        assert shown["meta"]["version"] == answers[winners[0]].headers["etag"]
        value = shown["title"] if resource_type == "Users" else shown["members"][0]["value"]
        assert value == str(winners[0])
    one.close()


def one_name_is_taken_once(origins: Sequence[str], name: str) -> None:
    resource_types = (("/Users", "userName"), ("/Groups", "displayName"))
    wanted = [(endpoint, key, f"{name}-{at}") for at in range(5) for endpoint, key in resource_types]

    def write(client: PortClient, number: int) -> list[Answer]:
        spelled = str.upper if number % 2 else str.lower
        return [insist(client.post, endpoint, {key: spelled(text)}) for endpoint, key, text in wanted]

    answers = at_once(origins, write)
    one = PortClient(origins[0])
    for (endpoint, key, text), given in zip(wanted, zip(*answers, strict=True), strict=True):
        assert sorted(answer.status for answer in given) == [201] + [409] * (WRITERS - 1)
        for answer in given:
            if answer.status == 409:
                is_error(answer, 409, "uniqueness")
        assert len(resources(one.get(f'{endpoint}?filter={key} eq "{text}"'))) == 1
    one.close()


def a_deleted_resource_stays_deleted(origins: Sequence[str], name: str) -> None:
    """Half of the writers delete while the others change: one delete succeeds, and nothing comes back."""
    one = PortClient(origins[0])
    user, group = one.user(name)["id"], one.group(name)["id"]

    def write(client: PortClient, number: int) -> list[int]:
        if number % 2:
            return [insist(client.delete, path).status for path in (f"/Users/{user}", f"/Groups/{group}")]
        add = {"op": "add", "path": "members", "value": [{"value": f"{number}"}]}
        change = {"op": "replace", "path": "title", "value": f"{number}"}
        answers = [
            insist(client.patch, f"/Users/{user}", change),
            insist(client.patch, f"/Groups/{group}", add),
        ]
        assert {answer.status for answer in answers} <= {204, 404}
        return []

    deleted = [statuses for statuses in at_once(origins, write) if statuses]
    assert [sorted(column) for column in zip(*deleted, strict=True)] == [[204, 404, 404, 404]] * 2
    assert [one.get(path).status for path in (f"/Users/{user}", f"/Groups/{group}")] == [404, 404]
    assert names(one.get(f'/Users?filter=userName eq "{name}"')) == []
    for number in range(WRITERS):
        assert names(one.get(f'/Groups?filter=members eq "{number}"&attributes=displayName')) in ([], ["race-if-match"])
    one.close()


def test_writers_over_one_port_lose_nothing(server: Server) -> None:
    nothing_is_lost([server.origin], "race-8")


def test_writers_over_one_port_win_a_version_once(server: Server) -> None:
    one_version_is_won_once([server.origin], "race-if-match")


def test_writers_over_one_port_take_a_name_once(server: Server) -> None:
    one_name_is_taken_once([server.origin], "race-name")


def test_writers_over_one_port_restore_nothing(server: Server) -> None:
    a_deleted_resource_stays_deleted([server.origin], "race-delete")


def test_writers_in_several_processes_on_one_file_lose_nothing(cluster: list[Server]) -> None:
    origins = [server.origin for server in cluster]
    nothing_is_lost(origins, "race-8")
    one_version_is_won_once(origins, "race-if-match")
    one_name_is_taken_once(origins, "race-name")
    a_deleted_resource_stays_deleted(origins, "race-delete")
