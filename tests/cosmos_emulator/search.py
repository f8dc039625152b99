"""Plans the use of indexes for a condition: the candidate items, the conditions still to test, and the look-ups.

Only conjuncts of the outermost AND reduce the candidates. A conjunct that an index decides exactly isn't tested again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.cosmos_emulator.indexes import Bound, above, below
from tests.cosmos_emulator.partition import Partition
from tests.cosmos_emulator.policy import ELEMENT, IndexingPolicy, Names
from tests.cosmos_emulator.sql_eval import Compiler
from tests.cosmos_emulator.sql_tree import (
    ArrayLiteral,
    Call,
    Compare,
    Exists,
    Expression,
    In,
    Literal,
    Logic,
    Not,
    Parameter,
    Path,
    Query,
)
from tests.cosmos_emulator.values import UNDEFINED, Value, is_scalar, order_key
from tests.cosmos_emulator.wire import refuse

_MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(slots=True)
class Narrowed:
    """A plan: items must be in every set of `sets`; `scan` means that items must be loaded to test them."""

    sets: list[set[int]] = field(default_factory=list)
    residual: list[Expression] = field(default_factory=list)
    bounds: dict[Names, tuple[Bound, Bound]] = field(default_factory=dict)
    look_ups: int = 0
    scan: bool = False

    def fewest(self) -> int | None:
        """Return the size of the smallest set, or None if all items are candidates."""
        return min(map(len, self.sets), default=None)

    def candidates(self) -> set[int] | None:
        """Return the items that are in all sets, or None if all items are candidates."""
        if not self.sets:
            return None
        first, *others = sorted(self.sets, key=len)
        return first.intersection(*others)


def names_of(path: Path) -> Names:
    """Return the names of a path of ORDER BY. Positions in arrays have no order."""
    if not all(isinstance(step, str) for step in path.steps):
        refuse("ORDER BY over a position in an array is not emulated.")
    return tuple(str(step) for step in path.steps)


def narrow(query: Query, compiler: Compiler, partition: Partition, policy: IndexingPolicy) -> Narrowed:
    """Plans the conjuncts of WHERE."""
    found = Narrowed()
    for part in _conjuncts(query.where):
        match part:
            case Compare(operator, left, right):
                _compared(found, part, operator, left, right, compiler, partition, policy)
            case In(Path() as path, options):
                values = [compiler.constant(option) for option in options]
                _looked_up(found, part, path, values, partition, policy)
            case Call("ARRAY_CONTAINS", (options, Path() as path)):
                constant = compiler.constant(options)
                values = constant if isinstance(constant, list) else [NotImplemented]
                _looked_up(found, part, path, values, partition, policy)
            case Call("STARTSWITH", (Path() as path, prefix)) if isinstance(compiler.constant(prefix), str):
                text = compiler.constant(prefix)
                _bounded(found, path, below(order_key(text)), above(order_key(text + "\U0010ffff")), policy)
                found.residual.append(part)
            case Exists(_, source, collection, where):
                _element(found, source, collection, where, compiler, partition, policy)
                found.residual.append(part)
            case Literal(True):
                pass
            case _:
                found.residual.append(part)
    for part in found.residual:
        found.scan = found.scan or any(not policy.indexed(path) for path in paths_in(part, {query.source: ()}))
    _take_bounds(found, query, partition)
    return found


def _conjuncts(where: Expression | None) -> Iterator[Expression]:
    match where:
        case None:
            return
        case Logic("AND", operands):
            for operand in operands:
                yield from _conjuncts(operand)
        case _:
            yield where


def _plain(path: Path, policy: IndexingPolicy) -> Names | None:
    """Return the names of a path if it is indexed and leads through objects only."""
    names = tuple(step for step in path.steps if isinstance(step, str))
    return names if names and len(names) == len(path.steps) and policy.indexed(names) else None


def _compared(
    found: Narrowed,
    part: Compare,
    operator: str,
    left: Expression,
    right: Expression,
    compiler: Compiler,
    partition: Partition,
    policy: IndexingPolicy,
) -> None:
    if not isinstance(left, Path):
        left, right, operator = right, left, _MIRRORED.get(operator, "")
    constant = compiler.constant(right)
    if not isinstance(left, Path) or constant is NotImplemented:
        found.residual.append(part)
    elif operator == "=":
        _looked_up(found, part, left, [constant], partition, policy)
    else:
        found.residual.append(part)
        if isinstance(constant, str | int | float) and not isinstance(constant, bool):
            key = order_key(constant)
            match operator:
                case "<":
                    _bounded(found, left, (key[0],), below(key), policy)
                case "<=":
                    _bounded(found, left, (key[0],), above(key), policy)
                case ">":
                    _bounded(found, left, above(key), (key[0] + 1,), policy)
                case ">=":
                    _bounded(found, left, below(key), (key[0] + 1,), policy)


def _looked_up(
    found: Narrowed, part: Expression, path: Path, values: list[Value], partition: Partition, policy: IndexingPolicy
) -> None:
    names = _plain(path, policy)
    wanted = [value for value in values if value is not UNDEFINED]
    if names is None or not all(value is not NotImplemented and is_scalar(value) for value in wanted):
        found.residual.append(part)
        return
    index = partition.hash_index(names)
    found.look_ups += len(values)
    if len(wanted) == 1:
        found.sets.append(index.find(wanted[0]))
    else:
        found.sets.append(set().union(*(index.find(value) for value in wanted)))


def _bounded(found: Narrowed, path: Path, low: Bound, high: Bound, policy: IndexingPolicy) -> None:
    names = _plain(path, policy)
    if names is not None:
        found.look_ups += 1
        before = found.bounds.get(names, ((0,), (9,)))
        found.bounds[names] = (max(before[0], low), min(before[1], high))


def _element(
    found: Narrowed,
    source: str,
    collection: Path,
    where: Expression | None,
    compiler: Compiler,
    partition: Partition,
    policy: IndexingPolicy,
) -> None:
    """Reduce the candidates by an equality inside EXISTS. EXISTS itself is tested afterwards."""
    outer = tuple(step for step in collection.steps if isinstance(step, str))
    for part in _conjuncts(where):
        match part:
            case Compare("=", Path(name, steps), other) if name == source and len(outer) == len(collection.steps):
                value = compiler.constant(other)
                names = (*outer, ELEMENT, *(step for step in steps if isinstance(step, str)))
                scalar = value is not NotImplemented and value is not UNDEFINED and is_scalar(value)
                if scalar and policy.indexed(names) and len(names) == len(outer) + 1 + len(steps):
                    found.look_ups += 1
                    found.sets.append(partition.hash_index(names).find(value))


def _take_bounds(found: Narrowed, query: Query, partition: Partition) -> None:
    """Reduce the candidates by a range, unless it is on the path of ORDER BY, which is read in order anyway."""
    ordered = {names_of(order.path) for order in query.order_by}
    for path, (low, high) in found.bounds.items():
        if path in ordered and len(ordered) == 1:
            continue
        index = partition.sorted_index(path)
        start, end = index.span(low, high)
        fewest = found.fewest()
        if (end - start) * 2 < (len(partition) if fewest is None else fewest):
            found.sets.append(set(index.numbers(start, end, backward=False)))


def paths_in(expression: Expression, sources: dict[str, Names]) -> Iterator[Names]:
    """Yield all paths that an expression reads, with `ELEMENT` for the elements of arrays."""
    match expression:
        case Path(source, steps):
            yield (*sources[source], *(step if isinstance(step, str) else ELEMENT for step in steps))
        case Not(operand):
            yield from paths_in(operand, sources)
        case Logic(_, operands) | Call(_, operands) | ArrayLiteral(operands):
            for operand in operands:
                yield from paths_in(operand, sources)
        case Compare(_, left, right):
            yield from paths_in(left, sources)
            yield from paths_in(right, sources)
        case In(needle, options):
            yield from paths_in(needle, sources)
            for option in options:
                yield from paths_in(option, sources)
        case Exists(selected, source, collection, where):
            outer = next(paths_in(collection, sources))
            inner = {**sources, source: (*outer, ELEMENT)}
            if steps_of(selected):
                yield from paths_in(selected, inner)
            if where is not None:
                yield from paths_in(where, inner)
        case Literal() | Parameter():
            return


def steps_of(expression: Expression) -> bool:
    """Return whether the expression is more than a source, such as `e` in `SELECT VALUE e`."""
    return not isinstance(expression, Path) or bool(expression.steps)
