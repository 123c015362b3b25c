"""The SMTP relay: connections that are kept and reused, and the steps of one delivery."""
