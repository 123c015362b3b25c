"""The providers that report what became of our mail: who may call, and what the events say."""
