"""The functions that the contract of invokers asks for."""

import time


def echo(event, context):
    return event


def raises(event, context):
    raise ValueError("on purpose")


def slow(event, context):
    time.sleep(5)
