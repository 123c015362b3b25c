"""A small DNS server as a process of its own: `python -m tests.support.dns_server ZONE.json`.

The zone maps `NAME KIND` to a list of values, or to an error: `SERVFAIL`, `silent`. It is read anew for each question.
The server prints its port. Over UDP it answers with up to 512 bytes; larger answers are truncated, and come over TCP.
"""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset


def answer(question: bytes, zone: Path) -> dns.message.Message | None:
    """The answer, or None for no answer at all."""
    query = dns.message.from_wire(question)
    asked = query.question[0]
    name, kind = asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype)
    records = json.loads(zone.read_text())
    found = records.get(f"{name} {kind}", [])
    response = dns.message.make_response(query)
    response.flags |= dns.flags.RA
    if found == "silent":
        return None
    if found == "SERVFAIL":
        response.set_rcode(dns.rcode.SERVFAIL)
    elif found:
        response.answer.append(dns.rrset.from_text_list(asked.name, 60, "IN", kind, found))
    elif not any(each.partition(" ")[0] == name for each in records):
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response


def serve(zone: Path) -> None:
    class Udp(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            question, socket = self.request
            response = answer(question, zone)
            if response is not None:
                wire = response.to_wire(max_size=65535)
                if len(wire) > 512:
                    response.answer.clear()
                    response.flags |= dns.flags.TC
                    wire = response.to_wire()
                socket.sendto(wire, self.client_address)

    class Tcp(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            size = int.from_bytes(self.rfile.read(2), "big")
            response = answer(self.rfile.read(size), zone)
            if response is not None:
                wire = response.to_wire(max_size=65535)
                self.wfile.write(len(wire).to_bytes(2, "big") + wire)

    tcp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tcp)
    udp = socketserver.ThreadingUDPServer(tcp.server_address, Udp)
    threading.Thread(target=tcp.serve_forever, daemon=True).start()
    print(tcp.server_address[1], flush=True)
    udp.serve_forever()


@contextmanager
def dns_server(zone: Path) -> Iterator[str]:
    """Runs the server as a process. Yields its address as DNS_RESOLVER takes it."""
    command = [sys.executable, "-m", "tests.support.dns_server", str(zone)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        try:
            yield f"127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
