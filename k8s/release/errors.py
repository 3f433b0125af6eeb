"""Errors of a deployment: ReleaseError, with HelmFailed and GateClosed below it."""

from __future__ import annotations


class ReleaseError(Exception):
    """A release isn't in the expected state; the message says what is wrong and where."""


class HelmFailed(ReleaseError):
    """The helm command failed; the message has its output."""


class GateClosed(ReleaseError):
    """The release doesn't answer correctly, or not in time."""
