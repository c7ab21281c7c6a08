"""Which HTTP stack carries a reverse proxy fastest: the measurement behind docs/decisions/0004."""
