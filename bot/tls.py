"""Whom the bot trusts: the system's list of certificates, read once for everybody who calls out.

SSL_CERT_FILE names another list, as everywhere.
"""

import ssl
from functools import cache


@cache
def tls() -> ssl.SSLContext:
    """One context for all: reading the list costs 25 ms."""
    return ssl.create_default_context()
