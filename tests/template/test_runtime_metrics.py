"""Metrics: on a port of their own, by route and status, with what the function adds."""

import re
import socket
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.waiting import eventually

HANDLER = """
from flask import Flask, request
from prometheus_client.core import GaugeMetricFamily

app = Flask("test")

@app.get("/invoices/<id>")
def invoice(id):
    request.environ["function.route"] = "/invoices/<id>"
    return id

def metrics():
    yield GaugeMetricFamily("mailroom_answer", "The answer.", value=42)
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def start(functions, handler=HANDLER):
    port = free_port()
    return functions.start(handler, METRICS_HOST="127.0.0.1", METRICS_PORT=str(port)), f"http://127.0.0.1:{port}"


def scrape(address: str, path: str = "/metrics") -> str:
    with urllib.request.urlopen(address + path, timeout=30) as answer:
        return answer.read().decode()


def test_calls_are_counted_by_route_and_status_not_by_path(functions):
    function, address = start(functions)
    for path in ("/invoices/1", "/invoices/2", "/nothing"):
        function.call(path)
    text = eventually(lambda: (found := scrape(address)).count("_duration_seconds_count{") == 2 and found)
    assert 'function_call_duration_seconds_count{method="GET",route="/invoices/<id>",status="200"} 2.0' in text
    assert 'function_call_duration_seconds_count{method="GET",route="",status="404"} 1.0' in text
    assert "function_calls_in_flight 0.0" in text
    assert "/nothing" not in text


def test_the_buckets_of_a_histogram_are_cumulative(functions):
    function, address = start(functions)
    function.call("/invoices/1")
    text = eventually(lambda: (found := scrape(address)).count("_bucket{") and found)
    counts = [float(each) for each in re.findall(r'_bucket\{le="[^"]+",.*\} (\S+)', text)]
    assert len(counts) == 14
    assert counts == sorted(counts)
    assert counts[-1] == 1


def test_the_function_adds_metrics_of_its_own(functions):
    _, address = start(functions)
    text = scrape(address)
    assert "mailroom_answer 42.0" in text
    assert "process_resident_memory_bytes" in text


def test_metrics_of_the_function_that_fail_leave_the_others(functions):
    _, address = start(functions, HANDLER.replace("yield", "raise OSError\n    yield"))
    assert "function_calls_in_flight" in scrape(address)


def test_the_port_of_the_function_shows_no_metrics(functions):
    function, address = start(functions)
    assert function.call("/metrics").status == 404
    with pytest.raises(urllib.error.HTTPError, match="404"):
        scrape(address, "/invoices/1")


def test_an_invented_method_makes_no_series(functions):
    function, address = start(functions)
    function.call("/invoices/1", method="BREW")
    text = eventually(lambda: (found := scrape(address)).count("_duration_seconds_count{") == 1 and found)
    assert 'method="other"' in text
    assert "BREW" not in text


def test_two_readers_do_not_wait_for_each_other(functions):
    """A server that hangs delays a page by seconds. Twice that is longer than Prometheus waits."""
    together = HANDLER.replace(
        "def metrics():", "import threading\nboth = threading.Barrier(2)\n\ndef metrics():\n    both.wait(10)"
    )
    _, address = start(functions, together)
    with ThreadPoolExecutor(2) as readers:
        pages = list(readers.map(scrape, [address] * 2))
    assert all("mailroom_answer 42.0" in page for page in pages)
