"""Makers of codecs and invokers: the `twisted.plugin` package that other distributions may extend.

A third party ships `lambdaproxy/plugins/its_name.py` with module-level providers of `IEventCodecMaker` or
`IInvokerMaker`, and no `__init__.py` in that folder.
"""

from twisted.plugin import pluginPackagePaths

__path__.extend(pluginPackagePaths(__name__))
__all__: list[str] = []
