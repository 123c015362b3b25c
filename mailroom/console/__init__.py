"""Pages for people. The console calls the two APIs with the session of whoever looks, so it may do what they may."""
