# twistd -n --pidfile= web --resource-script=serve.rpy, with this folder on PYTHONPATH
from app import resource  # noqa: F401
