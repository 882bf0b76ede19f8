"""`python -m tests.contract.serve uvicorn|hypercorn ...`: the server, with faults installed.

`CONTRACT_SETUP=module:argument` calls `install(argument)` of that module first.
"""

import os
import sys
from importlib import import_module

from tests.contract import faults

faults.install()
if setup := os.environ.get("CONTRACT_SETUP"):
    module, _, argument = setup.partition(":")
    import_module(module).install(argument)
server = sys.argv.pop(1)
main = (
    import_module(f"{server}.__main__").main
    if server == "hypercorn"
    else import_module(server).main
)
sys.exit(main())
