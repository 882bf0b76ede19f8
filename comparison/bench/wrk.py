"""wrk, the load generator for capacity: a closed loop, and every body is compared."""

import json
import os
import resource
import shutil
import subprocess
from pathlib import Path

from comparison.bench.load import Load
from comparison.bench.prober import Prober, Request
from tooling.errors import UsageError

SCRIPT = Path(__file__).with_name("wrk.lua")


def find_wrk() -> str | None:
    """Returns the path of wrk; None without it."""
    return shutil.which("wrk")


def closed_loop(port: int, request: Request, connections: int, seconds: float) -> Load:
    """Loads the port with wrk, or with the prober if there is no wrk; `Load.tool` says which.

    wrk runs for whole seconds, at least one. Raises `UsageError` if wrk fails.
    """
    wrk = find_wrk()
    if wrk is None:
        return Prober(port, request, connections).closed_loop(seconds)
    duration = max(round(seconds), 1)
    command = [wrk, "-t1", f"-c{connections}", f"-d{duration}s", "-s", str(SCRIPT)]
    for name, value in request.headers:
        command += ["-H", f"{name}: {value}"]
    command.append(f"http://127.0.0.1:{port}{request.target}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=duration + 30,
        env={
            "PATH": os.defpath,
            "CONNECTIONS": f"{connections}",
            "EXPECTED": (request.expected or b"").hex(),
        },
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise UsageError(f"wrk failed: {(done.stderr or done.stdout).strip()[-200:]}")
    result = json.loads(lines[-1])
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    run = result["microseconds"] / 1e6
    answered = result["requests"]
    return Load(
        tool="wrk",
        command=command,
        seconds=run,
        completed=answered - result["statuses"] - result["wrong"],
        errors=result["failures"] + result["statuses"],
        wrong=result["wrong"],
        mean_latency=result["mean_latency"] / 1e6,
        mean_in_system=connections,
        client_share=cpu / run,
    )
