"""The KServe model: loads a bundle, reports its readiness, and answers the V1 protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kserve
import msgspec

from customer_risk.model.scoring.bundle import Bundle
from customer_risk.serving.contract.answer import Answer, render
from customer_risk.serving.contract.batch import read_list
from customer_risk.serving.decisions.service import Service
from customer_risk.serving.decisions.verification import load_verified
from customer_risk.serving.errors import NotServed
from customer_risk.serving.exchange.all_or_none import Question, answer_all
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import current
from customer_risk.serving.http.body import require_json
from customer_risk.serving.kserve.warm_up import take_every_path


class RiskModel(kserve.Model):  # type: ignore[misc]  # KServe ships no types
    """Answers with the bundle in `folder` through `exchange`.

    `warm` is whether this process has run every code path of a request once.
    """

    def __init__(self, exchange: Exchange, folder: Path) -> None:
        super().__init__(exchange.service.name, return_response_headers=True)
        self._folder = folder
        self.exchange = exchange
        self.service = exchange.service
        self.warm = False

    def load(self) -> bool:
        """Load the bundle; the model is ready after its hashes and golden rows were verified. Raises BundleError."""
        return self.use(load_verified(self._folder))

    def warm_up(self) -> None:
        """Run every code path of a request with the rules, if they may answer before there is a bundle."""
        if not self.warm and self.service.answering:
            take_every_path(self.service)
            self.warm = True

    def use(self, bundle: Bundle) -> bool:
        """Answer with a verified bundle from now on; first run every code path of a request, unless that was done."""
        if not self.warm:
            trial = Service(self.service.name)
            trial.use(bundle)
            take_every_path(trial)
            self.warm = True
        self.service.use(bundle)
        self.ready = True
        return True

    async def healthy(self) -> bool:
        """Return whether requests should be sent here."""
        return self.service.ready

    def stop(self) -> None:
        """Report not ready; requests are still answered."""
        super().stop()
        self.service.draining = True

    def start(self) -> None:
        """Do nothing: KServe's own method would report the model ready before it is."""

    async def preprocess(self, payload: bytes, headers: dict[str, str] | None = None) -> list[bytes]:
        """Return the texts of a body's instances; raises MalformedBody, BodyTooLarge, and InputError without a list."""
        require_json((headers or {}).get("content-type"))
        self.service.model()  # raises NotReady before the body is parsed
        expected = "expected a list of requests as /ai/v1/risk takes them"
        return await self.service.offload.call(len(payload), read_list, payload, "instances", expected=expected)

    async def predict(
        self,
        payload: list[bytes],
        headers: dict[str, str] | None = None,  # noqa: ARG002  KServe passes it
        response_headers: dict[str, str] | None = None,  # noqa: ARG002  KServe passes it
    ) -> list[Answer]:
        """Return the answer to each instance; raises InputError naming the bad fields of all of them."""
        questions = [self._question(instance, f"/instances/{place}") for place, instance in enumerate(payload)]
        return await answer_all(self.exchange, questions, at=lambda place: f"/instances/{place}")

    async def postprocess(
        self,
        result: list[Answer],
        headers: dict[str, str],  # noqa: ARG002  KServe passes it
        response_headers: dict[str, str],
    ) -> bytes:
        """Return V1's response as JSON bytes, which KServe doesn't encode again."""
        response_headers["content-type"] = "application/json"
        explain = current.get().explain
        predictions = [render(answer, explain=explain) for answer in result]
        return msgspec.json.encode({"predictions": predictions})

    async def explain(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Raise NotServed, since every prediction has its reasons."""
        raise NotServed("Explanations aren't served separately.", remedy="Use :predict, whose answers have reasons.")

    def _question(self, instance: bytes, at: str) -> Question:
        return Question(lambda: self.service.answer(instance, at=at), len(instance))
