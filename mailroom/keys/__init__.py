"""API keys that people manage: sessions, one-time codes, making and revoking keys."""
