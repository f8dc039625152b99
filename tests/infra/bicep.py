"""Bicep, as much of it as infra/ is written in: texts in, the resources that a deployment would ask for out.

Knows the language and a few values that only Azure has (ids, addresses of accounts); knows no rule of ours.
"""

import hashlib
import ipaddress
import json
import posixpath
import re
import string
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

type Json = Any
type Scope = Mapping[str, Json]

GROUP: Final = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-scim"
PRINCIPAL: Final = "22222222-2222-4222-8222-222222222222"
CLIENT: Final = "33333333-3333-4333-8333-333333333333"
CLOUDS: Final[Mapping[str, Mapping[str, str]]] = {
    "AzureCloud": {"storage": "core.windows.net", "cosmos": "documents.azure.com", "sites": "azurewebsites.net"},
    "AzureChinaCloud": {
        "storage": "core.chinacloudapi.cn",
        "cosmos": "documents.azure.cn",
        "sites": "chinacloudsites.cn",
    },
}

_MODULES: Final[dict[tuple[object, ...], "Deployment"]] = {}
_PARSER: Final = Parser(Language(tree_sitter_bicep.language()))
_LITERALS: Final[Mapping[str, Json]] = {"true": True, "false": False, "null": None}
_TYPES: Final[Mapping[str, type]] = {"string": str, "int": int, "bool": bool, "object": dict, "string[]": list}


class BicepError(Exception):
    """What the Bicep compiler or Azure Resource Manager would refuse."""


@lru_cache(maxsize=256)
def parse(text: str) -> Node:
    """The tree of a file. In a .bicepparam, whose assignments the grammar doesn't know, they become variables."""
    if re.search(r"(?m)^using '", text):
        text = re.sub(r"(?m)^param (?=\w+ = )", "var ", text)
    return _PARSER.parse(text.encode()).root_node


def text_of(node: Node) -> str:
    """The text that a node stands for."""
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    """A node and everything in it."""
    yield node
    for child in node.children:
        yield from walk(child)


def literal(node: Node) -> str:
    """The text of a string without interpolation."""
    return "".join(text_of(part) for part in node.named_children)


@dataclass(frozen=True)
class Declaration:
    """A parameter, variable, resource, module or output."""

    kind: str
    name: str
    node: Node
    decorators: Mapping[str, Sequence[Node]]
    type: str
    """Of a parameter or output: as it is written."""
    path: str
    """Of a resource or module: what it is one of."""
    value: Node | None


_KINDS: Final = {f"{kind}_declaration": kind for kind in ("parameter", "variable", "resource", "module", "output")}


@lru_cache(maxsize=256)
def declarations(text: str) -> Sequence[Declaration]:
    """What a file declares, in order."""
    found: list[Declaration] = []
    decorators: dict[str, Sequence[Node]] = {}
    for node in parse(text).named_children:
        if node.type == "decorators":
            calls = [call for each in node.named_children for call in each.named_children]
            decorators = {text_of(call.named_children[0]): call.named_children[1].named_children for call in calls}
        elif node.type in _KINDS:
            found.append(_declaration(_KINDS[node.type], node, decorators))
            decorators = {}
    return found


def _declaration(kind: str, node: Node, decorators: Mapping[str, Sequence[Node]]) -> Declaration:
    types = [text_of(child) for child in node.named_children if child.type == "type"]
    paths = [literal(child) for child in node.named_children[1:2] if child.type == "string"]
    after = [i for i, child in enumerate(node.children) if child.type == "="]
    value = node.children[after[0] + 1] if after else None
    name = text_of(node.named_children[0])
    return Declaration(kind, name, node, dict(decorators), "".join(types), "".join(paths), value)


@dataclass(frozen=True)
class Resource:
    """A resource that a deployment asks for."""

    file: str
    symbol: str
    type: str
    version: str
    name: str
    """The last segment."""
    id: str
    body: Mapping[str, Json] = field(repr=False)
    parent: "Resource | None" = field(repr=False)
    scope: "Resource | None" = field(repr=False)
    """What an extension, such as a role assignment, is for."""
    runtime: Mapping[str, Json] = field(repr=False)
    """Properties that Azure adds."""

    @property
    def properties(self) -> dict[str, Json]:
        """As they are asked for."""
        return dict(self.body.get("properties", {}))


@dataclass
class Deployment:
    """One deployment of a file: its parameters are checked, its resources and outputs computed when asked for."""

    files: Mapping[str, str]
    path: str
    parameters: Mapping[str, Json]
    cloud: str = "AzureCloud"
    resources: list[Resource] = field(default_factory=list)
    """Of the file and its modules."""

    def __post_init__(self) -> None:
        """Deploy."""
        self._declared = {each.name: each for each in declarations(self.files[self.path]) if each.kind != "output"}
        self._outputs = {each.name: each for each in declarations(self.files[self.path]) if each.kind == "output"}
        self._values: dict[str, Json] = {}
        self._modules: dict[str, Deployment | None] = {}
        known = {name for name, each in self._declared.items() if each.kind == "parameter"}
        for name in self.parameters.keys() - known:
            raise BicepError(f"{self.path}: there is no parameter '{name}'")
        for name in self._declared:
            self._symbol(name)
        self.outputs = {name: self._typed(each, self.value(each.value, {})) for name, each in self._outputs.items()}

    def value_of(self, name: str) -> Json:
        """The value of a parameter or variable."""
        return self._symbol(name)

    # --- symbols

    def _symbol(self, name: str) -> Json:
        if name not in self._values:
            each = self._declared.get(name)
            if each is None:
                raise BicepError(f"{self.path}: there is no '{name}'")
            match each.kind:
                case "parameter":
                    self._values[name] = self._parameter(each)
                case "variable":
                    self._values[name] = self.value(each.value, {})
                case _:
                    self._values[name] = self._instances(each)
        return self._values[name]

    def _parameter(self, each: Declaration) -> Json:
        if each.name in self.parameters:
            value = self.parameters[each.name]
        elif each.value is not None:
            value = self.value(each.value, {})
        else:
            raise BicepError(f"{self.path}: parameter '{each.name}' is missing")
        self._typed(each, value)
        limits = {name: self.value(nodes[0], {}) for name, nodes in each.decorators.items() if nodes}
        checks: Mapping[str, Callable[[Json, Json], bool]] = {
            "allowed": lambda limit, given: given in limit,
            "minLength": lambda limit, given: len(given) >= limit,
            "maxLength": lambda limit, given: len(given) <= limit,
            "minValue": lambda limit, given: given >= limit,
            "maxValue": lambda limit, given: given <= limit,
        }
        for name, limit in limits.items():
            if name in checks and not checks[name](limit, value):
                raise BicepError(f"{self.path}: {each.name} is {value!r} against @{name}({limit})")
        return value

    def _typed(self, each: Declaration, value: Json) -> Json:
        if type(value) is not _TYPES[each.type]:
            raise BicepError(f"{self.path}: {each.name} is {value!r} and not of type {each.type}")
        return value

    def _instances(self, each: Declaration) -> Json:
        make = self._resource if each.kind == "resource" else self._module
        node = each.value
        if node is None:
            raise BicepError(f"{self.path}: '{each.name}' has no body")
        if node.type == "if_statement":
            condition, node = node.named_children
            if not self.value(condition, {}):
                return None
        if node.type == "for_statement":
            return [make(each, body, scope) for body, scope in self._loop(node, {})]
        return make(each, node, {})

    def _module(self, each: Declaration, body: Node, scope: Scope) -> Json:
        given = self._object(body, scope)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(self.path), each.path))
        if path not in self.files:
            raise BicepError(f"{self.path}: there is no file '{path}'")
        parameters = given.get("params", {})
        # The same text with the same parameters deploys the same; only what a module loads is besides in its files.
        loaded = tuple(text for name, text in self.files.items() if not name.endswith(".bicep"))
        key = path, self.files[path], json.dumps(parameters), self.cloud, loaded
        module = _MODULES.get(key)
        if module is None:
            module = _MODULES[key] = Deployment(self.files, path, parameters, self.cloud)
        self.resources += module.resources
        return {"outputs": module.outputs, "name": given["name"]}

    def _resource(self, each: Declaration, node: Node, scope: Scope) -> Json:
        body = self._object(node, scope)
        kind, _, version = each.path.partition("@")
        parent, on = body.get("parent"), body.get("scope")
        name = body["name"]
        if parent is not None:
            identifier = f"{parent.id}/{kind.rpartition('/')[2]}/{name}"
        else:
            identifier = f"{GROUP if on is None else on.id}/providers/{kind}/{name}"
        made = Resource(
            self.path, each.name, kind, version, name, identifier, body, parent, on, self._runtime(kind, name)
        )
        self.resources.append(made)
        return made

    def _runtime(self, kind: str, name: str) -> Mapping[str, Json]:
        cloud = CLOUDS[self.cloud]
        host = f"{name}.{cloud['sites']}"
        known: Mapping[str, Mapping[str, Json]] = {
            "Microsoft.ManagedIdentity/userAssignedIdentities": {"principalId": PRINCIPAL, "clientId": CLIENT},
            "Microsoft.Storage/storageAccounts": {
                "primaryEndpoints": {"blob": f"https://{name}.blob.{cloud['storage']}/"}
            },
            "Microsoft.DocumentDB/databaseAccounts": {"documentEndpoint": f"https://{name}.{cloud['cosmos']}:443/"},
            "Microsoft.Web/sites": {"defaultHostName": host, "customDomainVerificationId": "0F1E2D"},
            "Microsoft.Insights/components": {"ConnectionString": "InstrumentationKey=4;IngestionEndpoint=https://in/"},
        }
        return known.get(kind, {})

    # --- expressions

    def value(self, node: Node | None, scope: Scope) -> Json:
        """What an expression comes to."""
        if node is None:
            raise BicepError(f"{self.path}: a value is missing")
        method = getattr(self, f"_{node.type}", None)
        if method is None:
            raise BicepError(f"{self.path}: this reader doesn't know a {node.type}: {text_of(node)[:60]}")
        return method(node, scope)

    def _string(self, node: Node, scope: Scope) -> str:
        parts: list[str] = []
        for part in node.named_children:
            match part.type:
                case "interpolation":
                    value = self.value(part.named_children[0], scope)
                    parts.append(value if isinstance(value, str) else json.dumps(value))
                case "escape_sequence":
                    parts.append({"\\n": "\n", "\\t": "\t"}.get(text_of(part), text_of(part)[1:]))
                case _:
                    parts.append(text_of(part))
        return "".join(parts)

    def _number(self, node: Node, scope: Scope) -> int:
        return int(text_of(node))

    def _boolean(self, node: Node, scope: Scope) -> Json:
        return _LITERALS[text_of(node)]

    _null = _boolean

    def _unary_expression(self, node: Node, scope: Scope) -> Json:
        value = self.value(node.named_children[0], scope)
        return not value if text_of(node.children[0]) == "!" else -value

    def _identifier(self, node: Node, scope: Scope) -> Json:
        name = text_of(node)
        return scope[name] if name in scope else self._symbol(name)

    def _parenthesized_expression(self, node: Node, scope: Scope) -> Json:
        return self.value(node.named_children[0], scope)

    def _array(self, node: Node, scope: Scope) -> list[Json]:
        return [self.value(child, scope) for child in node.named_children if child.type != "comment"]

    def _object(self, node: Node, scope: Scope) -> dict[str, Json]:
        made: dict[str, Json] = {}
        for entry in node.named_children:
            if entry.type == "object_property":
                key, value = (child for child in entry.named_children if child.type != "comment")
                name = self._string(key, scope) if key.type == "string" else text_of(key)
                if name in made:
                    raise BicepError(f"{self.path}: '{name}' stands there twice")
                made[name] = self.value(value, scope)
        return made

    def _ternary_expression(self, node: Node, scope: Scope) -> Json:
        condition, yes, no = node.named_children
        return self.value(yes if self.value(condition, scope) else no, scope)

    def _binary_expression(self, node: Node, scope: Scope) -> Json:
        left, operator, right = node.children
        match text_of(operator):
            case "&&":
                return self.value(left, scope) and self.value(right, scope)
            case "||":
                return self.value(left, scope) or self.value(right, scope)
            case "==":
                return self.value(left, scope) == self.value(right, scope)
            case "??":
                value = self.value(left, scope)
                return self.value(right, scope) if value is None else value
            case "+" | "-" | "*" | "/" as sign:
                return self._sum(sign, self.value(left, scope), self.value(right, scope))
        raise BicepError(f"{self.path}: this reader doesn't know {text_of(operator)}")

    def _sum(self, sign: str, left: Json, right: Json) -> int:
        if type(left) is not int or type(right) is not int:
            raise BicepError(f"{self.path}: {left!r} {sign} {right!r} are no whole numbers")
        match sign:
            case "+":
                return left + right
            case "-":
                return left - right
            case "*":
                return left * right
        if right == 0:
            raise BicepError(f"{self.path}: {left} is divided by 0")
        quotient = abs(left) // abs(right)  # towards 0, as Azure Resource Manager divides
        return quotient if (left < 0) == (right < 0) else -quotient

    def _member_expression(self, node: Node, scope: Scope) -> Json:
        left, name = node.named_children[0], text_of(node.named_children[-1])
        if left.type == "ternary_expression":
            raise BicepError(f"{self.path}: put the branches of this into brackets: {text_of(node)}")
        value = self.value(left, scope)
        if value is None:
            if _is_safe(node):
                return None
            raise BicepError(f"{self.path}: {text_of(left)} isn't there")
        if isinstance(value, Resource):
            value = {"id": value.id, "name": value.name, "properties": {**value.properties, **value.runtime}}
        if not isinstance(value, Mapping) or name not in value:
            raise BicepError(f"{self.path}: {text_of(left)} has no '{name}'")
        return value[name]

    def _subscript_expression(self, node: Node, scope: Scope) -> Json:
        whole, index = node.named_children
        return self.value(whole, scope)[self.value(index, scope)]

    def _for_statement(self, node: Node, scope: Scope) -> list[Json]:
        return [self.value(body, inner) for body, inner in self._loop(node, scope)]

    def _loop(self, node: Node, scope: Scope) -> Iterator[tuple[Node, Scope]]:
        names, over, body = (child for child in node.named_children if child.type != "comment")
        bound = [text_of(names)] if names.type == "identifier" else [text_of(name) for name in names.named_children]
        for index, item in enumerate(self.value(over, scope)):
            yield body, {**scope, **dict(zip(bound, (item, index), strict=False))}

    def _call_expression(self, node: Node, scope: Scope) -> Json:
        name, given = text_of(node.named_children[0]), node.named_children[1].named_children
        if name == "filter":
            parameter, body = given[1].named_children
            items = self.value(given[0], scope)
            return [item for item in items if self.value(body, {**scope, text_of(parameter): item})]
        arguments = [self.value(argument, scope) for argument in given]
        match name:
            case "loadTextContent" | "loadJsonContent":
                text = self.files[posixpath.normpath(posixpath.join(posixpath.dirname(self.path), arguments[0]))]
                return text if name == "loadTextContent" else json.loads(text)
            case "environment":
                return {"suffixes": {"storage": CLOUDS[self.cloud]["storage"]}}
        if name not in FUNCTIONS:
            raise BicepError(f"{self.path}: this reader doesn't know the function {name}")
        return FUNCTIONS[name](*arguments)


def _is_safe(node: Node) -> bool:
    """Whether a `.?` stands here or further left: from there on, what is missing is null."""
    inner: Node | None = node
    while inner is not None and inner.type == "member_expression":
        if any(child.type == ".?" for child in inner.children):
            return True
        inner = inner.named_children[0]
    return False


def _union(*values: Json) -> Json:
    first, *others = values
    for other in others:
        if isinstance(first, list):
            first = [*first, *(item for item in other if item not in first)]
        else:
            first = {**first, **{k: _both(first.get(k), v) for k, v in other.items()}}
    return first


def _both(old: Json, new: Json) -> Json:
    return _union(old, new) if isinstance(old, dict) and isinstance(new, dict) else new


def _unique_string(*values: str) -> str:
    digest = hashlib.sha256("|".join(values).encode()).digest()
    letters = string.ascii_lowercase + string.digits[2:8]
    return "".join(letters[byte % 32] for byte in digest[:13])


FUNCTIONS: Final[Mapping[str, Callable[..., Json]]] = {
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "cidrSubnet": lambda whole, size, index: str(list(ipaddress.ip_network(whole).subnets(new_prefix=size))[index]),
    "empty": lambda value: not value,
    "guid": lambda *values: str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(values))),
    "int": int,
    "join": lambda values, by: by.join(values),
    "json": json.loads,
    "max": max,
    "min": min,
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceGroup": lambda: {"id": GROUP, "name": "rg-scim", "location": "westeurope"},
    "skip": lambda values, count: values[count:],
    "split": lambda text, by: text.split(by),
    "string": lambda value: value if isinstance(value, str) else json.dumps(value),
    "subscriptionResourceId": lambda kind, name: f"{GROUP.partition('/resourceGroups')[0]}/providers/{kind}/{name}",
    "take": lambda value, count: value[:count],
    "toLower": str.lower,
    "union": _union,
    "uniqueString": _unique_string,
}


def assignments(files: Mapping[str, str], path: str, environment: Mapping[str, str]) -> dict[str, Json]:
    """The parameters that a .bicepparam file sets."""
    reader = _ParameterFile(files, path, {})
    reader.environment = environment
    return {each.name: reader.value(each.value, {}) for each in declarations(files[path])}


class _ParameterFile(Deployment):
    """A .bicepparam: only its values are of interest, and it may read the environment."""

    environment: Mapping[str, str] = {}

    def __post_init__(self) -> None:
        """Nothing is deployed."""

    def _call_expression(self, node: Node, scope: Scope) -> Json:
        name, given = text_of(node.named_children[0]), node.named_children[1].named_children
        if name == "readEnvironmentVariable":
            variable, default = (self._string(argument, scope) for argument in given)
            return self.environment.get(variable, default)
        return super()._call_expression(node, scope)
