"""Nothing is lost, doubled or broken in large groups, long lists and long fuzzing. A sample of each runs every time."""

from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from time import monotonic
from typing import Any

import pytest

from scim.protocol.errors import ScimError
from scim.protocol.filter import syntax
from tests.conftest import BASE, Answer
from tests.soak import fuzz
from tests.soak.conftest import Log, Service

PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
AT_ONCE = 1_000
SAMPLE_SEED = 20_260_401


def scales(sample: int, long: int) -> pytest.MarkDecorator:
    """The test at the size of a sample, and marked, at that of a soak."""
    sizes = [pytest.param(sample, id="sample"), pytest.param(long, id="soak", marks=pytest.mark.soak)]
    return pytest.mark.parametrize("scale", sizes)


def patch(op: str, path: str, value: Any = None) -> dict[str, Any]:
    operation = {"op": op, "path": path} | ({} if value is None else {"value": value})
    return {"schemas": [PATCH], "Operations": [operation]}


def members(first: int, end: int) -> list[dict[str, str]]:
    return [{"value": f"01890a5d-ac96-774b-bcce-{number:012x}"} for number in range(first, end)]


@scales(sample=2_500, long=200_000)
def test_a_large_group_is_filled_listed_changed_cleared_and_deleted(
    scale: int, on_each_store: Service, log: Log, request: pytest.FixtureRequest
) -> None:
    """Every member that went in comes out, one member more or less is one member more or less, and nothing stays behind."""
    service = on_each_store
    told: list[str] = []

    def tell(what: str) -> None:
        told.append(f"| {what} | {service.lap():.3f} |")

    sent = members(0, scale)
    created = service.change("POST", "/Groups", {"displayName": "All", "members": sent[:AT_ONCE]}).json
    path = f"/Groups/{created['id']}"
    tell(f"POST with {AT_ONCE:,} members")
    for first in range(AT_ONCE, scale, AT_ONCE):
        service.change("PATCH", path, patch("add", "members", sent[first : first + AT_ONCE]))
    tell(f"PATCH until there are {scale:,}, {AT_ONCE:,} at a time")

    listed = service.get(path)["members"]
    tell(f"GET with {scale:,} members")
    assert sorted(member["value"] for member in listed) == [member["value"] for member in sent]

    user = service.change("POST", "/Users", {"userName": "one.more"}).json["id"]
    service.lap()
    service.change("PATCH", path, patch("add", "members", [{"value": user}]))
    tell("PATCH adding one member")
    assert [group["value"] for group in service.get(f"/Users/{user}")["groups"]] == [created["id"]]
    service.lap()
    service.change("PATCH", path, patch("remove", f'members[value eq "{user}"]'))
    tell("PATCH removing one member")
    assert "groups" not in service.get(f"/Users/{user}")
    assert len(service.get(path)["members"]) == scale
    service.lap()
    assert "members" not in service.get(path, excludedAttributes="members")
    tell("GET with `excludedAttributes=members`")

    service.change("PATCH", path, patch("remove", "members"))
    tell("PATCH removing all members")
    assert "members" not in service.get(path)

    for first in range(0, scale, AT_ONCE):
        service.change("PATCH", path, patch("add", "members", sent[first : first + AT_ONCE]))
    service.change("PATCH", path, patch("add", "members", [{"value": user}]))
    service.lap()
    service.change("DELETE", path)
    tell(f"DELETE with {scale + 1:,} members")
    assert service.send("GET", path).status == 404
    assert "groups" not in service.get(f"/Users/{user}")
    assert service.get("/Groups")["totalResults"] == 0
    service.settle()

    if is_soak(request):
        where = "in SQLite" if type(service) is Service else "in Cosmos DB's emulator"
        log.write(f"A group of {scale:,} members {where}", "| request | seconds |", "|---|--:|", *told)


@scales(sample=300, long=5_000)
def test_a_user_in_many_groups_sees_them_all_and_leaves_them_all(
    scale: int, on_each_store: Service, log: Log, request: pytest.FixtureRequest
) -> None:
    """Who is in thousands of groups is read, listed and deleted like anybody else."""
    service = on_each_store
    user = service.change("POST", "/Users", {"userName": "everywhere"}).json["id"]
    service.change("POST", "/Users", {"userName": "nowhere"})
    service.lap()
    groups = [
        service.change("POST", "/Groups", {"displayName": f"g{number}", "members": [{"value": user}]}).json["id"]
        for number in range(scale)
    ]
    told = [f"| {scale:,} groups, one POST each | {service.lap():.3f} |"]
    assert sorted(group["value"] for group in service.get(f"/Users/{user}")["groups"]) == sorted(groups)
    told.append(f"| GET of a user in {scale:,} groups | {service.lap():.3f} |")
    assert [found["userName"] for found in service.get("/Users")["Resources"]] == ["everywhere", "nowhere"]
    one = service.get("/Groups", filter=f'id eq "{groups[-1]}" and members eq "{user}"')
    assert one["totalResults"] == 1
    service.lap()
    service.change("DELETE", f"/Users/{user}")
    told.append(f"| DELETE of a user in {scale:,} groups | {service.lap():.3f} |")
    service.settle()
    assert "members" not in service.get(f"/Groups/{groups[0]}")
    assert "members" not in service.get(f"/Groups/{groups[-1]}")

    if is_soak(request):
        where = "in SQLite" if type(service) is Service else "in Cosmos DB's emulator"
        log.write(f"A user in {scale:,} groups {where}", "| request | seconds |", "|---|--:|", *told)


@scales(sample=250, long=100_000)
def test_paging_through_all_users_misses_none_and_doubles_none(
    scale: int, service: Service, log: Log, request: pytest.FixtureRequest
) -> None:
    """A client that follows `startIndex`, or cursors, to the end sees every user once, in the order of creation and sorted."""
    ids = [
        service.change("POST", "/Users", {"userName": f"user{number}", "externalId": f"e{number}"}).json["id"]
        for number in range(scale)
    ]
    told = [f"| {scale:,} users, one POST each | {scale:,} | {service.lap():.1f} |"]
    most = min(1_000, scale // 5)
    for what, parameters in {
        "in the order of creation": {},
        "by `userName`, descending": {"sortBy": "userName", "sortOrder": "descending"},
    }.items():
        seen: list[str] = []
        names: list[str] = []
        pages = 0
        while True:
            page = service.get("/Users", startIndex=len(seen) + 1, count=most, **parameters)
            pages += 1
            assert page["totalResults"] == scale
            if not page["itemsPerPage"]:
                break
            seen += [user["id"] for user in page["Resources"]]
            names += [user["userName"] for user in page["Resources"]]
        assert sorted(seen) == sorted(ids)
        assert seen == ids if not parameters else names == sorted(names, reverse=True)
        told.append(f"| all pages of {most:,}, {what} | {pages} | {service.lap():.1f} |")
    random = Random(seed_of(request))
    for what, parameters in {
        "in the order of creation": {},
        "by `userName`, descending": {"sortBy": "userName", "sortOrder": "descending"},
    }.items():
        pages = paged_by_cursor(service, ids, most, random, parameters)
        told.append(f"| by cursor, {what}, while one comes and one goes per page | {pages} | {service.lap():.1f} |")
    if is_soak(request):
        log.write(f"Paging through {scale:,} users", "| what | requests | seconds |", "|---|--:|--:|", *told)


def paged_by_cursor(service: Service, ids: list[str], most: int, random: Random, parameters: dict[str, str]) -> int:
    """Follow `nextCursor` to the end while others come and go; how many pages. Takes those who go out of `ids`."""
    seen: list[str] = []
    cursor, pages = "", 0
    while cursor is not None:
        page = service.get("/Users", cursor=cursor, count=most, **parameters)
        seen += [user["id"] for user in page["Resources"]]
        cursor, pages = page.get("nextCursor"), pages + 1
        service.change("DELETE", f"/Users/{ids.pop(random.randrange(len(ids)))}")
        service.change("POST", "/Users", {"userName": f"user{random.random()}"})
    assert len(seen) == len(set(seen))
    stayed = set(ids)
    there = [id for id in seen if id in stayed]
    assert len(there) == len(ids)
    assert parameters or there == ids
    return pages


@scales(sample=2, long=600)
def test_no_input_makes_the_service_fail(
    scale: int, service: Service, log: Log, request: pytest.FixtureRequest
) -> None:
    """For so many seconds, whatever is sent is parsed or refused in SCIM form, and what was stored stays readable."""
    seed = seed_of(request)
    told = fuzzed(service, Random(seed), seconds=scale, clock=monotonic)
    assert service.get("/Users", count=0)["totalResults"] == sum(1 for _ in everybody(service))
    if is_soak(request):
        log.write(f"{scale} seconds of fuzzing", f"Seed {seed}.", "", "| what | times |", "|---|--:|", *told)


def fuzzed(service: Service, random: Random, *, seconds: float, clock: Callable[[], float]) -> Iterator[str]:
    """Fuzz until the clock says that the seconds are over; a table of what was tried, by answer."""
    users = [service.change("POST", "/Users", {"userName": f"victim{n}"}).json["id"] for n in range(3)]
    group = service.change("POST", "/Groups", {"displayName": "victims", "members": members(0, 3)}).json["id"]
    times: dict[str, int] = {}
    end = clock() + seconds
    while clock() < end:
        for outcome in (*tried_parsers(random), *tried_requests(service, random, users, group)):
            times[outcome] = times.get(outcome, 0) + 1
    return (f"| {what} | {number:,} |" for what, number in sorted(times.items()))


def tried_parsers(random: Random) -> Iterator[str]:
    """A filter and a path either parse, into a tree that prints itself, or are refused."""
    for name, parse, make in (
        ("filter", syntax.parse, fuzz.filter_text),
        ("path", syntax.parse_path, fuzz.path_text),
    ):
        source = make(random)
        source = fuzz.spoiled(random, source) if random.random() < 0.5 else source
        try:
            tree = parse(source)
        except ScimError:
            yield f"{name}, refused"
        else:
            yield f"{name}, parsed"
            if name == "filter":
                assert syntax.parse(str(tree)) == tree, ascii(source)


def tried_requests(service: Service, random: Random, users: list[str], group: str) -> Iterator[str]:
    user = random.choice(users)
    resource_type, id = random.choice((("/Users", user), ("/Groups", group)))
    tries: list[tuple[str, str, str, Any, dict[str, str]]] = [
        ("GET with a filter", "GET", random.choice(("/Users", "/Groups")), None, fuzz.parameters(random)),
        ("GET of one", "GET", f"{resource_type}/{id}", None, fuzz.parameters(random)),
        ("POST", "POST", resource_type, fuzz.resource(random), {}),
        ("PUT", "PUT", f"{resource_type}/{id}", fuzz.resource(random), fuzz.parameters(random)),
        ("PATCH", "PATCH", f"{resource_type}/{id}", fuzz.operations(random), {}),
        (
            "POST .search",
            "POST",
            random.choice(("/.search", "/Users/.search", "/Groups/.search")),
            fuzz.search(random),
            {},
        ),
        ("POST /Bulk", "POST", "/Bulk", fuzz.bulk(random, user, group), {}),
        ("GET by cursor", "GET", "/Users", None, {**fuzz.parameters(random), "cursor": "", "count": "1"}),
    ]
    for what, method, path, body, parameters in tries:
        content = None if body is None else fuzz.body_bytes(random, body)
        answer = service.send(method, path, content, parameters)
        shown = f"{method} {path} {parameters!a} {content!a}"
        assert answer.status < 500, f"{answer.status} {answer.body!r} for {shown}"
        if answer.status >= 400:
            assert answer.json["status"] == str(answer.status), shown
        if what == "POST" and answer.status == 201 and random.random() < 0.9:
            # Most go again, so that searching stays quick and the seconds serve variety.
            service.change("DELETE", f"{path}/{answer.json['id']}")
        if what == "POST /Bulk" and answer.status == 200:
            yield from tried_operations(service, answer)
        if what == "GET by cursor" and answer.status == 200 and "nextCursor" in answer.json:
            following = {**parameters, "cursor": answer.json["nextCursor"]}
            assert service.send(method, path, None, following).status == 200, shown
            spoiled = {**following, "cursor": fuzz.spoiled(random, following["cursor"])}
            yield f"GET by a spoiled cursor, {service.send(method, path, None, spoiled).status}"
        yield f"{what}, {answer.status}"


def tried_operations(service: Service, answer: Answer) -> Iterator[str]:
    """What became of each operation of a bulk request; what it created goes again."""
    for operation in answer.json["Operations"]:
        assert int(operation["status"]) < 500, operation
        if operation["status"] == "201":
            left = service.send("DELETE", operation["location"].partition(BASE)[2])
            assert left.status in {204, 404}, left.body  # a later operation may have deleted it
        yield f"{operation['method']} in a bulk, {operation['status']}"


def everybody(service: Service) -> Iterator[dict[str, Any]]:
    for start in count(1, AT_ONCE):
        page = service.get("/Users", startIndex=start, count=AT_ONCE)
        yield from page["Resources"]
        if page["itemsPerPage"] < AT_ONCE:
            return


def is_soak(request: pytest.FixtureRequest) -> bool:
    return request.node.get_closest_marker("soak") is not None


def seed_of(request: pytest.FixtureRequest) -> int:
    """The same seed for every sample; another one for every soak, which the report tells."""
    return Random().getrandbits(32) if is_soak(request) else SAMPLE_SEED
