"""What the DNS says about a domain that mail is sent from: the checks of the command `senders check`."""
