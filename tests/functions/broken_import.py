import a_module_that_is_nowhere  # noqa: F401


def handler(event, context):
    return None
