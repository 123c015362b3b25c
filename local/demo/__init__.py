"""`make demo`: the whole product at work, on a throw-away folder, with every claim checked."""
