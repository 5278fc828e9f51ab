"""What an operator can do about each code with which the Lambda API refuses a call (API reference of Invoke)."""

from __future__ import annotations

_OLD = "they have expired: log in again (aws sso login), or renew what the provider gives"
_UNKNOWN = "AWS does not know the access key: it was deleted or mistyped, or its AWS_SESSION_TOKEN is missing or old"
_WRONG = "the secret access key does not belong to the access key (AWS_SECRET_ACCESS_KEY), or the token is wrong"

CREDENTIALS = {
    "ExpiredToken": _OLD,
    "ExpiredTokenException": _OLD,
    "TokenRefreshRequired": _OLD,
    "InvalidAccessKeyId": _UNKNOWN,
    "InvalidClientTokenId": _UNKNOWN,
    "UnrecognizedClientException": _UNKNOWN,
    "InvalidSignatureException": _WRONG,
    "SignatureDoesNotMatch": _WRONG,
    "RequestExpired": "the clock of this machine is wrong; set it",
    "RequestTimeTooSkewed": "the clock of this machine is wrong; set it",
}
"""About each code with which AWS refuses a signature."""

_KMS = "let the function's role use the KMS key of its environment variables, and see that the key is enabled"
_NETWORK = "look at the function's VPC: subnets with free addresses, security groups, and its role's ec2 permissions"

_CODES = {
    "AccessDeniedException": "let the policy of our role permit lambda:InvokeFunction on this function and qualifier, "
    "and the function's own policy, if it is in another account",
    "ResourceNotFoundException": "check the function's name, qualifier, region and account",
    "InvalidParameterValueException": "check the function's name and qualifier",
    "RequestTooLargeException": "send less: Lambda takes events of 6 MB",
    "InvalidRequestContentException": "this is a defect of lambdaproxy, or of the plugin that makes the events",
    "UnsupportedMediaTypeException": "something between us and Lambda changes requests",
    "InvalidRuntimeException": "the function's runtime is not supported any more: deploy it with another",
    "InvalidZipFileException": "Lambda cannot unpack the function's code: deploy it again",
    "KMSAccessDeniedException": _KMS,
    "KMSDisabledException": _KMS,
    "KMSInvalidStateException": _KMS,
    "KMSNotFoundException": _KMS,
    "EC2AccessDeniedException": _NETWORK,
    "EC2UnexpectedException": _NETWORK,
    "ENILimitReachedException": _NETWORK,
    "InvalidSecurityGroupIDException": _NETWORK,
    "InvalidSubnetIDException": _NETWORK,
    "SubnetIPAddressLimitReachedException": _NETWORK,
    "ResourceConflictException": "the function is being changed: it will be back when that is done",
    "ResourceNotReadyException": "the function is not active yet, or was idle for weeks: it is being made ready",
    "SnapStartException": "look at the function's SnapStart and its hooks",
    "SnapStartNotReadyException": "Lambda makes a snapshot of the function: it will be ready soon",
    "SnapStartTimeoutException": "the function took too long to restore from its snapshot",
    "ServiceException": "a fault of AWS: see its health page if it lasts",
}

_REASONS = {
    "ReservedFunctionConcurrentInvocationLimitExceeded": "give the function more reserved concurrency",
    "ReservedFunctionInvocationRateLimitExceeded": "give the function more reserved concurrency",
    "ConcurrentInvocationLimitExceeded": "the account's concurrency is used up: ask AWS for more, or reserve some",
    "FunctionInvocationRateLimitExceeded": "more calls a second than ten times the concurrency: ask AWS for more",
    "CallerRateLimitExceeded": "more calls a second than the account may send: ask AWS for more",
    "ConcurrentSnapshotCreateLimitExceeded": "too many snapshots at once: they will be ready soon",
}


def advice(code: str, reason: str = "") -> str:
    """What to do, or nothing where we do not know; `reason` is that of a throttle."""
    return _REASONS.get(reason) or _CODES.get(code) or CREDENTIALS.get(code, "")
