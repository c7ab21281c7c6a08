"""Serves the web pages: one document for every address that the pages know, and the files that it loads.

Owns the content security policy and how long what may be kept. Owns no page: they are written in `web/`, and
`hatch_build.py` builds them into `bursar/pages`. Knows no other room; whatever is no page goes on to the API.

Always true: a document is never kept by anybody and carries a nonce of its own; only files that were there at the start
are served, by their exact names; a file whose name has its content's hash never changes.
"""
