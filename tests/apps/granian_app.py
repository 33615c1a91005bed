"""The oracle for granian, which believes a proxy's X-Forwarded-* only where the application is wrapped for it.

granian --interface wsgi granian_app:wsgi        granian --interface asgi granian_app:asgi
"""

import asgi_app
import oracle
from granian.utils.proxies import wrap_asgi_with_proxy_headers, wrap_wsgi_with_proxy_headers


async def with_coroutines(scope, receive, send):
    """granian's `receive` gives a future, a2wsgi wants a coroutine."""

    async def received():
        return await receive()

    await asgi_app.application(scope, received, send)


wsgi = wrap_wsgi_with_proxy_headers(oracle.application, trusted_hosts="*")
asgi = wrap_asgi_with_proxy_headers(with_coroutines, trusted_hosts="*")
