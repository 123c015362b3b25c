"""The listener: hands on events of MinIO as they happen. It runs like a function, but nobody calls it."""

from mailroom.events.listening import create_listener
from mailroom.services import Services

_listener = create_listener(Services.from_environment())
_listener.start()
handle = _listener.state
ready = _listener.ready
close = _listener.close
