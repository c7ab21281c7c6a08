"""What is told live to open pages: balances as they change, and how many notices are unread.

Owns the connections of one worker, and one connection to the database that hears of changes. Owns no figure: every one
is read again from where it is kept. What is told never goes beyond what the caller may see, and ends when they may not.
"""
