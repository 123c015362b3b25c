"""Set-up of the servers, and what each function may do there."""
