"""Makes `twistd lambdaproxy` known; nothing else is imported until it is asked for."""

from twisted.application.reactors import Reactor
from twisted.application.service import ServiceMaker

lambdaproxy = ServiceMaker(
    "lambdaproxy",
    "lambdaproxy.tap",
    "The front door to AWS Lambda: HTTP in, ALB, API Gateway or Function URL events out.",
    "lambdaproxy",
)

reactor = Reactor(
    "lambdaproxy", "lambdaproxy.base.reactor", "epoll(7), gathering what is written: the default of lambdaproxy."
)
