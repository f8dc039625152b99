"""Invariants of infra/: what an operator is shown and told is what the service really writes."""

import ast
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Final

from scim.telemetry import log_line
from scim.telemetry.record import Record, StartedRequest
from tests.infra.bicep import Resource
from tests.infra.kql import columns, words
from tests.infra.stack import ACTION_GROUP, COSMOS, INSIGHTS, METRIC_ALERT, QUERY_ALERT, ROOT, VARIANTS, WORKBOOK, Stack

_RECORD: Final = Record("PATCH", "/Users", "patch", "User", 204, "", "", 1.0, 1, 1.0, "acme", "entra", (), "01a2")
_COUNTED: Final = _RECORD._replace(status=401, reason="expired", requests=57)


@cache
def _line() -> Mapping[str, str]:
    """The names in the lines as the service really writes them, and the types that a query may read them as."""
    written: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append(record.getMessage())

    logger, keep = logging.getLogger("scim.request"), Keep()
    level = logger.level
    logger.addHandler(keep)
    logger.setLevel(logging.INFO)
    try:
        log_line.LogLines(lambda: 0.0).observe(StartedRequest("PATCH", "/Users", "https"))(_RECORD)
        log_line.LogLines(lambda: 0.0).observe(StartedRequest("PATCH", "/Users", "https"))(_COUNTED)
    finally:
        logger.removeHandler(keep)
        logger.setLevel(level)
    if not all(text.startswith("request action=") for text in written):
        raise AssertionError(f"the lines begin otherwise: {written}")
    of_one, counted = ([pair.split("=")[0] for pair in text.split(" ")[1:]] for text in written)
    if [name for name in counted if name not in {"reason", "requests"}] != of_one:
        raise AssertionError(f"the lines have other pairs: {written}")
    pairs = counted
    whole = {"status", "database_calls", "bulk_operations", "bulk_failed", "ignored_operations", "requests"}
    return {name: "int" if name in whole else "real" if name in {"ms", "ru"} else "string" for name in pairs}


@cache
def _messages() -> Sequence[str]:
    """The texts that the service logs as warnings and worse."""
    found: list[str] = []
    for path in ROOT.glob("scim/**/*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="warning" | "error" | "critical"), args=[ast.Constant(str(text)), *_]
                ):
                    found.append(text)
                case _:
                    pass
    return found


def _queries(stack: Stack) -> Iterator[tuple[str, str]]:
    """Every query: where it stands, and its text."""
    for rule in (r for r in stack.deploy("everything").resources if r.type == QUERY_ALERT):
        for criterion in rule.properties["criteria"]["allOf"]:
            yield f"alert {rule.name.rpartition('-')[2]}", criterion["query"]
    for item in json.loads(stack.files["infra/workbook.json"])["items"]:
        if item["type"] == 3:
            yield item["name"], item["content"]["query"]
        for parameter in item["content"].get("parameters", []):
            if "query" in parameter:
                yield parameter["name"], parameter["query"]


def queries_read_what_the_service_writes(stack: Stack) -> Iterator[str]:
    lines = stack.files["infra/queries/lines.kql"]
    if columns(lines) != _line():
        yield f"lines.kql reads other pairs than a line has: {dict(columns(lines).items() ^ _line().items())}"
    if 'startswith "request action="' not in lines or 'pair_delimiter=" ", kv_delimiter="="' not in lines:
        yield "lines.kql takes other lines, or takes them apart otherwise"
    if f"substring(message, {len('request ')})" not in lines:
        yield "lines.kql cuts off more or less than the first word"
    traces, requests = {"message", "timestamp", "severityLevel"}, {"resultCode"}
    for name, query in _queries(stack):
        reads_lines = "parse-kv" in query
        if reads_lines and lines not in query:
            yield f"{name}: the part that reads lines isn't that of lines.kql"
        known = traces | requests | (_line().keys() if reads_lines else set())
        for word in words(query.replace(lines, "")) - known:
            yield f"{name}: nothing has a field '{word}'"
        for operator, text in re.findall(r'message (startswith|has) "([^"]+)"', query.replace(lines, "")):
            told = [m for m in _messages() if (m.startswith(text) if operator == "startswith" else text in m)]
            if not told:
                yield f"{name}: the service says nowhere '{text}'"


def alerts_cover_what_goes_wrong(stack: Stack) -> Iterator[str]:
    """For each alert: how bad it is, and a part of its query that makes it what it is."""
    wanted = {
        "failures": (1, "failed > 0.05 * requests", "sumif(requests, status >= 500"),
        "unauthorized": (2, "refused > 0.2 * requests", "sumif(requests, status == 401)"),
        "throttled": (2, "throttled > 0.05 * requests", "sumif(requests, status == 429)"),
        "latency": (2, "p95 > 2000", "percentile(ms, 95)"),
        "host": (1, "failed >= told + 10", "toint(resultCode) >= 500"),
        "mackey": (2, "max(timestamp)", 'startswith "the key of secret tokens is missing"'),
        "tokens": (3, '"expires in"', 'startswith "secret token "'),
        "unconfigured": (1, "severityLevel >= 4", 'startswith "wrong setting:"'),
    }
    for variant in VARIANTS:
        deployed = stack.deploy(variant).resources
        group = stack.one(ACTION_GROUP, variant)
        rules = {r.name.rpartition("-")[2]: r for r in deployed if r.type == QUERY_ALERT}
        if rules.keys() != wanted.keys():
            yield f"{variant}: alerts {sorted(rules.keys() ^ wanted.keys())}"
        for name, rule in rules.items():
            severity, *parts = wanted.get(name, (0,))
            asked = rule.properties
            (criterion,) = asked["criteria"]["allOf"]
            if asked.get("severity") != severity or not all(_says(criterion["query"], str(part)) for part in parts):
                yield f"{name}: severity {asked.get('severity')}, {criterion['query'][-120:]}"
            condition = criterion["timeAggregation"], criterion["operator"], criterion["threshold"]
            if asked.get("enabled") is not True or condition != ("Count", "GreaterThan", 0):
                yield f"{name}: is off, or asks for other than rows"
            if asked.get("scopes") != [stack.one(INSIGHTS, variant).id]:
                yield f"{name}: looks elsewhere"
            if asked.get("actions") != {"actionGroups": [group.id]}:
                yield f"{name}: tells nobody"
            if not asked.get("description") or not asked.get("displayName"):
                yield f"{name}: doesn't say what it means"
        yield from _throttling_faults(stack, variant, group)


def _says(query: str, part: str) -> bool:
    return re.search(rf"{re.escape(part)}(?!\w)", query) is not None


def _throttling_faults(stack: Stack, variant: str, group: Resource) -> Iterator[str]:
    metric = stack.one(METRIC_ALERT, variant).properties
    (criterion,) = metric["criteria"]["allOf"]
    throttled = [{"name": "StatusCode", "operator": "Include", "values": ["429"]}]
    if criterion.get("metricName") != "TotalRequests" or criterion.get("dimensions") != throttled:
        yield f"{variant}: the database's throttling isn't counted"
    if metric.get("scopes") != [stack.one(COSMOS, variant).id] or metric.get("actions") != [
        {"actionGroupId": group.id}
    ]:
        yield f"{variant}: the database's throttling is looked for elsewhere, or tells nobody"
    emails = [each["emailAddress"] for each in group.properties.get("emailReceivers", [])]
    if emails != [address for address in VARIANTS[variant].get("alertEmails", []) if address]:
        yield f"{variant}: e-mails go to {emails}"
    if group.properties.get("enabled") is not True or len(group.properties["groupShortName"]) > 12:
        yield f"{variant}: the action group is off, or its short name too long"


def the_workbook_shows_provisioning_at_a_glance(stack: Stack) -> Iterator[str]:
    shown = dict(_queries(stack))
    wanted = {
        "outcomes": ("sum(requests) by outcome", "status == 429"),
        "changes": ("by customer, resource_type", "status < 300"),
        "errors": ("by status, scim_type",),
        "units": ("sum(ru)",),
        "latency": ("percentile(ms, 95)",),
    }
    for name, parts in wanted.items():
        if not all(_says(shown.get(name, ""), part) for part in parts):
            yield f"{name} is missing, or shows something else"
    for variant in VARIANTS:
        made = stack.one(WORKBOOK, variant)
        if made.properties.get("sourceId") != stack.one(INSIGHTS, variant).id or made.body.get("kind") != "shared":
            yield f"{variant}: the workbook reads something else"
        if made.properties.get("serializedData") != stack.files["infra/workbook.json"]:
            yield f"{variant}: the workbook isn't workbook.json"
    if "/subscriptions/" in stack.files["infra/workbook.json"]:
        yield "the workbook names a resource of somebody's"
