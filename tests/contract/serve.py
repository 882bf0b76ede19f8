"""`python -m tests.contract.serve uvicorn|hypercorn ...`: the server, with faults installed."""

import os
import sys
from importlib import import_module

from tests.contract import faults, process_breakages

faults.install()
if what := os.environ.get(process_breakages.VARIABLE):
    process_breakages.install(what)
server = sys.argv.pop(1)
main = (
    import_module(f"{server}.__main__").main
    if server == "hypercorn"
    else import_module(server).main
)
sys.exit(main())
