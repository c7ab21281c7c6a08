"""What a refusal says, one table of whole sentences per language. Pure data.

Every language has the same keys with the same placeholders (a test holds them together). A text is put together from
sentences: what happened, the figures for those who may see them, what to do, and what finance knows. Sentences are
worded so that no placeholder needs an article, an elision or a plural. Swiss usage: no sharp s.
"""
