"""Runs a query over one partition: returns one page at a time, and its charge. Knows partitions and trees, no HTTP.

The emulator's indexes only make it faster. The charge depends on the indexing policy and the items, never on the index
that was used here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.cosmos_emulator.charges import QueryWork
from tests.cosmos_emulator.indexes import Bound, Document, SortedIndex, behind
from tests.cosmos_emulator.partition import Partition
from tests.cosmos_emulator.policy import IndexingPolicy, Names
from tests.cosmos_emulator.search import Narrowed, names_of, narrow
from tests.cosmos_emulator.sql_eval import Compiler, Evaluate
from tests.cosmos_emulator.sql_tree import Literal, Parameter, Query
from tests.cosmos_emulator.values import UNDEFINED, Value, follow, order_key
from tests.cosmos_emulator.wire import dump, refuse

MAX_PAGE_BYTES = 4 * 1024 * 1024  # service limits: response size 4 MB

type Project = Callable[[Document], Value]


@dataclass(slots=True)
class Position:
    """The position of the next page: the item before it, and the remaining OFFSET and LIMIT."""

    number: int = 0
    value: list[Value] = field(default_factory=list)  # the order value of the last item; empty: undefined
    offset: int = 0
    limit: int | None = None
    started: bool = False


@dataclass(slots=True)
class Page:
    rows: list[Value]
    work: QueryWork
    next: Position | None


class Execution:
    """One query with its parameters over one partition."""

    def __init__(
        self, query: Query, parameters: Mapping[str, Value], partition: Partition, policy: IndexingPolicy
    ) -> None:
        self._query = query
        self._partition = partition
        self._policy = policy
        self._compiler = Compiler(parameters)
        self._scope = {query.source: 0}
        self._orders = [(names_of(order.path), order.descending) for order in query.order_by]
        self._check_order()

    def start(self) -> Position:
        """Return the position before the first row."""
        limit = self._query.limit if self._query.top is None else self._query.top
        return Position(offset=self._whole(self._query.offset) or 0, limit=self._whole(limit))

    def page(self, position: Position, max_rows: int) -> Page:
        """Return the rows from a position on, at most `max_rows` and 4 MB."""
        self._partition.expire()
        narrowed = narrow(self._query, self._compiler, self._partition, self._policy)
        work = QueryWork(look_ups=narrowed.look_ups)
        residual = [self._compiler.compile(part, self._scope) for part in narrowed.residual]
        if self._query.count is not None:
            return self._count(self._query.count, narrowed, residual, work)
        rows: list[Value] = []
        project = self._projection()
        offset, limit = position.offset, position.limit
        numbers = self._sequence(narrowed, position)
        for number in numbers:
            if limit == 0:
                return Page(rows, work, None)
            item = self._partition.numbered(number)
            matches = _matches(item.document, residual)
            if residual:
                work.index_entries += 1
            if narrowed.scan or matches:
                work.loaded += 1
                work.loaded_bytes += item.size
            if not matches:
                continue
            if offset:
                offset -= 1
                continue
            value = project(item.document)
            if value is UNDEFINED:
                continue
            rows.append(value)
            work.rows += 1
            work.row_bytes += item.size if self._query.star else len(dump(value))
            if limit is not None:
                limit -= 1
            if (len(rows) >= max_rows or work.row_bytes >= MAX_PAGE_BYTES) and limit != 0:
                following = self._behind(item.document, number, offset, limit)
                return Page(rows, work, following if next(numbers, None) is not None else None)
        return Page(rows, work, None)

    # -- clauses

    def _check_order(self) -> None:
        for path, _ in self._orders:
            if not self._policy.indexed(path):
                refuse("The order by query does not have a corresponding index that it can be served from.")
        if len(self._orders) > 1 and not self._policy.served_by_composite(self._orders):
            refuse("The order by query does not have a corresponding composite index that it can be served from.")

    def _whole(self, expression: Literal | Parameter | None) -> int | None:
        if expression is None:
            return None
        value = self._compiler.constant(expression)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 2_147_483_647:
            refuse("TOP, OFFSET and LIMIT take whole numbers.")
        return value

    def _projection(self) -> Project:
        query = self._query
        if query.star:
            return lambda document: document
        if query.value is not None:
            value = self._compiler.compile(query.value, self._scope)
            return lambda document: value((document,))
        columns = [(name, self._compiler.compile(expression, self._scope)) for name, expression in query.columns]

        def row(document: Document) -> Value:
            found = ((name, make((document,))) for name, make in columns)
            return {name: value for name, value in found if value is not UNDEFINED}

        return row

    def _count(self, argument: Any, narrowed: Narrowed, residual: list[Evaluate], work: QueryWork) -> Page:
        """Return COUNT(x): the number of items for which x is defined."""
        constant = self._compiler.constant(argument)
        counted = self._compiler.compile(argument, self._scope)
        work.rows = 1
        candidates = narrowed.candidates()
        if not residual and constant is not NotImplemented and constant is not UNDEFINED:
            total = len(self._partition if candidates is None else candidates)
            work.index_entries = total
            return Page([total], work, None)
        total = 0
        for number in self._partition.numbers() if candidates is None else candidates:
            item = self._partition.numbered(number)
            work.index_entries += 1
            if narrowed.scan:
                work.loaded += 1
                work.loaded_bytes += item.size
            if _matches(item.document, residual) and counted((item.document,)) is not UNDEFINED:
                total += 1
        return Page([total], work, None)

    # -- order

    def _sequence(self, narrowed: Narrowed, position: Position) -> Iterator[int]:
        """Yield the numbers of the items that may match, in the order of the query, behind the position."""
        if not self._orders:
            candidates = narrowed.candidates()
            numbers = self._partition.numbers() if candidates is None else sorted(candidates)
            return (number for number in numbers if number > position.number)
        if len(self._orders) > 1:
            return iter(self._by_many(narrowed.candidates(), position))
        path, descending = self._orders[0]
        low, high = narrowed.bounds.get(path, ((0,), (9,)))
        if not self._policy.explicitly(path):
            low = max(low, (1,))  # items without the property aren't returned
        index = self._partition.sorted_index(path)
        start, end = index.span(low, high)
        fewest, sets = narrowed.fewest(), narrowed.sets
        if fewest is not None and fewest * 4 < end - start:
            index, sets = SortedIndex(path, self._documents(narrowed.candidates() or ())), []
            start, end = index.span(low, high)
        if position.started:
            last: Bound = order_key(position.value[0] if position.value else UNDEFINED)
            if descending:
                end = min(end, index.span(low, (*last, position.number))[1])
            else:
                start = max(start, index.span(behind((last[0], last[1]), position.number), high)[0])
        walked = index.numbers(start, end, backward=descending)
        return (number for number in walked if all(number in numbers for numbers in sets)) if sets else walked

    def _documents(self, numbers: Iterable[int]) -> Iterator[tuple[Document, int]]:
        return ((self._partition.numbered(number).document, number) for number in numbers)

    def _by_many(self, candidates: set[int] | None, position: Position) -> list[int]:
        numbers = self._partition.numbers() if candidates is None else sorted(candidates)
        for path, descending in reversed(self._orders):
            numbers.sort(key=self._key(path), reverse=descending)
        if position.started and position.number in numbers:
            return numbers[numbers.index(position.number) + 1 :]
        return numbers

    def _key(self, path: Names) -> Callable[[int], tuple[int, Any]]:
        return lambda number: order_key(follow(self._partition.numbered(number).document, path))

    def _behind(self, document: Document, number: int, offset: int, limit: int | None) -> Position:
        value = follow(document, self._orders[0][0]) if self._orders else UNDEFINED
        return Position(number, [] if value is UNDEFINED else [value], offset, limit, started=True)


def _matches(document: Document, residual: list[Evaluate]) -> bool:
    return all(part((document,)) is True for part in residual)


def plan(query: Query) -> dict[str, Any]:
    """Return the query plan, which the SDK requests for queries whose results it merges itself."""
    return {
        "partitionedQueryExecutionInfoVersion": 2,
        "queryInfo": {
            "distinctType": "None",
            "top": query.top.value if isinstance(query.top, Literal) else None,
            "offset": query.offset.value if isinstance(query.offset, Literal) else None,
            "limit": query.limit.value if isinstance(query.limit, Literal) else None,
            "orderBy": ["Descending" if order.descending else "Ascending" for order in query.order_by],
            "orderByExpressions": [],
            "groupByExpressions": [],
            "groupByAliases": [],
            "aggregates": ["Count"] if query.count is not None else [],
            "groupByAliasToAggregateType": {},
            "rewrittenQuery": "",
            "hasSelectValue": query.value is not None or query.count is not None,
        },
        "queryRanges": [{"min": "", "max": "FF", "isMinInclusive": True, "isMaxInclusive": False}],
    }
