"""The SMTP relay: connections to it, kept and reused, and one delivery step by step."""
