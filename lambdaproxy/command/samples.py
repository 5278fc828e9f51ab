"""Events of services that are no front doors, as AWS documents their shapes: made by hand, filled with what is asked.

Sources: the Lambda guide's pages on S3, SQS, SNS, DynamoDB, Kinesis and EventBridge, and "Event message structure" of
the S3 guide. Nothing in them is anybody's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class About:
    """What all events show: when, where, and in whose account."""

    now: float
    region: str
    account: str

    def arn(self, service: str, what: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{what}"

    def iso(self, fraction: bool = True) -> str:
        """The time as AWS writes it, in milliseconds or in seconds."""
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.now))
        return f"{text}.{int(self.now * 1000) % 1000:03d}Z" if fraction else f"{text}Z"


@dataclass(frozen=True, slots=True)
class Asked:
    """An option of a sample; `many` may be repeated, and makes a record each time, or a pair with `pair`."""

    name: str
    metavar: str
    default: Any
    help: str
    many: bool = False
    pair: bool = False
    json: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """A service's event: what may be said of it, and what makes it of that."""

    help: str
    options: tuple[Asked, ...]
    make: Callable[[About, Mapping[str, Any]], dict[str, Any]]


def _hex(digits: int) -> str:
    return os.urandom((digits + 1) // 2).hex()[:digits]


def _number(digits: int) -> str:
    return str(int.from_bytes(os.urandom(24), "big") % 10 ** (digits - 1) + 10 ** (digits - 1))


def _s3(about: About, given: Mapping[str, Any]) -> dict[str, Any]:
    return {"Records": [_s3_record(about, given, key) for key in given["key"]]}


def _s3_record(about: About, given: Mapping[str, Any], key: str) -> dict[str, Any]:
    # A key stands in the event as a form would send it: encoded, blanks as +.
    what: dict[str, Any] = {"key": quote_plus(key, safe="/")}
    if not given["event-name"].startswith("ObjectRemoved:"):
        what |= {"size": given["size"], "eTag": _hex(32)}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": about.region,
        "eventTime": about.iso(),
        "eventName": given["event-name"],
        "userIdentity": {"principalId": "AWS:AIDAEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": _hex(16).upper(), "x-amz-id-2": _hex(64)},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": str(uuid4()),
            "bucket": {
                "name": given["bucket"],
                "ownerIdentity": {"principalId": "EXAMPLE"},
                "arn": f"arn:aws:s3:::{given['bucket']}",
            },
            "object": {**what, "sequencer": _hex(18).upper()},
        },
    }


def _sqs(about: About, given: Mapping[str, Any]) -> dict[str, Any]:
    fifo = {}
    queue = given["queue"]
    if given["group"]:
        fifo = {"MessageGroupId": given["group"]}
        queue = queue if queue.endswith(".fifo") else f"{queue}.fifo"
    sent = str(int(about.now * 1000))
    return {
        "Records": [
            {
                "messageId": str(uuid4()),
                "receiptHandle": base64.b64encode(os.urandom(48)).decode(),
                "body": body,
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": sent,
                    **({"SequenceNumber": _number(20), **fifo} if fifo else {}),
                    "SenderId": "AIDAEXAMPLE",
                    **({"MessageDeduplicationId": _hex(64)} if fifo else {}),
                    "ApproximateFirstReceiveTimestamp": sent,
                },
                "messageAttributes": {
                    name: {"stringValue": value, "stringListValues": [], "binaryListValues": [], "dataType": "String"}
                    for name, value in given["attribute"]
                },
                "md5OfBody": hashlib.md5(body.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": about.arn("sqs", queue),
                "awsRegion": about.region,
            }
            for body in given["body"]
        ]
    }


def _sns(about: About, given: Mapping[str, Any]) -> dict[str, Any]:
    topic, subscription = about.arn("sns", given["topic"]), str(uuid4())
    host = f"https://sns.{about.region}.amazonaws.com"
    return {
        "Records": [
            {
                "EventVersion": "1.0",
                "EventSubscriptionArn": f"{topic}:{subscription}",
                "EventSource": "aws:sns",
                "Sns": {
                    "SignatureVersion": "1",
                    "Timestamp": about.iso(),
                    "Signature": base64.b64encode(os.urandom(64)).decode(),
                    "SigningCertURL": f"{host}/SimpleNotificationService-{_hex(32)}.pem",
                    "MessageId": str(uuid4()),
                    "Message": message,
                    "MessageAttributes": {
                        name: {"Type": "String", "Value": value} for name, value in given["attribute"]
                    },
                    "Type": "Notification",
                    "UnsubscribeURL": f"{host}/?Action=Unsubscribe&SubscriptionArn={topic}:{subscription}",
                    "TopicArn": topic,
                    "Subject": given["subject"],
                },
            }
            for message in given["message"]
        ]
    }


def _typed(value: Any) -> dict[str, Any]:
    """A JSON value as DynamoDB writes it."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int | float):
        return {"N": json.dumps(value)}
    if isinstance(value, list):
        return {"L": [_typed(one) for one in value]}
    return {"M": _item(value)}


def _item(value: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _typed(one) for name, one in value.items()}


def _dynamodb(about: About, given: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("keys", "new", "old"):
        if given[name] is not None and not isinstance(given[name], dict):
            raise ValueError(f"--{name}: an item is a JSON object, as in '{{\"Id\": 101}}'")
    change: dict[str, Any] = {"ApproximateCreationDateTime": int(about.now), "Keys": _item(given["keys"])}
    happened = given["event-name"]
    if happened != "REMOVE":
        change["NewImage"] = _item({**given["keys"], **(given["new"] or {})})
    if happened != "INSERT":
        change["OldImage"] = _item({**given["keys"], **(given["old"] or {})})
    size = len(json.dumps(change))
    stream = f"table/{given['table']}/stream/{about.iso()[:-1]}"
    return {
        "Records": [
            {
                "eventID": _hex(32),
                "eventName": happened,
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": about.region,
                "dynamodb": {
                    **change,
                    "SequenceNumber": _number(24),
                    "SizeBytes": size,
                    "StreamViewType": "NEW_AND_OLD_IMAGES",
                },
                "eventSourceARN": about.arn("dynamodb", stream),
            }
        ]
    }


def _eventbridge(about: About, given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid4()),
        "detail-type": given["detail-type"],
        "source": given["source"],
        "account": about.account,
        "time": about.iso(fraction=False),
        "region": about.region,
        "resources": list(given["resource"]),
        "detail": given["detail"],
    }


def _schedule(about: About, given: Mapping[str, Any]) -> dict[str, Any]:
    rule = about.arn("events", f"rule/{given['rule']}")
    values = {"detail-type": "Scheduled Event", "source": "aws.events", "resource": [rule], "detail": {}}
    return _eventbridge(about, values)


def _kinesis(about: About, given: Mapping[str, Any]) -> dict[str, Any]:
    records = []
    for data in given["data"]:
        number = _number(56)
        records.append(
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": given["partition-key"],
                    "sequenceNumber": number,
                    "data": base64.b64encode(data.encode("utf-8", "surrogateescape")).decode(),
                    "approximateArrivalTimestamp": round(about.now, 3),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000000:{number}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": f"arn:aws:iam::{about.account}:role/lambda-role",
                "awsRegion": about.region,
                "eventSourceARN": about.arn("kinesis", f"stream/{given['stream']}"),
            }
        )
    return {"Records": records}


_ATTRIBUTE = Asked("attribute", "NAME=VALUE", (), "a message attribute; may be repeated", many=True, pair=True)

SAMPLES: Mapping[str, Sample] = {
    "s3": Sample(
        "an object was written to a bucket, or removed",
        (
            Asked("bucket", "NAME", "example-bucket", "the bucket"),
            Asked("key", "KEY", ("folder/file.txt",), "the object's key; repeated: a record each", many=True),
            Asked("event-name", "NAME", "ObjectCreated:Put", "what happened, as in ObjectRemoved:Delete"),
            Asked("size", "BYTES", 1024, "the object's size"),
        ),
        _s3,
    ),
    "sqs": Sample(
        "messages of a queue",
        (
            Asked("body", "TEXT", ("Hello from SQS",), "a message; repeated: a record each", many=True),
            Asked("queue", "NAME", "example-queue", "the queue"),
            Asked("group", "NAME", "", "the message group, which makes it a FIFO queue"),
            _ATTRIBUTE,
        ),
        _sqs,
    ),
    "sns": Sample(
        "a message of a topic",
        (
            Asked("message", "TEXT", ("Hello from SNS",), "the message; repeated: a record each", many=True),
            Asked("subject", "TEXT", None, "its subject"),
            Asked("topic", "NAME", "example-topic", "the topic"),
            _ATTRIBUTE,
        ),
        _sns,
    ),
    "dynamodb": Sample(
        "an item of a table was changed",
        (
            Asked("table", "NAME", "example-table", "the table"),
            Asked("event-name", "NAME", "INSERT", "INSERT, MODIFY or REMOVE"),
            Asked("keys", "JSON", {"Id": 101}, "its keys, as plain JSON", json=True),
            Asked("new", "JSON", None, "its other attributes afterwards, as plain JSON", json=True),
            Asked("old", "JSON", None, "those before", json=True),
        ),
        _dynamodb,
    ),
    "eventbridge": Sample(
        "an event of a bus",
        (
            Asked("source", "NAME", "com.example", "who sent it"),
            Asked("detail-type", "TEXT", "example", "what kind of event it is"),
            Asked("detail", "JSON", {}, "what it says", json=True),
            Asked("resource", "ARN", (), "whom it concerns; may be repeated", many=True),
        ),
        _eventbridge,
    ),
    "schedule": Sample(
        "a scheduled rule's time has come",
        (Asked("rule", "NAME", "example-rule", "the rule"),),
        _schedule,
    ),
    "kinesis": Sample(
        "records of a stream",
        (
            Asked("data", "TEXT", ("Hello from Kinesis",), "a record's data; repeated: a record each", many=True),
            Asked("stream", "NAME", "example-stream", "the stream"),
            Asked("partition-key", "TEXT", "1", "the partition key"),
        ),
        _kinesis,
    ),
}
