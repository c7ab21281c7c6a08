"""The schema, as numbered Alembic revisions. They run by themselves on start, in one advisory lock."""
