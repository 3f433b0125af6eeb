"""What can be wrong with a request apart from its fields (those are model.errors.InputError).

RequestError
├── MalformedBody       not JSON
├── WrongMediaType      JSON sent as something else
├── BodyTooLarge        more bytes than the server takes
├── WrongMethod         anything but POST
├── UnknownModel        a model that isn't served here
├── NotServed           a part of KServe's protocols that isn't served
└── NotReady            no verified bundle yet, or none at all

serving.problem maps each to its status.
"""

from __future__ import annotations

from model.errors import CustomerRiskError


class RequestError(CustomerRiskError):
    """A request that can't be answered as it came."""


class MalformedBody(RequestError):
    """Not JSON."""


class WrongMediaType(RequestError):
    """JSON sent as something else."""


class BodyTooLarge(RequestError):
    """More bytes than the server takes."""


class WrongMethod(RequestError):
    """Anything but POST."""


class UnknownModel(RequestError):
    """A model that isn't served here."""


class NotServed(RequestError):
    """A part of KServe's protocols that isn't served."""


class NotReady(RequestError):
    """No verified bundle yet, or none at all."""
