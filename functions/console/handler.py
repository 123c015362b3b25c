"""The console: pages for people. It has no database and calls the two APIs with the session of whoever looks."""

from mailroom.console.app import create_app
from mailroom.platform import environment

app = create_app(environment.load())
