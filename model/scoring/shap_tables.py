"""Exact Shapley values of trees by table look-up.

Each tree is cut into bottom subtrees of height two (less where a branch ends early); the nodes above them are its upper
nodes. The outcomes of a subtree's ancestors and of its own nodes, one bit each, form a pattern, and its leaves' Shapley
values depend on that pattern alone. So each subtree has a table: a row for each pattern, a column for each feature on
the path to it or inside. A customer then costs one comparison a node and one short table row a subtree.

Height three would halve the look-ups for six times the memory: measured, it is slower for one customer and for many.

Trees are grouped in blocks whose tables fit the second-level cache together, and a batch is processed by block, some
rows at a time. Within a block all comparisons come first, then all additions, so that the processor fetches many table
rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from customer_risk.model.scoring.compiled import compiled
from customer_risk.model.scoring.shapley import fill_tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from customer_risk.model.scoring.paths import Paths
    from customer_risk.model.scoring.trees import Trees

HEIGHT = 2
ROWS = 512  # customers that are processed by a block together and share the cost of fetching its tables
BLOCK_BYTES = 128 * 1024  # a block's tables: small relative to 512 KB to 2 MB of second-level cache
_NONE = 0  # index of "no upper node above": pattern 0


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Lookup tables of all subtrees; blocks are consecutive, and so are subtrees of one shape within a block.

    A node's question is a column and a threshold: is float32 number `column` of the row below the threshold? Column
    2 f holds feature f with +inf where it is missing (which goes right), column 2 f + 1 with -inf (which goes left).

    upper_column, upper_threshold   uint32[u], float32[u]  upper nodes, each behind the one above it
    upper_above   uint32[u]      its place in the block, counted from 1, or 0 for none
    above         uint32[s]      the same for each subtree: its parent, an upper node
    start         uint64[s]      index in `table` at which the subtree's table begins
    inner_column, inner_threshold   uint32[i], float32[i]  nodes inside the subtrees, preorder
    feature       uint32[k]      features of the subtrees' table columns
    shapes        uint64[g, 3]   nodes inside, table columns, and number of consecutive subtrees of that shape
    blocks        uint64[b, 3]   upper nodes, shapes and subtrees of each block
    table         float64        the tables, patterns by columns
    """

    upper_column: NDArray[np.uint32]
    upper_threshold: NDArray[np.float32]
    upper_above: NDArray[np.uint32]
    above: NDArray[np.uint32]
    start: NDArray[np.uint64]
    inner_column: NDArray[np.uint32]
    inner_threshold: NDArray[np.float32]
    feature: NDArray[np.uint32]
    shapes: NDArray[np.uint64]
    blocks: NDArray[np.uint64]
    table: NDArray[np.float64]


class Subtree(NamedTuple):
    """A bottom subtree: its ancestors from the root down, its own inner nodes in preorder, and the features of both."""

    root: int
    ancestors: tuple[int, ...]
    inner: tuple[int, ...]
    features: tuple[int, ...]

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes whose outcomes are the pattern's bits, from the highest bit to the lowest."""
        return self.ancestors + self.inner

    @property
    def size(self) -> int:
        """How many numbers the table holds."""
        return len(self.features) << len(self.nodes)


class Cut(NamedTuple):
    """One tree cut up: its upper nodes, each behind the one above it, and its subtrees."""

    uppers: tuple[int, ...]
    subtrees: tuple[Subtree, ...]


def cut(trees: Trees, height: int = HEIGHT) -> tuple[Cut, ...]:
    """Cut every tree; a tree of one leaf has no subtree, since it adds only to the bias."""
    heights = np.zeros(trees.feature.size, np.int64)
    inner = np.flatnonzero(trees.feature >= 0)
    for node in inner[::-1].tolist():
        root = trees.starts[node]
        heights[node] = 1 + max(heights[root + trees.left[node]], heights[root + trees.right[node]])
    return tuple(_cut_one(trees, heights, root, height) for root in trees.offsets[:-1].tolist())


def _cut_one(trees: Trees, heights: NDArray[np.int64], root: int, height: int) -> Cut:
    uppers: list[int] = []
    subtrees: list[Subtree] = []
    waiting: list[tuple[int, tuple[int, ...]]] = [(root, ())] if heights[root] else []
    while waiting:
        node, ancestors = waiting.pop()
        if heights[node] > height:
            uppers.append(node)
            below = (*ancestors, node)
            waiting += [(root + int(trees.right[node]), below), (root + int(trees.left[node]), below)]
            continue
        inner = tuple(one for one in _preorder(trees, root, node) if trees.feature[one] >= 0)
        features = tuple(sorted({int(trees.feature[one]) for one in ancestors + inner}))
        subtrees.append(Subtree(node, ancestors, inner, features))
    return Cut(tuple(uppers), tuple(subtrees))


def _preorder(trees: Trees, root: int, node: int) -> Iterator[int]:
    yield node
    if trees.feature[node] >= 0:
        yield from _preorder(trees, root, root + int(trees.left[node]))
        yield from _preorder(trees, root, root + int(trees.right[node]))


def table_bytes(cuts: Sequence[Cut]) -> int:
    """Return the bytes that the tables would take."""
    return 8 * sum(subtree.size for one in cuts for subtree in one.subtrees)


def build(trees: Trees, paths: Paths, cuts: Sequence[Cut]) -> Tables:
    """Fill the tables: every pattern of every subtree."""
    uppers: list[int] = []
    upper_above: list[int] = []
    above: list[int] = []
    ordered: list[Subtree] = []
    shapes: list[list[int]] = []
    blocks: list[tuple[int, int, int]] = []
    for block in _in_blocks(cuts):
        place: dict[int, int] = {}
        for one in block:
            for upper in one.uppers:
                place[upper] = len(place) + 1
        parents = _parents(block)
        uppers += place
        upper_above += [place.get(parents[upper], _NONE) for upper in place]
        subtrees = sorted((s for one in block for s in one.subtrees), key=lambda s: (len(s.inner), len(s.features)))
        first_shape = len(shapes)
        for subtree in subtrees:
            shape = [len(subtree.inner), len(subtree.features)]
            if len(shapes) > first_shape and shapes[-1][:2] == shape:
                shapes[-1][2] += 1
            else:
                shapes.append([*shape, 1])
            above.append(place[subtree.ancestors[-1]] if subtree.ancestors else _NONE)
        ordered += subtrees
        blocks.append((len(place), len(shapes) - first_shape, len(subtrees)))
    inner = [node for subtree in ordered for node in subtree.inner]
    start = np.cumsum([0, *(subtree.size for subtree in ordered)])
    return Tables(
        upper_column=_columns(trees, uppers),
        upper_threshold=trees.threshold[np.array(uppers, np.int64)],
        upper_above=np.array(upper_above, np.uint32),
        above=np.array(above, np.uint32),
        start=start[:-1].astype(np.uint64),
        inner_column=_columns(trees, inner),
        inner_threshold=trees.threshold[np.array(inner, np.int64)],
        feature=np.array([feature for subtree in ordered for feature in subtree.features], np.uint32),
        shapes=np.array(shapes, np.uint64).reshape(-1, 3),
        blocks=np.array(blocks, np.uint64).reshape(-1, 3),
        table=_filled(trees, paths, ordered, start),
    )


def _in_blocks(cuts: Sequence[Cut]) -> Iterator[list[Cut]]:
    block: list[Cut] = []
    for one in cuts:
        block.append(one)
        if table_bytes(block) >= BLOCK_BYTES:
            yield block
            block = []
    if block:
        yield block


def _parents(block: Sequence[Cut]) -> dict[int, int]:
    """Return the upper node above each upper node; -1 for roots."""
    parents: dict[int, int] = {}
    for one in block:
        for subtree in one.subtrees:
            parents |= dict(zip(subtree.ancestors, (-1, *subtree.ancestors), strict=False))
    return parents


def _columns(trees: Trees, nodes: Sequence[int]) -> NDArray[np.uint32]:
    asked = np.array(nodes, np.int64)
    return (2 * trees.feature[asked] + trees.default_left[asked]).astype(np.uint32)


def _filled(trees: Trees, paths: Paths, subtrees: Sequence[Subtree], start: NDArray[np.int64]) -> NDArray[np.float64]:
    """Fill the tables: find each leaf's bits in the pattern and columns in the table; compiled code does the rest."""
    number = {leaf: place for place, leaf in enumerate(paths.leaves.tolist())}
    steps, slots = paths.steps.tolist(), paths.slots.tolist()
    step_node, feature = paths.step_node.tolist(), paths.feature.tolist()
    leaves: list[tuple[int, int, int, int]] = []
    bits: list[int] = []
    columns: list[int] = []
    for subtree, begin in zip(subtrees, start.tolist(), strict=False):
        bit = {node: len(subtree.nodes) - 1 - place for place, node in enumerate(subtree.nodes)}
        column = {name: place for place, name in enumerate(subtree.features)}
        for node in _preorder(trees, int(trees.starts[subtree.root]), subtree.root):
            if trees.feature[node] < 0:
                leaf = number[node]
                leaves.append((leaf, begin, len(subtree.features), len(subtree.nodes)))
                bits += [bit[asked] for asked in step_node[steps[leaf] : steps[leaf + 1]]]
                columns += [column[name] for name in feature[slots[leaf] : slots[leaf + 1]]]
    table = np.zeros(int(start[-1]))
    fill_tables(
        np.array(leaves, np.int64).reshape(-1, 4),
        np.array(bits, np.int64),
        np.array(columns, np.int64),
        paths.values,
        paths.steps,
        paths.step_left,
        paths.step_slot,
        paths.slots,
        paths.zero,
        paths.points,
        paths.weights,
        table,
    )
    return table


@compiled
def explain_by_tables(  # noqa: PLR0917  compiled code takes arrays, not objects
    values: NDArray[np.float64],
    bias: float,
    upper_column: NDArray[np.uint32],
    upper_threshold: NDArray[np.float32],
    upper_above: NDArray[np.uint32],
    above: NDArray[np.uint32],
    start: NDArray[np.uint64],
    inner_column: NDArray[np.uint32],
    inner_threshold: NDArray[np.float32],
    feature: NDArray[np.uint32],
    shapes: NDArray[np.uint64],
    blocks: NDArray[np.uint64],
    table: NDArray[np.float64],
    contributions: NDArray[np.float64],
    margins: NDArray[np.float64],
) -> None:
    """Fill contributions[n, f] and margins[n] for values[n, f].

    Indices are unsigned, which avoids the check for negative ones. A row's additions have one order, whatever the other
    rows of the batch.
    """
    none, unit = np.uint64(0), np.uint64(1)
    rows = np.uint64(values.shape[0])
    numbers = np.empty((min(values.shape[0], ROWS), 2 * values.shape[1]), np.float32)
    pattern_at = np.zeros(_most(blocks, 0) + 1, np.uint64)  # outcomes of an upper node and all above it
    found = np.empty(_most(blocks, 2), np.uint64)  # index at which each subtree's table row begins
    for first_row in range(none, rows, np.uint64(ROWS)):
        count = min(np.uint64(ROWS), rows - first_row)
        for row in range(count):
            _spread(values[first_row + row], numbers[row])
            contributions[first_row + row] = 0.0
        upper, shape, subtree, inner, column = none, none, none, none, none  # index at which the block's own begin
        for block in range(np.uint64(blocks.shape[0])):
            past_upper, past_shape = upper + blocks[block, 0], shape + blocks[block, 1]
            past_subtree = subtree + blocks[block, 2]
            past_inner, past_column = inner, column
            for row in range(count):
                x = numbers[row]
                for node in range(upper, past_upper):
                    pattern_at[node - upper + unit] = (pattern_at[upper_above[node]] << unit) | np.uint64(
                        x[upper_column[node]] < upper_threshold[node]
                    )
                past_inner = _find(
                    x, pattern_at, shapes[shape:past_shape], above[subtree:past_subtree], start[subtree:past_subtree],
                    inner_column, inner_threshold, inner, found,
                )  # fmt: skip
                past_column = _add(
                    found, shapes[shape:past_shape], feature, column, table, contributions[first_row + row]
                )
            upper, shape, subtree, inner, column = past_upper, past_shape, past_subtree, past_inner, past_column
        for row in range(first_row, first_row + count):
            margins[row] = bias
            for place in range(np.uint64(values.shape[1])):
                margins[row] += contributions[row, place]


@compiled
def _most(blocks: NDArray[np.uint64], column: int) -> np.int64:
    most = np.int64(0)
    for count in blocks[:, column]:
        most = max(most, np.int64(count))
    return most


@compiled
def _spread(values: NDArray[np.float64], numbers: NDArray[np.float32]) -> None:
    """Write each value twice: with +inf and with -inf for a missing value, which go right and left."""
    for feature in range(np.uint64(values.size)):
        number = np.float32(values[feature])
        missing = np.isnan(number)
        numbers[np.uint64(2) * feature] = np.float32(np.inf) if missing else number
        numbers[np.uint64(2) * feature + np.uint64(1)] = np.float32(-np.inf) if missing else number


@compiled
def _find(
    x: NDArray[np.float32],
    pattern_at: NDArray[np.uint64],
    shapes: NDArray[np.uint64],
    above: NDArray[np.uint32],
    start: NDArray[np.uint64],
    inner_column: NDArray[np.uint32],
    inner_threshold: NDArray[np.float32],
    inner: np.uint64,
    found: NDArray[np.uint64],
) -> np.uint64:
    """Evaluate a block's inner nodes and find each subtree's table row; return the next inner node's index."""
    unit, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    subtree = np.uint64(0)
    for shape in range(np.uint64(shapes.shape[0])):
        inside, width, past = shapes[shape, 0], shapes[shape, 1], subtree + shapes[shape, 2]
        if inside == three:  # the common shape, unrolled
            while subtree < past:
                pattern = (
                    (pattern_at[above[subtree]] << three)
                    | (np.uint64(x[inner_column[inner]] < inner_threshold[inner]) << two)
                    | (np.uint64(x[inner_column[inner + unit]] < inner_threshold[inner + unit]) << unit)
                    | np.uint64(x[inner_column[inner + two]] < inner_threshold[inner + two])
                )
                inner += three
                found[subtree] = start[subtree] + pattern * width
                subtree += unit
        else:
            while subtree < past:
                pattern = pattern_at[above[subtree]]
                for _ in range(inside):
                    pattern = (pattern << unit) | np.uint64(x[inner_column[inner]] < inner_threshold[inner])
                    inner += unit
                found[subtree] = start[subtree] + pattern * width
                subtree += unit
    return inner


@compiled
def _add(
    found: NDArray[np.uint64],
    shapes: NDArray[np.uint64],
    feature: NDArray[np.uint32],
    first: np.uint64,
    table: NDArray[np.float64],
    contributions: NDArray[np.float64],
) -> np.uint64:
    """Add a block's table rows to one row's contributions; return the next index in `feature`."""
    subtree = np.uint64(0)
    for shape in range(np.uint64(shapes.shape[0])):
        width, past = shapes[shape, 1], subtree + shapes[shape, 2]
        while subtree < past:
            for column in range(width):
                contributions[feature[first + column]] += table[found[subtree] + column]
            first += width
            subtree += np.uint64(1)
    return first
