"""Messages in MongoDB: accepting, claiming, outcomes, history, retention."""
