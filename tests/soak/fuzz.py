"""Makes requests that are nearly right: filters, PATCH paths and bodies, seeded, so that each can be made again."""

import json
from collections.abc import Sequence
from random import Random
from typing import Any

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"

_ATTRIBUTES = (
    "userName", "externalId", "id", "active", "name.givenName", "name", "emails", "emails.value", "emails.type",
    "emails.primary", "addresses", "phoneNumbers.value", "meta.created", "meta.lastModified", "meta", "schemas",
    "members", "members.value", "groups", "groups.value", "displayName", "title", "password", "manager", "department",
    f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.value", f"{ENTERPRISE}:employeeNumber", f"{USER}:userName",
    ENTERPRISE, USER, "x509Certificates.value", "photos", "roles", "entitlements", "ims", "nickName", "$ref", "nothing",
)  # fmt: skip
_OPERATORS = ("eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "EQ", "Pr", "in", "")
_TEXTS = (
    "", "a", "user1@example.com", "work", "true", "2011-05-13T04:42:34Z", "2011-05-13", "9999-12-31T23:59:59.9999999-23:59",
    "0000-00-00T00:00:00Z", "é", "ΐ", "ﷺ", "\u0000", "\ud800", "\U0010ffff", "'", '"', "\\", "%", "_", "..", "/", "x" * 1025,
    "01890a5d-ac96-774b-bcce-000000000001", "-1", "1e400", "null", "\u202e", "\n", "x" * 5000,
)  # fmt: skip
_VALUES: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63) - 1, 10**399, 1.5, 1e308, -0.0, [], {}, [[]], [{}], [None], {"": ""}, {"value": None},
    {"value": "x"}, [{"value": "x", "primary": True}, {"value": "y", "primary": True}], {"$ref": "x"}, "True", "False",
)  # fmt: skip
_OPS = ("add", "replace", "remove", "Add", "REPLACE", "move", "", None, 1)


# Sound ones, so that enough gets past the parsers to what is behind them.
_COMPARISONS = (
    'userName eq "{}"', 'userName sw "{}"', 'not (userName co "{}")', "active eq true", 'emails[type eq "work"].value eq "{}"',
    'emails[value ew "{}" or primary eq true]', 'meta.created gt "2020-01-01T00:00:00Z"', "title pr", 'name.givenName ne "{}"',
    'displayName ge "{}"', 'id eq "{}"', 'externalId eq "{}"', 'addresses[not (country eq "{}")]', "nickName eq null",
)  # fmt: skip
_PATHS = (
    "displayName", "title", "active", "name", "name.givenName", "emails", 'emails[type eq "work"]', 'emails[type eq "work"].value',
    "addresses", 'addresses[primary eq true].country', f"{ENTERPRISE}:department", f"{ENTERPRISE}:manager", "manager", "members",
    'members[value eq "x"]', "roles", 'roles[primary eq "True"].value', "externalId",
)  # fmt: skip
_GIVEN: Sequence[Any] = (
    "x", "y", True, "False", None, "", [], {"value": "x"}, {"type": "work", "value": "w"}, [{"value": "x"}, {"value": "y", "primary": True}],
    {"givenName": "g", "familyName": "f"}, [{"type": "work", "value": "v", "primary": True}], {"displayName": "d", "title": "t"},
)  # fmt: skip


def text(random: Random) -> str:
    """A string of the nasty kind, or a random one."""
    if random.random() < 0.7:
        return random.choice(_TEXTS)
    return "".join(
        chr(random.choice((random.randrange(32, 127), random.randrange(0x2FFF)))) for _ in range(random.randrange(12))
    )


def literal(random: Random) -> str:
    """What stands behind an operator."""
    if random.random() < 0.6:
        return json.dumps(text(random), ensure_ascii=random.random() < 0.5)
    return random.choice(
        ("true", "false", "null", "1", "-1", "1.5", "1e400", "0x1", "TRUE", "'a'", '"', '"\\u12"', "9" * 400, "")
    )


def filter_text(random: Random, depth: int = 4) -> str:
    """A filter, often well formed."""
    resource_type = random.random()
    if resource_type < 0.25:
        sound: str = random.choice(_COMPARISONS)
        return sound.format(random.choice(("user1", "victim0", "x", "work")))
    if depth == 0 or resource_type < 0.45:
        operator = random.choice(_OPERATORS)
        value = "" if operator.lower() == "pr" and random.random() < 0.9 else f" {literal(random)}"
        return f"{random.choice(_ATTRIBUTES)} {operator}{value}"
    if resource_type < 0.7:
        terms = [filter_text(random, depth - 1) for _ in range(random.randrange(2, 5))]
        return random.choice((" and ", " or ", " AND ", " oR ", " xor ")).join(terms)
    if resource_type < 0.8:
        return f"not ({filter_text(random, depth - 1)})"
    if resource_type < 0.9:
        return f"({filter_text(random, depth - 1)})"
    if resource_type < 0.98:
        return f"{random.choice(_ATTRIBUTES)}[{filter_text(random, depth - 1)}]"
    return random.choice((" or ", " and ")).join([filter_text(random, 0)] * random.choice((30, 300, 900)))


def path_text(random: Random) -> str:
    """A PATCH path, often well formed."""
    path: str = random.choice(_ATTRIBUTES)
    if random.random() < 0.4:
        path += f"[{filter_text(random, 2)}]"
    if random.random() < 0.3:
        path += random.choice((".value", ".type", ".", ".primary", "..", ".x", "[", "]"))
    return path


def spoiled(random: Random, sound: str) -> str:
    """The text with a few characters gone, doubled, moved or made into others."""
    characters = list(sound)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(characters) + 1)
        match random.randrange(4):
            case 0:
                del characters[at : at + random.randrange(1, 4)]
            case 1:
                characters[at:at] = characters[at : at + random.randrange(1, 30)]
            case 2:
                characters[at:at] = text(random)
            case _:
                characters[at : at + 1] = chr(random.randrange(128))
    return "".join(characters)


def value(random: Random, depth: int = 3) -> Any:
    """A JSON value."""
    resource_type = random.random()
    if depth == 0 or resource_type < 0.5:
        return random.choice(_VALUES) if random.random() < 0.5 else text(random)
    if resource_type < 0.7:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    return {_name(random): value(random, depth - 1) for _ in range(random.randrange(5))}


def resource(random: Random) -> dict[str, Any]:
    """The body of a user or a group, right but for some attributes."""
    body: dict[str, Any] = {
        "schemas": [USER, ENTERPRISE],
        "userName": f"fuzz{random.getrandbits(64)}",
        "displayName": text(random),
    }
    for _ in range(random.randrange(5)):
        body[_name(random)] = value(random)
    if random.random() < 0.2:
        body.pop(random.choice(list(body)))
    return body


def operations(random: Random) -> dict[str, Any]:
    """The body of a PATCH."""
    listed: list[Any] = []
    sound = random.random() < 0.5
    for _ in range(random.choice((0, 1, 1, 2, 3, 8))):
        if sound:
            listed.append(
                {"op": random.choice(_OPS[:3]), "path": random.choice(_PATHS), "value": random.choice(_GIVEN)}
            )
            continue
        operation: dict[str, Any] = {"op": random.choice(_OPS[:3]) if random.random() < 0.9 else random.choice(_OPS)}
        if random.random() < 0.8:
            operation["path"] = path_text(random) if random.random() < 0.95 else value(random)
        if random.random() < 0.85:
            operation["value"] = value(random)
        listed.append(operation)
    return {"schemas": [PATCH], "Operations": listed if random.random() < 0.97 else value(random)}


def search(random: Random) -> dict[str, Any]:
    """The body of a `.search`."""
    return {"schemas": [SEARCH], **parameters(random)}


def bulk(random: Random, *ids: str) -> dict[str, Any]:
    """The body of a bulk request, of operations on new resources, on these ones and on each other's."""
    names = [
        name if random.random() < 0.9 else text(random) for name in random.sample("abcdef", random.randrange(1, 6))
    ]
    listed = [_bulk_operation(random, name if random.random() < 0.95 else "a", names, ids) for name in names]
    body: dict[str, Any] = {"schemas": [BULK], "Operations": listed}
    if random.random() < 0.3:
        body["failOnErrors"] = random.choice((1, 2, 0, -1, "1", 1.5, None, 2**70))
    if random.random() < 0.05:
        body["Operations"] = value(random)
    return body


def _bulk_operation(random: Random, name: str, names: Sequence[str], ids: tuple[str, ...]) -> dict[str, Any]:
    # One that isn't a method at all has the whole request refused.
    methods = ("POST", "POST", "PUT", "PATCH", "DELETE", "patch") if random.random() < 0.97 else ("GET", "", None)
    method = random.choice(methods)
    reference = f"bulkId:{random.choice(names)}"
    # Who is there is needed for the requests that follow.
    id = random.choice(
        (*(2 * ids if method != "DELETE" else ()), reference, "01890a5d-ac96-774b-bcce-000000000001", text(random))
    )
    resource_types = (
        ("/Users", "/Groups") if random.random() < 0.8 else ("/users/", "Groups", "/Me", "/Bulk", "", "/Users/.search")
    )
    resource_type = random.choice(resource_types)
    data = random.choice((resource, resource, operations, value))(random)
    if isinstance(data, dict) and random.random() < 0.7:
        data["displayName"] = text(random)
        data["members"] = [{"value": reference}, {"value": random.choice((*names, *ids))}]
        data["manager"] = random.choice((reference, {"value": reference}, [{"value": [reference]}]))
    operation = {"method": method, "path": resource_type if method == "POST" else f"{resource_type}/{id}", "data": data}
    if method == "POST" or random.random() < 0.3:
        operation["bulkId"] = name
    if random.random() < 0.2:
        operation["version"] = random.choice(('W/"1"', "*", '"', text(random)))
    if random.random() < 0.05:
        operation.pop(random.choice(list(operation)))
    return operation


def parameters(random: Random) -> dict[str, str]:
    """Query parameters of a list."""
    found = {"filter": filter_text(random)} if random.random() < 0.8 else {}
    for name in ("attributes", "excludedAttributes", "sortBy", "sortOrder", "startIndex", "count", "FILTER", "cursor"):
        if random.random() < 0.15:
            found[name] = random.choice(
                (random.choice(_ATTRIBUTES), text(random), "1", "0", "-1", "9" * 30, "descending")
            )
    return found


def body_bytes(random: Random, body: Any) -> bytes:
    """The body as bytes, sometimes with a few of them spoiled."""
    sound = json.dumps(body, ensure_ascii=random.random() < 0.5).encode("utf-8", "surrogatepass")
    if random.random() < 0.85:
        return sound
    broken = bytearray(sound)
    for _ in range(random.randrange(1, 5)):
        at = random.randrange(len(broken) + 1)
        broken[at : at + random.randrange(3)] = random.randbytes(random.randrange(3))
    return bytes(broken)


def any_body(random: Random) -> bytes:
    """The body of some request."""
    return body_bytes(random, random.choice((resource, operations, search, bulk, value))(random))


def hostile_bytes(random: Random) -> bytes:
    """A body that isn't so much wrong as it is too much: too deep, too long, in another encoding, with everything twice."""
    sound = json.dumps(random.choice((resource, operations, search, bulk))(random)).encode("utf-8", "surrogatepass")
    size = random.choice((10, 250, 1_000, 1_024, 5_000, 100_000))
    match random.randrange(10):
        case 0:
            return b"\xef\xbb\xbf" * random.randrange(1, 3) + sound
        case 1:
            return sound.decode(errors="replace").encode(random.choice(("utf-16", "utf-32", "utf-7", "cp037")))
        case 2:
            opening, closing = random.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"value":', b"}]")))
            return opening * size + b"1" * random.randrange(2) + closing * (size - random.randrange(2))
        case 3:
            number = random.choice((b"9", b"-9", b"0.", b"1e", b"-1e-", b"1e+")) + b"9" * size
            return b'{"userName":"x","count":' + number + b',"startIndex":' + number + b"}"
        case 4:
            return b'{"userName":"' + random.choice((b"x", b"\\u0000", b"\\ud800", b"\xc3\xa9", b"\xff")) * size + b'"}'
        case 5:
            return b"{" + b",".join([b'"userName":"x"'] * size) + b"}"
        case 6:
            return b'{"Operations":[' + b",".join([b'{"op":"remove","path":"title"}'] * min(size, 2_000)) + b"]}"
        case 7:
            return b'{"emails":[' + b",".join([b'{"value":"x","primary":true}'] * min(size, 2_000)) + b"]}"
        case 8:
            return random.choice(
                (b"", b" " * size, b"\x00", b"nul", b"NaN", b"[1,]", b"{'a':1}", b"\x1f\x8b\x08\x00", b"--x")
            )
        case _:
            return sound[: random.randrange(len(sound))]


def spoiled_bytes(random: Random, sound: bytes) -> bytes:
    """The bytes with a few gone, doubled, moved or made into others."""
    broken = bytearray(sound)
    for _ in range(random.randrange(1, 5)):
        at = random.randrange(len(broken) + 1)
        match random.randrange(4):
            case 0:
                del broken[at : at + random.randrange(1, 4)]
            case 1:
                broken[at:at] = broken[at : at + random.randrange(1, 30)]
            case 2:
                broken[at:at] = random.choice(words()).encode("utf-8", "surrogatepass")
            case _:
                broken[at : at + 1] = random.randbytes(1)
    return bytes(broken)


def words() -> Sequence[str]:
    """What filters, paths and bodies are made of."""
    return (*_ATTRIBUTES, *_OPERATORS[:-1], "and", "or", "not", *'()[]{}",:.', PATCH, SEARCH, *_MEMBERS, *_LITERALS)


_MEMBERS = (
    "bulkId",
    "bulkId:a",
    "method",
    "data",
    "POST",
    "failOnErrors",
    "cursor",
    "Operations",
    "op",
    "path",
    "value",
    "add",
    "remove",
    "replace",
    "filter",
    "sortBy",
    "attributes",
    "count",
)
_LITERALS = ("true", "false", "null", "1", "-0", "1e400", "2011-05-13T04:42:34Z", "\\u0000", "\ufeff", "ß", "İ")


def _name(random: Random) -> str:
    if random.random() < 0.85:
        name: str = random.choice(_ATTRIBUTES)
        return name.partition(".")[0] if random.random() < 0.8 else random.choice((name, name.upper()))
    return text(random)
