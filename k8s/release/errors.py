"""What a deployment can end in."""

from __future__ import annotations


class ReleaseError(Exception):
    """A release that isn't as it should be; the message says what and where."""


class HelmFailed(ReleaseError):
    """The helm command ended with an error, which the message quotes."""


class GateClosed(ReleaseError):
    """The release didn't come to answer as it should, in time or at all."""
