"""Cases that say what AWS's front doors to Lambda do, and a runner that asks any other door the same.

It stands on the standard library alone, and knows no proxy: a door is a URL with the echo function behind it.
"""

__version__ = "0.2.0"
