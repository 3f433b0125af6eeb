"""A run: scores each row of the input, stores each part of the results once, and finally a summary."""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

from customer_risk.model.errors import CustomerRiskError
from customer_risk.serving.bulk.tables.errors import UnusableInput
from customer_risk.serving.bulk.tables.inputs.interface import Rows, Source
from customer_risk.serving.bulk.tables.outputs.interface import Output
from customer_risk.serving.bulk.tables.outputs.rows import Place
from customer_risk.serving.bulk.tables.progress import Progress
from customer_risk.serving.bulk.tables.retry import PASSING, Patience
from customer_risk.serving.bulk.tables.scoring import REFUSED, RecordsLost, Scoring
from customer_risk.serving.bulk.tables.shipper_process import Shipping

_SOME: Final = 500  # rows between two checks for an interruption
_log = logging.getLogger("serving.batch")


class Interrupted(CustomerRiskError):
    """The run was interrupted before it was finished."""

    def __init__(self) -> None:
        super().__init__(
            "The run was stopped.", remedy="Run it again: it continues with the first part that isn't stored."
        )


class Run:
    """A run `name` of `day`; once `stopping` is set, it ends before the next row."""

    def __init__(
        self,
        source: Source,
        output: Output,
        scoring: Scoring,
        *,
        name: str,
        day: str,
        part_rows: int,
        least_rows: int,
        patience: Patience,
        stopping: threading.Event,
        shipping: Shipping,
    ) -> None:
        self._source = source
        self._output = output
        self._scoring = scoring
        self._name = name
        self._day = day
        self._part_rows = part_rows
        self._least_rows = least_rows
        self._patience = patience
        self._stopping = stopping
        self._shipping = shipping
        self._progress = Progress()
        self._counts: Counter[str] = Counter()
        self._seen = self._stored_before = 0

    def run(self, about: Mapping[str, Any]) -> dict[str, Any]:
        """Finish the run and return its summary, which includes `about`."""
        have = self._patience.have
        have(self._output.check)
        if (done := have(self._output.summary)) is not None:
            _log.info("run %s was finished at %s; nothing to do", self._name, done["finished_at"])
            return done
        plan = hashlib.sha256(f"{have(self._source.identity)} {self._part_rows}".encode()).hexdigest()[:32]
        stored = have(lambda: self._output.begin(plan))
        if stored:
            _log.info("run %s continues: %d parts are stored", self._name, len(stored))
        blocks = have(self._source.blocks)
        whole, before = sum(block.weight for block in blocks) or 1.0, 0.0
        # The pool ends first, also after an error: a part that is being stored is a file in the folder.
        with tempfile.TemporaryDirectory(prefix="customer-risk-") as folder, ThreadPoolExecutor(1) as pool:
            storing = _Storing(self._output, self._patience, pool)
            for number, block in enumerate(blocks):
                with ExitStack() as stack:
                    opening = partial(self._open, stack, number)
                    reading = _Reading(block.name, have(opening), self._patience, before / whole, block.weight / whole)
                    for part in self._parts(reading, number, plan, stored):
                        lines = Path(folder) / part.place.part
                        self._counts += have(partial(self._score, reading, part, lines), of=(RecordsLost,))
                        storing.store(part.place, lines)
                        self._shipping.keep()
                before += block.weight
            storing.wait()
        return self._finish(about, plan)

    def _open(self, stack: ExitStack, number: int) -> Rows:
        return stack.enter_context(self._source.open(number))

    def _parts(
        self, reading: _Reading, block: int, plan: str, stored: Mapping[str, Mapping[str, int]]
    ) -> Iterator[_Part]:
        """Yield the parts of a block that aren't stored."""
        for number, first in enumerate(range(0, reading.count, self._part_rows)):
            part = _Part(
                Place(self._day, self._name, plan, f"{block:05d}-{number:05d}"),
                first,
                min(first + self._part_rows, reading.count),
            )
            self._seen += 1
            if part.place.part in stored:
                self._stored_before += 1
                self._counts.update(stored[part.place.part])
                self._progress.skip(reading.share(part.end))
            else:
                yield part

    def _score(self, reading: _Reading, part: _Part, path: Path) -> Counter[str]:
        """Score a part's rows into a file of lines; return the number of rows by segment."""
        counts: Counter[str] = Counter()
        row = part.first
        with path.open("wb") as file:
            requests = reading.rows(part.first)
            while some := list(islice(requests, min(_SOME, part.end - row))):
                for request in some:
                    line, segment = self._scoring.line(request, part.place, row)
                    file.write(line)
                    counts[segment] += 1
                    row += 1
                if self._stopping.is_set():
                    self._scoring.commit()
                    raise Interrupted
                self._progress.done(len(some), reading.share(row))
        if row != part.end:
            raise UnusableInput(
                f"{reading.name} has {reading.count} rows, but {row} were read.", remedy="Run it again."
            )
        reading.at = row
        self._scoring.commit()
        return counts

    def _finish(self, about: Mapping[str, Any], plan: str) -> dict[str, Any]:
        rows, refused, seconds = self._counts.total(), self._counts.pop(REFUSED, 0), self._progress.seconds
        if rows < self._least_rows:
            raise UnusableInput(
                f"The input has {rows} rows, fewer than least_rows ({self._least_rows}).",
                remedy="Check the process that writes it, then run it again.",
            )
        summary = {
            "run": self._name,
            "rows": rows,
            "refused": refused,
            "segments": dict(sorted(self._counts.items())),
            "parts": self._seen,
            "parts_stored_before": self._stored_before,
            "seconds": round(seconds, 3),
            "rows_per_second": round(self._progress.rows / max(seconds, 1e-6), 1),
            "finished_at": dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z"),
            "plan": plan,
            **about,
        }
        self._patience.have(lambda: self._output.finish(summary))
        return summary


@dataclass(frozen=True)
class _Part:
    """A part: the rows of a block from `first` to before `end`."""

    place: Place
    first: int
    end: int


class _Reading:
    """Reads a block's rows in order; after a failure it continues at the same row.

    `before` and `weight` are shares of the run's work: that of the blocks before this one, and of this block.
    """

    def __init__(self, name: str, rows: Rows, patience: Patience, before: float, weight: float) -> None:
        self.name = name
        self._rows = rows
        self._patience = patience
        self._before = before
        self._weight = weight
        self._going: Iterator[bytes] | None = None
        self.count = rows.count
        self.at = -1  # the next row, while `rows` reads one part after the other

    def share(self, row: int) -> float:
        """Return the share of the run's work that is done before this row."""
        return self._before + self._weight * row / self.count

    def rows(self, first: int) -> Iterator[bytes]:
        """Yield the rows from number `first` on."""
        if self._going is None or self.at != first:
            self._going = chain.from_iterable(self._steadily(first))
        self.at = -1
        return self._going

    def _steadily(self, first: int) -> Iterator[Sequence[bytes]]:
        at, going = first, None

        def some() -> Sequence[bytes] | None:
            nonlocal going
            going = going or self._rows.lines(at)
            try:
                return next(going, None)
            except PASSING:
                going = None
                raise

        while (lines := self._patience.have(some)) is not None:
            yield lines
            at += len(lines)


class _Storing:
    """Stores a part while the next one is scored."""

    def __init__(self, output: Output, patience: Patience, pool: ThreadPoolExecutor) -> None:
        self._output = output
        self._patience = patience
        self._pool = pool
        self._under_way: Future[None] | None = None

    def store(self, place: Place, path: Path) -> None:
        """Begin to store a part, after the one before is stored."""
        self.wait()
        self._under_way = self._pool.submit(self._store, place, path)

    def wait(self) -> None:
        """Wait until everything is stored; raises the error of a failed store."""
        if self._under_way is not None:
            self._under_way.result()

    def _store(self, place: Place, path: Path) -> None:
        self._patience.have(lambda: self._output.store(place, path))
        path.unlink()
