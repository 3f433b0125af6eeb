"""The KServe model: loads a bundle, says truthfully whether it is ready, answers the V1 protocol."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final

import kserve
import msgspec

from model.errors import BadField, InputError
from model.scoring.bundle import Bundle, load_bundle
from serving.answer import Answer, render
from serving.body import require_json
from serving.errors import MalformedBody, NotServed
from serving.faults import Faults
from serving.service import Service

_AT_A_TIME: Final = 16  # instances between two breaths of the event loop


class RiskModel(kserve.Model):  # type: ignore[misc]  # KServe ships no types
    """Customer risk from the bundle in `folder`, under `name`; with `explain`, answers hold what investigators see."""

    def __init__(self, name: str, folder: Path, *, explain: bool) -> None:
        super().__init__(name, return_response_headers=True)
        self._folder = folder
        self._explain = explain
        self.service = Service(name)

    def load(self) -> bool:
        """Load the bundle; ready only once its hashes and golden rows hold. Raises BundleError where they don't."""
        return self.use(load_bundle(self._folder))

    def use(self, bundle: Bundle) -> bool:
        """Answer with a verified bundle from now on."""
        self.service.use(bundle)
        self.ready = True
        return True

    def start(self) -> None:
        """Keep KServe from calling the model ready before it is."""

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> list[Any]:
        """Take the instances out of what came; raises InputError where there are none."""
        if isinstance(payload, kserve.InferRequest):
            raise NotServed("Inference by the V2 protocol isn't served.", remedy="Use /ai/v1/risk or the V1 protocol.")
        if isinstance(payload, bytes):  # KServe decodes bodies of its own few media types alone
            require_json((headers or {}).get("content-type"))
            try:
                payload = msgspec.json.decode(payload)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise MalformedBody(
                    f"The body isn't JSON: {error}.", remedy="Send one JSON object in UTF-8."
                ) from error
        self.service.model()  # nothing is looked at before there is one
        instances = payload.get("instances") if isinstance(payload, dict) else None
        if not isinstance(instances, list):
            raise InputError((BadField("/instances", "expected a list of requests as /ai/v1/risk takes them"),))
        return instances

    async def predict(
        self,
        payload: list[Any],
        headers: dict[str, str] | None = None,  # noqa: ARG002  KServe passes it
        response_headers: dict[str, str] | None = None,  # noqa: ARG002  KServe passes it
    ) -> list[Answer]:
        """Answer each instance; raises InputError naming the bad fields of all of them."""
        faults, answers = Faults(), []
        for i, instance in enumerate(payload):
            try:
                answers.append(self.service.answer_document(instance, at=f"/instances/{i}"))
            except InputError as error:
                for each in error.fields:
                    faults.add(each.pointer, each.detail)
            await _breathe(i)
        if faults.bad:
            raise InputError(tuple(faults.bad))
        return answers

    async def postprocess(
        self,
        result: list[Answer],
        headers: dict[str, str],  # noqa: ARG002  KServe passes it
        response_headers: dict[str, str],
    ) -> bytes:
        """Put the answers in V1's form: bytes, so that KServe encodes nothing anew."""
        response_headers["content-type"] = "application/json"
        predictions = [render(answer, explain=self._explain) for answer in result]
        return msgspec.json.encode({"predictions": predictions})

    async def explain(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Refuse: every prediction carries its reasons."""
        raise NotServed("There is no separate explanation.", remedy="Use :predict, whose answers carry their reasons.")


async def _breathe(done: int) -> None:
    """Let other requests run now and then: one of thousands of instances must not hold up the rest."""
    if done % _AT_A_TIME == _AT_A_TIME - 1:
        await asyncio.sleep(0)
