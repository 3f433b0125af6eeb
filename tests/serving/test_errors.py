"""The errors that say that a resource is used up."""

from __future__ import annotations

import errno
import os

import pytest

from customer_risk.serving.contract.problem import document_of
from customer_risk.serving.errors import Exhausted, NotFound, as_exhausted
from customer_risk.serving.exchange.exchange import Exchange
from customer_risk.serving.exchange.outcome import RequestContext

NUMBERS = [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOSPC, errno.EDQUOT]
LACKS = [OSError(number, os.strerror(number)) for number in NUMBERS]
LACKS += [MemoryError(), RuntimeError("can't start new thread")]


@pytest.mark.parametrize("error", LACKS, ids=str)
def test_a_lack_of_a_resource_is_refused_with_503(service, error) -> None:
    """Without descriptors, memory, threads or disk space, a request gets 503 with the time after which to retry."""
    refused = Exchange(service).refuse_now(error, RequestContext("/ai/v1/risk"))
    assert refused.status == 503
    assert refused.retry_after == 5
    assert ("retry-after", "5") in refused.headers
    assert refused.unexpected is (error if isinstance(error, MemoryError) else None)  # jobs end their process then


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "no"), RuntimeError("x"), NotFound("x", remedy="y"), KeyError()]
)
def test_other_errors_are_unchanged(error) -> None:
    """An error that doesn't say that a resource is used up is returned unchanged."""
    assert as_exhausted(error) is error


def test_the_document_names_the_resource() -> None:
    """The problem document names the resource that is used up, and nothing of the request."""
    _, document = document_of(Exhausted("Too many open files"))
    assert document.detail == "The server lacks a resource: Too many open files. Try again shortly."
