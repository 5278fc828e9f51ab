"""The maker of the format `envoy`. Cheap to import: every start of lambdaproxy does, whatever format it uses."""

from zope.interface import implementer

from lambdaproxy.interfaces import IEventCodecMaker, Option


def _yes_no(text):
    if text not in ("yes", "no"):
        raise ValueError(f"{text!r} is neither yes nor no")
    return text == "yes"


@implementer(IEventCodecMaker)
class EnvoyMaker:
    """Found by Twisted's plugin system, because it is an object at module level."""

    name = "envoy"
    help = "The event of Envoy's aws_lambda filter (payload_passthrough: false)"
    options = (Option("lower", _yes_no, True, "Whether names of header fields are in lower case, as Envoy's are."),)

    def make(self, options):
        from lambdaproxy_envoy import EnvoyCodec  # heavy imports belong here

        return EnvoyCodec(lower=options["lower"])


envoy = EnvoyMaker()
