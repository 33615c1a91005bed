"""`python -m weir_server audit URL`: crawls a site and says what leaks, what differs, and what could be cached.

It only asks for pages (GET), follows links of one host, and leaves alone what looks like an action.
"""
