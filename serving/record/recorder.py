"""Records each decision before its answer is sent."""

from __future__ import annotations

import errno
import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from customer_risk.model.errors import ConfigError, InputError
from customer_risk.model.scoring.golden import cpu_family
from customer_risk.serving.contract.identifiers import uuid7
from customer_risk.serving.contract.problem import kind_of
from customer_risk.serving.errors import BodyTooLarge, EncodedBody, MalformedBody, RecordUnavailable, WrongMediaType
from customer_risk.serving.record.outbox.record import VERSION, Record, encode, encode_decision, hash_names
from customer_risk.serving.record.outbox.writer import Outbox

if TYPE_CHECKING:
    from customer_risk.serving.contract.answer import Answer
    from customer_risk.serving.contract.trace import Trace
    from customer_risk.serving.record.settings import RecordSettings

_OF_THE_INPUT: Final = (InputError, MalformedBody, BodyTooLarge, WrongMediaType, EncodedBody)
_MOST_POINTERS: Final = 20
_LONGEST_POINTER: Final = 200
_FREE_BYTES: Final = 10_000_000  # for refusals, before the share applies: at first there are few decisions
_PASSING: Final = {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}  # errors that may end without new settings


def recording(settings: RecordSettings, unrecorded: Callable[[], object]) -> Callable[[], Recorder] | None:
    """Return a function that makes a process's recorder, or None if nothing is recorded.

    `unrecorded` is called for each decision or refusal that isn't recorded.

    Raises ConfigError for settings that can't be used. The outbox is opened when a recorder is made.
    """
    settings.check()
    if not settings.enabled:
        return None
    key, folder = settings.key(), Path(settings.folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except OSError as error:
        if error.errno not in _PASSING:  # start despite a passing error: the shipper frees space
            raise ConfigError(f"record.folder can't be written: {error}.", remedy="Mount a disk there.") from error

    def make() -> Recorder:
        return Recorder(
            Outbox(folder, most_bytes=settings.most_bytes, file_bytes=settings.file_bytes),
            cpu=cpu_family(),
            key=key,
            refuse=settings.when_full == "refuse",
            refusal_share=settings.refusal_share,
            unrecorded=unrecorded,
        )

    return make


class Recorder:
    """Writes decisions, and requests refused for their input, to an outbox.

    `cpu` names the processor's family. `key` hashes customers' ids; with None, ids are recorded as given. With
    `refuse`, a decision that can't be recorded raises; otherwise it is allowed, and `unrecorded()` is called.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        cpu: str,
        key: bytes | None = None,
        refuse: bool = True,
        refusal_share: float = 0.1,
        unrecorded: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._outbox = outbox
        self._cpu = cpu
        self._key = key
        self._refuse = refuse
        self._share = refusal_share
        self._unrecorded = unrecorded
        self._clock = clock
        self._names: tuple[tuple[str, ...], str] = ((), hash_names(()))  # of the last decision, and their hash
        self._decisions = self._refusals = 0.0  # bytes

    @property
    def failing(self) -> bool:
        """Whether decisions can't be recorded now."""
        return bool(self._outbox.failing)

    @property
    def ready(self) -> bool:
        """Whether decisions may be answered: if they can be recorded, or if unrecorded ones are allowed."""
        return not (self._refuse and self._outbox.failing)

    def decided(self, answer: Answer, *, caller: str, route: str, trace: Trace | None, took: int) -> None:
        """Write a decision; raises RecordUnavailable if it can't, unless unrecorded decisions are allowed."""
        names = answer.basis.names
        known, names_hash = self._names
        if names is not known:
            names_hash = hash_names(names)
            self._names = (names, names_hash)
        body = encode_decision(
            answer,
            customer_id=self._named(answer.customer_id),
            caller=caller,
            route=route,
            trace="" if trace is None else trace.trace_id,
            took=took,
            cpu=self._cpu,
            names=names_hash,
        )
        self._decisions += len(body)
        try:
            self._outbox.add(body, names, names_hash)
        except RecordUnavailable:
            if self._refuse:
                raise
            self._unrecorded()

    def refused(self, error: Exception, *, caller: str, route: str, trace: Trace | None) -> None:
        """Write a request refused for its input: the names of the bad fields, never their values."""
        if not isinstance(error, _OF_THE_INPUT):
            return
        if self._refusals > self._share * (self._decisions + self._refusals + _FREE_BYTES):
            return
        kind, now = kind_of(error), self._clock()
        fields = error.fields[:_MOST_POINTERS] if isinstance(error, InputError) else ()
        body = encode(
            Record(
                version=VERSION,
                kind="refusal",
                record_id=uuid7(int(now * 1000)),
                at=int(now * 1e6),
                took=-1,
                route=route,
                caller=caller,
                trace="" if trace is None else trace.trace_id,
                customer_id="",
                status=kind.status.value,
                problem=kind.name,
                pointers=tuple(field.pointer[:_LONGEST_POINTER] for field in fields),
                source="",
                model="",
                model_version="",
                cpu=self._cpu,
                probability=None,
                segment="",
                action="",
                reasons=(),
                warnings=(),
                names="",
                features=b"",
                encoded=b"",
                history_complete=True,
            )
        )
        self._refusals += len(body)
        try:
            self._outbox.add(body)
        except RecordUnavailable:
            self._unrecorded()

    def commit(self) -> None:
        """Make all written records durable; raises RecordUnavailable as `decided` does."""
        try:
            self._outbox.commit()
        except RecordUnavailable as error:
            if self._refuse:
                raise
            for _ in range(error.records):
                self._unrecorded()

    def close(self) -> None:
        """Close the outbox; call it after the last answer."""
        self._outbox.close()

    def _named(self, customer_id: str) -> str:
        if self._key is None:
            return customer_id
        return f"hmac-sha256:{hmac.new(self._key, customer_id.encode(), hashlib.sha256).hexdigest()}"
