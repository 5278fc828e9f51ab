"""How the pages of this folder become a site: `make site`, where a warning is an error."""

from importlib.metadata import version as installed

project = "lambdaproxy"
author = copyright = "the lambdaproxy authors"
version = release = installed("lambdaproxy")

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"lambdaproxy {release}"
html_copy_source = False
html_show_sphinx = False
