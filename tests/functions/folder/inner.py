def handler(event, context):
    return __name__


class Callable:
    def __call__(self, event, context):
        return "called"


instance = Callable()
