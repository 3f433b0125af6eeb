"""KServe's data plane and model repository, with correct readiness and a fixed model."""

from __future__ import annotations

from typing import Any

from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension

from customer_risk.serving.errors import NotServed


class ModelDataPlane(DataPlane):  # type: ignore[misc]  # KServe ships no types
    """A data plane that is ready if its models are; KServe's own one is always ready."""

    async def ready(self) -> bool:
        """Return whether there is a model and every model is ready."""
        models = self.model_registry.get_models()
        return bool(models) and all([await self.model_registry.is_model_ready(name) for name in models])

    async def model_ready(self, model_name: str, disable_predictor_health_check: bool = False) -> bool:
        """Return whether a model is ready; before an inference, when KServe sets the flag, whether it can answer."""
        model = self.get_model_from_registry(model_name)
        return bool(model.service.answering if disable_predictor_health_check else await model.healthy())

    def decode(self, body: bytes, headers: dict[str, str], *_: Any, **__: Any) -> tuple[bytes, dict[str, str]]:  # noqa: ARG002  KServe passes them
        """Return the body unchanged: the model decodes it, not KServe on the event loop."""
        return body, {}

    def encode(self, *, response: bytes, **_: Any) -> tuple[bytes, dict[str, str]]:
        """Return the model's response unchanged."""
        return response, {}

    async def get_model(self, name: str) -> Any:
        """Return a model; KServe's own method would load one that isn't ready and block the event loop."""
        return self.get_model_from_registry(name)


class FixedModels(ModelRepositoryExtension):  # type: ignore[misc]  # KServe ships no types
    """A repository whose model can't be changed; KServe's own one lets any caller unload it."""

    async def load(self, *_: str) -> None:
        """Raise NotServed."""
        raise _refusal()

    async def unload(self, *_: str) -> None:
        """Raise NotServed."""
        raise _refusal()


def _refusal() -> NotServed:
    return NotServed("The model can't be changed while it serves.", remedy="Deploy another bundle instead.")
