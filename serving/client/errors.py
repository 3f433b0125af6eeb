"""What a call can end in.

ClientError
├── UnreachableError    no answer within the patience, or none worth trusting the line for
├── BadAnswerError      a response that isn't this service's
├── RefusedError        a problem document: `status` and `problem`
└── JobError            a job that ended without results
"""

from __future__ import annotations

from customer_risk.serving.client.answers import Job
from customer_risk.serving.contract.problem import Problem


class ClientError(Exception):
    """The root."""


class UnreachableError(ClientError):
    """No answer within the client's patience; the cause is the last attempt's."""


class BadAnswerError(ClientError):
    """A response that isn't this service's: a proxy's page, or a body cut short."""


class RefusedError(ClientError):
    """The service refused. `status` says how, `problem` why: `problem.errors` names every bad field."""

    def __init__(self, problem: Problem) -> None:
        fields = "".join(f"\n  {each.pointer or '(the whole)'}: {each.detail}" for each in problem.errors)
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}{fields}")
        self.problem = problem
        self.status = problem.status


class JobError(ClientError):
    """A job that failed or was cancelled; `job` is how it stands."""

    def __init__(self, job: Job) -> None:
        why = f" {job.problem.title}: {job.problem.detail}" if job.problem else ""
        super().__init__(f"The job {job.job_id} ended as {job.state}.{why}")
        self.job = job
