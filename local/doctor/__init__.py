"""Says what a way of running Mailroom lacks on this machine, and how to mend it."""
