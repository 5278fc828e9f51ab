"""Answers for both functions of the compose file: edit it, and the next request runs what you saved."""


def handler(event, context):
    return f"{context.function_name} was asked for {event['rawPath']}\n"
