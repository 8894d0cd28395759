"""AWS's troubles, each in one sentence with its cure, for whoever typed the command."""

import re
from typing import Any

NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "TokenRetrievalError",
        "SSOError",
        "LoginError",
    }
)
"""Classes of botocore, told by their names: whoever works on a file should not wait for its import."""

OLD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
BUSY = frozenset(
    {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException"}
)


def explained(error: BaseException | None, what: str, service: str) -> str:
    """Why AWS did not do what was asked of `what` (`table 'login-bot-dev'`) in `service`; empty for other errors.

    AWS's own text is left out: it may repeat what was asked.
    """
    classes = {each.__name__ for each in type(error).__mro__}
    if "NoRegionError" in classes:
        return f"no AWS region: set AWS_DEFAULT_REGION to that of {what}"
    if "ProfileNotFound" in classes:
        return "AWS_PROFILE names a profile that is not in ~/.aws/config: mend it, or unset it"
    if classes & NO_CREDENTIALS:
        return "no AWS credentials: log in (aws sso login), or name a profile with AWS_PROFILE"
    if "ClientError" in classes:
        return _answered(error, what, service)
    if "BotoCoreError" in classes:
        silence = f"AWS did not answer in {region()} ({type(error).__name__})"
        return f"{silence}: look at the network, and whether AWS_DEFAULT_REGION is spelt right"
    return ""


def region() -> str:
    """The region in which AWS is asked, as far as it is named."""
    import boto3  # noqa: PLC0415 - only who asks AWS waits for it

    return str(boto3.Session().region_name or "no region")


def _answered(error: Any, what: str, service: str) -> str:
    code = str(error.response.get("Error", {}).get("Code", ""))
    if code == "ResourceNotFoundException":
        return f"there is no {what} in {region()}: mend its name, or name its region with AWS_DEFAULT_REGION"
    if code in DENIED:
        return f"not allowed: these AWS credentials need {service}:{error.operation_name} on {what}"
    if code in OLD_CREDENTIALS:
        return f"AWS takes these credentials no more ({code}): log in again"
    if code in BUSY:
        return f"AWS is too busy with {what}: try again in a moment"
    if code == "ValidationException":
        return f"{what} is none of the bot's (AWS said {code}): mend its name"
    return f"AWS said {re.sub(r'[^A-Za-z0-9]', '', code)[:60] or 'no'} of {what}; try again, or look it up"
