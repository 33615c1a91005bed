"""What the middleware costs a page that reads 100 rows. Instructions are counted, since the machine is busy."""

import shutil

import pytest

import cost


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_the_middleware_costs_less_than_a_twentieth() -> None:
    """The page that does the least besides: JSON of its rows."""
    without, with_weir = cost.count("/json/")
    assert with_weir / without - 1 < 0.05, f"{without:.3f} and {with_weir:.3f} million instructions"
