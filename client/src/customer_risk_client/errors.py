"""The errors that a call raises.

ClientError
├── UnreachableError    no answer within the patience, or no request could be sent
├── BadAnswerError      a response that doesn't come from this service
├── RefusedError        the service refused the request: `status` and `problem`
└── JobError            the job failed or was cancelled: `job`
"""

from __future__ import annotations

from customer_risk_client.answers import Job, Problem


class ClientError(Exception):
    """The base class of the client's errors."""


class UnreachableError(ClientError):
    """No answer within the client's patience, or no request could be sent; the cause is the last attempt's error."""


class BadAnswerError(ClientError):
    """A response that doesn't come from this service, such as a proxy's page, or can't be decoded."""


class RefusedError(ClientError):
    """The service refused the request. `status` is the HTTP status; `problem.errors` names every bad field."""

    def __init__(self, problem: Problem) -> None:
        fields = "".join(f"\n  {each.pointer or '(whole request)'}: {each.detail}" for each in problem.errors)
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}{fields}")
        self.problem = problem
        self.status = problem.status

    def __reduce__(self) -> tuple[type[RefusedError], tuple[Problem]]:
        return type(self), (self.problem,)


class JobError(ClientError):
    """The job failed or was cancelled; `job` is its state."""

    def __init__(self, job: Job) -> None:
        why = f" {job.problem.title}: {job.problem.detail}" if job.problem else ""
        super().__init__(f"The job {job.job_id} is {job.state}; it has no results.{why}")
        self.job = job

    def __reduce__(self) -> tuple[type[JobError], tuple[Job]]:
        return type(self), (self.job,)
