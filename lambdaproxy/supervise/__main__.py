"""`python -m lambdaproxy.supervise PLAN`: what `--workers` becomes; the plan is JSON, made by `start.workers`."""

from __future__ import annotations

import json
import sys

from lambdaproxy.supervise.plan import Plan
from lambdaproxy.supervise.supervisor import Supervisor

if __name__ == "__main__":
    raise SystemExit(Supervisor(Plan(**json.loads(sys.argv[1]))).run())
