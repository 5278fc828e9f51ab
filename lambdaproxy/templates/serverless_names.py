"""What the Serverless Framework calls the resources that it makes."""

from __future__ import annotations


def logical_name(name: str) -> str:
    """The resource of a function, as the framework calls it."""
    return f"{capital(name)}LambdaFunction"


def capital(name: str) -> str:
    name = name.replace("-", "Dash").replace("_", "Underscore")
    return name[:1].upper() + name[1:]
