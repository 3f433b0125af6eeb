"""What jobs and the owners' switches take and give, as far as every version of them does."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Why = Annotated[str, Meta(description="the reason, for the log and the record")]


class Job(msgspec.Struct):
    """How a job stands; its counts, rate and times stand beside."""

    job_id: Annotated[str, Meta(description="its identifier")]
    state: Annotated[
        Literal["queued", "running", "done", "failed", "cancelled"],
        Meta(description="the last three are final"),
    ]


class JobPath(msgspec.Struct):
    """A file that the service reads itself."""

    path: Annotated[str, Meta(description="beneath a folder that the deployment allows")]


class ForceRules(msgspec.Struct):
    """Whether declared rules answer in the model's place."""

    force: Annotated[bool, Meta(description="true: rules answer; false: the model does again")]
    why: _Why


class Reload(msgspec.Struct):
    """A wish to load the bundle anew."""

    why: _Why
