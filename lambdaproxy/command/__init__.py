"""The `lambdaproxy` command: the same program as `twistd lambdaproxy`, and what operators want to ask it."""
