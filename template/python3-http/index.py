"""Serves one OpenFaaS function: its `handle` in a Flask application, or its `app`, on Waitress, behind of-watchdog.

The environment: HOST, PORT, METRICS_HOST, METRICS_PORT, THREADS, MAX_BODY_BYTES, DRAIN_SECONDS, LOG_LEVEL,
FUNCTION_DIR, and of-watchdog's healthcheck_interval and suppress_lock. Their meaning and defaults are in
function_runtime/settings.py.
"""

import gc
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from function_runtime import function, logs, settings

log = logging.getLogger("function")

CLOSE_SECONDS = 3
EXIT_SECONDS = 2
# With Python's own 5 ms, a quick call beside two that compute took 19 ms instead of 5 (median; p99 75 instead of 18).
SWITCH_SECONDS = 0.0005


def main() -> None:
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.disable()  # collecting garbage while modules are imported took 20 ms of 290
    logs.configure()
    logging.getLogger().setLevel(settings.log_level(os.environ))
    # Until the server takes over there is no call to drain: a stop is just the end.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    options = settings.read(os.environ, Path(__file__).parent)

    # With the port open, calls that come early wait instead of failing; so Waitress and the rest are imported then.
    listener = socket.create_server((options.host, options.port), backlog=1024)
    if options.lock_file:
        options.lock_file.touch()
    from function_runtime import calls, metrics, server
    from function_runtime.drain import Drain

    loaded = function.load(options.function_dir)
    gc.freeze()  # looking through all modules took 16 ms, in the middle of a call
    gc.enable()
    drain = Drain(options.quiet_seconds, options.drain_seconds)
    counted = metrics.Calls()
    if options.metrics_port:
        from function_runtime import metrics_server

        metrics_server.serve((options.metrics_host, options.metrics_port), counted, loaded.metrics)
    server.serve(calls.application(loaded, options.max_body_bytes, drain, counted), listener, options, drain)
    close(loaded)


def close(loaded: function.Function) -> None:
    """Let the function close what it holds, within CLOSE_SECONDS, and make sure that the process ends."""
    closing = threading.Thread(target=loaded.close, name="close", daemon=True)
    closing.start()
    closing.join(CLOSE_SECONDS)
    if closing.is_alive():
        log.warning("close() takes too long, leaving it")
    # Threads a handler left behind would hold the interpreter's exit for ever.
    leave = threading.Timer(EXIT_SECONDS, os._exit, [0])
    leave.daemon = True
    leave.start()


if __name__ == "__main__":
    try:
        main()
    except (settings.InvalidSetting, function.InvalidFunction) as error:
        log.critical("%s", error)
        sys.exit(1)
