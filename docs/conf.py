"""How the pages of this folder become a site: `make site`, where a warning is an error."""

from importlib.metadata import version as installed

from sphinx import addnodes

project = "lambdaproxy"
author = copyright = "the lambdaproxy authors"
version = release = installed("lambdaproxy")

extensions = ["myst_parser", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"lambdaproxy {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["_static"]
html_css_files = ["site.css"]

# What is copied from a console is what one types: neither the prompt nor what was printed.
copybutton_prompt_text = r"[$#] "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
copybutton_here_doc_delimiter = "EOF"

#: Where the words that people type into the search lead first. The search itself leaves numbers out, and knows of a
#: word only on which pages it stands.
SOUGHT = {
    "400": ["operations/troubleshooting#why-400-401-or-429"],
    "401": ["operations/troubleshooting#why-400-401-or-429", "access#tokens-and-keys-authorizers"],
    "403": ["operations/troubleshooting#why-403"],
    "404": ["operations/troubleshooting#why-404"],
    "413": ["operations/troubleshooting#why-413", "limits#sizes"],
    "429": ["operations/troubleshooting#why-400-401-or-429", "access#from-where-and-how-often"],
    "431": ["limits#sizes"],
    "500": ["errors#the-function"],
    "502": ["operations/troubleshooting#why-502", "errors#the-function"],
    "503": ["operations/troubleshooting#why-503", "errors#load-and-stopping"],
    "504": ["operations/troubleshooting#why-504", "operations/invoking#time-outs"],
    "auth": ["access#tokens-and-keys-authorizers"],
    "authorizer": ["access#tokens-and-keys-authorizers"],
    "breakpoint": ["local-development#from-nothing-to-a-breakpoint-in-python"],
    "caddy": ["operations/fronts#caddy"],
    "certificate": ["operations/tls"],
    "cold start": ["runtime", "local-development#several-functions-with-settings"],
    "cors": ["access#pages-of-other-sites-cors"],
    "credentials": ["operations/invoking#credentials"],
    "debug": ["local-development#from-nothing-to-a-breakpoint-in-python"],
    "docker": ["operations/containers"],
    "haproxy": ["operations/fronts#haproxy"],
    "healthz": ["operations"],
    "https": ["operations/tls"],
    "iam": ["operations/invoking#iam-policy", "access#kind-iam"],
    "install": ["operations/installing", "quickstart"],
    "jwt": ["access#kind-jwt"],
    "kubernetes": ["tutorials/kubernetes", "operations/containers"],
    "limit": ["limits", "moving#which-limits-fall-away"],
    "nginx": ["operations/fronts#nginx", "tutorials/server"],
    "payload": ["limits#sizes", "large-bodies"],
    "prometheus": ["operations/metrics"],
    "rate limit": ["access#from-where-and-how-often"],
    "reload": ["operations/workers#reload"],
    "retry": ["operations/invoking#what-is-sent-again", "why-never-twice"],
    "slow": ["operations/troubleshooting#slow"],
    "sse": ["streaming#server-sent-events"],
    "systemd": ["operations/installing"],
    "throttle": ["operations/troubleshooting#is-a-function-throttled-and-by-which-limit"],
    "timeout": ["limits#times", "operations/invoking#time-outs"],
    "tls": ["operations/tls"],
    "upload": ["large-bodies"],
}


def _lead(app, tree):
    """Enter what leads to this page into the index, which the search asks before the text."""
    page = app.env.current_document.docname
    entries = [
        ("single", word, place.partition("#")[2], "main", None)
        for word, places in SOUGHT.items()
        for place in places
        if place.partition("#")[0] == page
    ]
    if entries:
        tree.insert(0, addnodes.index(entries=entries))


def setup(app):
    app.connect("doctree-read", _lead)
    return {"parallel_read_safe": True}
