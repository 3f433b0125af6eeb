"""A boosted ensemble as plain arrays, for serving without XGBoost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from customer_risk.model.errors import BundleError
from customer_risk.model.files import parse_json
from customer_risk.model.scoring.compiled import compiled

LEAF = -1


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """Trees whose leaves add up to a margin (log-odds); the nodes of all trees are in the same arrays.

    Within a tree a node comes before its children; node numbers count from the tree's root.

    features      number of columns in a row of values
    base          the margin before any tree
    offsets       int64[t + 1]  nodes of tree i are offsets[i]:offsets[i + 1]
    feature       int32[n]    column that a node compares; LEAF (-1) at a leaf
    threshold     float32[n]  a row goes left where float32(value) < threshold; 0 at a leaf
    default_left  bool[n]     whether a missing value (NaN) goes left
    left, right   int32[n]    children; LEAF at a leaf
    value         float64[n]  a leaf's addition to the margin; 0 elsewhere
    cover         float64[n]  sum of hessians (training weight) of the node's rows

    Raises BundleError if the arrays aren't such trees.
    """

    features: int
    base: float
    offsets: NDArray[np.int64]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    default_left: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]
    starts: NDArray[np.int64] = field(init=False, repr=False)  # int64[n]: the root of each node's tree

    def __post_init__(self) -> None:
        sizes = np.diff(self.offsets)
        if self.offsets[0] != 0 or (sizes < 1).any() or self.offsets[-1] != self.feature.size:
            raise _broken("the trees' offsets don't match their nodes")
        object.__setattr__(self, "starts", np.repeat(self.offsets[:-1], sizes))
        _check(self)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def margins(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return each row's log-odds float64[n] from values float64[n, features], NaN where missing."""
        margins = np.empty(len(values))
        _walk(
            np.ascontiguousarray(values, np.float32),
            self.offsets,
            self.feature,
            self.threshold,
            self.default_left,
            self.left,
            self.right,
            self.value,
            self.base,
            margins,
        )
        return margins

    def dumps(self) -> bytes:
        """Return JSON: the same trees give the same bytes, and `loads` returns the same bits."""
        return msgspec.json.encode(self.pack())

    @classmethod
    def loads(cls, data: bytes) -> Self:
        """Return the trees in JSON of `dumps`; raises BundleError for anything else."""
        try:
            return cls.unpack(parse_json(data, Packed))
        except msgspec.DecodeError as error:
            raise _broken(f"not the JSON of trees ({error})") from error

    def pack(self) -> Packed:
        """Return the arrays as lists, as in JSON."""
        return Packed(
            features=self.features, base=float(self.base), **{name: getattr(self, name).tolist() for name in _TYPES}
        )

    @classmethod
    def unpack(cls, packed: Packed) -> Self:
        """Return the trees in the lists; raises BundleError if they are invalid."""
        arrays: dict[str, Any] = {name: np.array(getattr(packed, name), dtype) for name, dtype in _TYPES.items()}
        return cls(features=packed.features, base=packed.base, **arrays)


class Packed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`Trees` as JSON holds them; the fields are those of `Trees`."""

    features: int
    base: float
    offsets: list[int]
    feature: list[int]
    threshold: list[float]
    default_left: list[bool]
    left: list[int]
    right: list[int]
    value: list[float]
    cover: list[float]


_TYPES: dict[str, Any] = {
    "offsets": np.int64,
    "feature": np.int32,
    "threshold": np.float32,
    "default_left": np.bool_,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
    "cover": np.float64,
}


def _broken(what: str) -> BundleError:
    return BundleError(
        f"The model's trees can't be used: {what}.", remedy="Make the bundle again with `customer-risk train`."
    )


def _check(trees: Trees) -> None:
    """Check the indices and numbers, since the compiled loops don't; raises BundleError."""
    sizes = {name: getattr(trees, name).shape for name in _TYPES if name != "offsets"}
    if len(set(sizes.values())) != 1:
        raise _broken(f"arrays of different lengths ({sizes})")
    inner = trees.feature != LEAF
    nodes = np.arange(trees.feature.size)
    ends = np.repeat(trees.offsets[1:], np.diff(trees.offsets))
    if ((trees.feature < LEAF) | (trees.feature >= trees.features)).any():
        raise _broken(f"a node compares a feature outside the model's {trees.features}")
    parents = np.zeros(trees.feature.size, np.int64)
    for child in (trees.left, trees.right):
        absolute = child + trees.starts
        if (inner & ((absolute <= nodes) | (absolute >= ends))).any() or (~inner & (child != LEAF)).any():
            raise _broken("a node's children don't come after it")
        np.add.at(parents, absolute[inner], 1)
    if (parents != (nodes != trees.starts)).any():
        raise _broken("a node without exactly one parent")
    if not np.isfinite(np.concatenate([trees.value, trees.cover, [trees.base]])).all():
        raise _broken("a number that isn't finite")
    if not np.isfinite(trees.threshold).all():
        raise _broken("a threshold that isn't finite")
    if (trees.cover < 0).any() or (trees.cover[inner] <= 0).any():
        raise _broken("a node that no training weight went through")


@compiled
def _walk(
    values: NDArray[np.float32],
    offsets: NDArray[np.int64],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float32],
    default_left: NDArray[np.bool_],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    value: NDArray[np.float64],
    base: float,
    margins: NDArray[np.float64],
) -> None:
    for row in range(values.shape[0]):
        total = base
        for tree in range(offsets.size - 1):
            root = offsets[tree]
            node = root
            while feature[node] >= 0:
                x = values[row, feature[node]]
                goes_left = default_left[node] if np.isnan(x) else x < threshold[node]
                node = root + (left[node] if goes_left else right[node])
            total += value[node]
        margins[row] = total
