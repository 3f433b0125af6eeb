"""V2's metadata of the server and its one model, and the inference that HTTP and gRPC share."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

import msgspec

from customer_risk.serving.contract.answer import ModelName
from customer_risk.serving.errors import UnknownModel
from customer_risk.serving.exchange.all_or_none import answer_all
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import current
from customer_risk.serving.kserve.v2.inputs import CUSTOMER_ID, FEATURES, REQUEST, datatype_of, read_inputs
from customer_risk.serving.kserve.v2.outputs import OUTPUTS, Output, outputs_of, require_outputs
from customer_risk.serving.kserve.v2.tensors import Call, Datatype

PLATFORM: Final = "customer-risk_bundle"


class ServerMetadata(msgspec.Struct, frozen=True):
    """The server's name and version, and the extensions that it supports."""

    name: str
    version: str
    extensions: tuple[str, ...]


class TensorMetadata(msgspec.Struct, frozen=True):
    """A tensor; in `shape`, -1 is the number of customers."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]


class ModelMetadata(msgspec.Struct, frozen=True):
    """The model; its only version is the hash of the current bundle."""

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


class Inferred(msgspec.Struct, frozen=True):
    """The outputs, with the name and the version of the model that answered."""

    model: ModelName
    outputs: list[Output]


class Models:
    """The only model that is served; `offload` reads large calls."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._service = exchange.service
        self.offload = exchange.service.offload

    @property
    def ready(self) -> bool:
        """Whether requests should be sent here."""
        return self._service.ready

    def names(self) -> tuple[str, ...]:
        """Return the name of the only model."""
        return (self._service.name,)

    def server(self) -> ServerMetadata:
        """Return the server's metadata."""
        return ServerMetadata("customer-risk", version("customer-risk"), ("binary_tensor_data",))

    def require_name(self, name: str) -> None:
        """Raise UnknownModel unless `name` is the configured name."""
        if name != self._service.name:
            raise UnknownModel("No model of this name is served.", remedy="GET /v2/models lists them.")

    def require(self, name: str, wanted: str = "") -> ModelName:
        """Return the model or rules that answer now; raises UnknownModel for another name or version, and NotReady."""
        self.require_name(name)
        model = self._service.model()
        if wanted not in {"", model.version}:
            raise UnknownModel(
                "This version isn't served.", remedy="Send the version that the model's metadata names, or no version."
            )
        return model

    def is_ready(self, name: str, wanted: str = "") -> bool:
        """Return whether requests should be sent to the model; raises UnknownModel for another name or version."""
        self.require_name(name)
        if self._service.ready:
            self.require(name, wanted)
        return self._service.ready

    def metadata(self, name: str, wanted: str = "") -> ModelMetadata:
        """Return the model's metadata; raises UnknownModel, and NotReady if there is no model."""
        model, features = self.require(name, wanted), self._service.names()
        texts = [TensorMetadata(each, datatype_of(each), (-1,)) for each in (REQUEST, CUSTOMER_ID)]
        whole = TensorMetadata(FEATURES, datatype_of(FEATURES), (-1, len(features)))
        return ModelMetadata(
            name=model.name,
            versions=(model.version,),
            platform=PLATFORM,
            inputs=(*texts, whole, *(TensorMetadata(each, datatype_of(each), (-1,)) for each in features)),
            outputs=tuple(TensorMetadata(each, datatype, (-1,)) for each, datatype in OUTPUTS.items()),
        )

    async def infer(self, call: Call) -> Inferred:
        """Answer the `current` request; raises InputError naming every tensor or value that can't be used."""
        require_outputs(call.outputs)
        asked = read_inputs(call.inputs, self._service)
        answers = await answer_all(self._exchange, asked.questions, at=asked.about.pointer)
        answering = (answers[-1].model if answers else self._service.model()).version
        outputs = outputs_of(answers, call.outputs, explain=current.get().explain)
        return Inferred(ModelName(self._service.name, answering), outputs)
