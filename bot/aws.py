"""boto3 clients: made when first used, once per service, account and region, with short timeouts."""

from typing import Any


class Aws:
    """One per process. Endpoints, credentials and the home region come from botocore's own environment."""

    def client(self, service: str, *, region: str | None = None) -> Any:
        """A thread-safe boto3 client. botocore's retries are off: who calls decides what may be said twice."""
        raise NotImplementedError
