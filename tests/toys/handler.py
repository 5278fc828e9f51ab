"""The function behind the toy codec."""


def handler(event, context):
    return event["shout"] + "!"
