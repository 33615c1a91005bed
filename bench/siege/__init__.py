"""make siege: attacks on Weir and on nginx beside ordinary visitors of one application. See bench/siege/__main__.py."""
