"""What the templates draw and count themselves."""

from itertools import pairwise

from django import template
from django.utils.html import format_html, format_html_join

from news import digest

register = template.Library()

WIDTH, HEIGHT = 600, 240
BANKS = 4
POINTS = 7


@register.filter
def reading_minutes(text):
    return digest.reading_minutes(text)


@register.simple_tag
def cover(article):
    """A picture of the river for an article: always the same one, drawn from its number."""
    number = article.pk * 2654435761 % 2**32
    hue = number % 360
    banks = ((hue, 78 - 14 * bank, wave(number >> bank, bank)) for bank in range(BANKS))
    return format_html(
        '<svg class="cover" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="100%" height="100%" fill="hsl({} 38% 88%)"/>'
        '<circle cx="{}" cy="{}" r="{}" fill="hsl({} 70% 72%)"/>{}</svg>',
        WIDTH,
        HEIGHT,
        hue,
        80 + number % 440,
        40 + number % 50,
        18 + number % 22,
        (hue + 40) % 360,
        format_html_join("", '<path fill="hsl({} 34% {}%)" d="{}"/>', banks),
    )


def wave(number, bank):
    """One bank's outline as SVG path data, from edge to edge and closed along the bottom."""
    base = HEIGHT * (0.42 + 0.14 * bank)
    step = WIDTH / (POINTS - 1)
    crests = [(i * step, base + ((number >> (3 * i)) % 13 - 6) * 4) for i in range(POINTS)]
    curves = (
        f"C{x + step / 2:.0f} {y:.0f} {nx - step / 2:.0f} {ny:.0f} {nx:.0f} {ny:.0f}"
        for (x, y), (nx, ny) in pairwise(crests)
    )
    return f"M0 {HEIGHT}L0 {crests[0][1]:.0f}{''.join(curves)}L{WIDTH} {HEIGHT}Z"
