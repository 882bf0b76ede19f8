"""`python -m tests.contract.serve uvicorn|hypercorn ...`: that server's command line, with a faulty store."""

import sys
from importlib import import_module

from tests.contract import faults

faults.install()
server = sys.argv.pop(1)
main = (
    import_module(f"{server}.__main__").main
    if server == "hypercorn"
    else import_module(server).main
)
sys.exit(main())
