"""Draws lines over a horizontal axis as SVG: for reports, in light and dark, with nothing but the standard library."""
import dataclasses
import html
import math

WIDTH, HEIGHT = 940, 420
LEFT, RIGHT, TOP, BOTTOM = 84, 600, 64, 352  # the frame; the legend stands to the right of it

# side: colour in light and in dark
COLOURS = {
    "replikv": ("#0b62d6", "#5aa9ff"),
    "redis-server": ("#c9321f", "#ff8073"),
    "valkey-server": ("#7a3fd1", "#bf97ff"),
    "libcuckoo": ("#1a7f37", "#4cc764"),
    "oneTBB": ("#9a6200", "#dca53a"),
}
MORE_COLOURS = [("#0f7f86", "#45c4cc"), ("#b3246f", "#f783b8"), ("#57606a", "#a3adb8")]
DASHES = ["none", "7 4", "2 3", "10 3 2 3"]

STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f; }
.title { font-size: 16px; font-weight: 600; }
.faint { fill: #57606a; }
.ground { fill: #ffffff; }
.frame { stroke: #8c959f; fill: none; }
.grid { stroke: #d8dee4; }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.spread { stroke-width: 1.4; opacity: 0.55; }
"""
DARK_STYLE = """
text { fill: #e6edf3; }
.faint { fill: #9aa4af; }
.ground { fill: #0d1117; }
.frame { stroke: #6e7681; }
.grid { stroke: #262c36; }
"""


@dataclasses.dataclass
class Point:
    x: float
    y: float
    low: float  # least and greatest of the rounds
    high: float


@dataclasses.dataclass
class Line:
    side: str
    variant: str  # what distinguishes it from other lines of the same side
    points: list


class Axis:
    """From values to pixels: logarithmic where they differ much, else from zero."""

    def __init__(self, values, first_pixel, last_pixel, logarithmic=None):
        low, high = min(values), max(values)
        self.is_log = low > 0 and (high / low > 4 if logarithmic is None else logarithmic)
        self.first, self.last = first_pixel, last_pixel
        if self.is_log:
            self.low, self.high = self.rounded(low * 0.999, math.floor), self.rounded(high * 1.001, math.ceil)
            if self.low == self.high:
                self.high *= 2
        else:
            step = self.step(high or 1)
            self.low, self.high = 0.0, step * math.ceil((high or 1) * 1.02 / step)

    @staticmethod
    def step(high):
        """About five of them to the top: 1, 2 or 5 times a power of ten."""
        size = 10 ** math.floor(math.log10(high / 5))
        return next(size * factor for factor in (1, 2, 5, 10) if size * factor * 6 >= high)

    @staticmethod
    def rounded(value, direction):
        """To the next 1, 2 or 5 times a power of ten on that side."""
        decade = 10.0 ** math.floor(math.log10(value))
        steps = [decade * factor for factor in (1, 2, 5, 10)]
        if direction is math.ceil:
            return next(step for step in steps if step >= value)
        return next(step for step in reversed(steps) if step <= value)

    def pixel(self, value):
        if self.is_log:
            value = max(value, self.low)
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.first + share * (self.last - self.first)

    def ticks(self):
        if not self.is_log:
            step = self.step(self.high)
            return [step * i for i in range(int(self.high / step + 1.001))]
        factors = (1, 2, 5) if self.high / self.low <= 300 else (1,)
        exponents = range(math.floor(math.log10(self.low)) - 1, math.ceil(math.log10(self.high)) + 1)
        ticks = [factor * 10.0**exponent for exponent in exponents for factor in factors]
        return [tick for tick in ticks if self.low * 0.999 <= tick <= self.high * 1.001]


class Places:
    """An axis of names, or of numbers so few that each gets a tick of its own."""

    def __init__(self, values, first_pixel, last_pixel, logarithmic):
        self.values = values
        inset = 24
        first, last = first_pixel + inset, last_pixel - inset
        ends = (values[0], values[-1])
        if len(values) == 1:
            self.at = {values[0]: (first + last) / 2}
            return
        scale = math.log if logarithmic else float
        low, high = scale(ends[0]), scale(ends[1])
        self.at = {v: first + (scale(v) - low) / (high - low) * (last - first) for v in values}

    def labelled(self):
        """Those values whose labels do not run into each other; the first and the last come first."""
        kept = []
        for value in [self.values[0], self.values[-1], *self.values[1:-1]]:
            if all(abs(self.at[value] - self.at[other]) > 34 for other in kept):
                kept.append(value)
        return kept


def number(value):
    return f"{value:.1f}".rstrip("0").rstrip(".")


def text(x, y, words, kind="", anchor="start", turn=""):
    return (
        f'<text class="{kind}" x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"{turn}>'
        f"{html.escape(words)}</text>"
    )


def stroke(kind, x1, y1, x2, y2):
    return (
        f'<line class="{kind}" x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"/>'
    )


def marker(variant, kind, x, y):
    """A shape for each variant, so that lines are told apart without colour as well."""
    at = f'class="mark {kind}" transform="translate({number(x)} {number(y)})"'
    shapes = [
        f'<circle {at} r="4"/>',
        f'<rect {at} x="-3.6" y="-3.6" width="7.2" height="7.2"/>',
        f'<path {at} d="M0 -5 L4.6 3.6 L-4.6 3.6 Z"/>',
        f'<path {at} d="M0 -5 L5 0 L0 5 L-5 0 Z"/>',
    ]
    return shapes[variant % len(shapes)]


def colours_of(sides):
    spare = iter(MORE_COLOURS * len(sides))
    return {side: COLOURS.get(side) or next(spare) for side in sides}


def styles(sides):
    def rules(shade):
        return "".join(
            f".c{i} {{ stroke: {pair[shade]}; }} .mark.c{i} {{ fill: {pair[shade]}; }}\n"
            for i, pair in enumerate(colours_of(sides).values())
        )

    dark = DARK_STYLE + rules(1)
    return f"<style>{STYLE}{rules(0)}@media (prefers-color-scheme: dark) {{{dark}}}</style>"


def draw_line(line, kind, variant, places, axis):
    points = [(places.at[point.x], point) for point in line.points]
    path = " ".join(f"{number(x)},{number(axis.pixel(point.y))}" for x, point in points)
    parts = [f'<polyline class="line {kind}" stroke-dasharray="{DASHES[variant % 4]}" points="{path}"/>']
    for x, point in points:
        parts.append(stroke(f"spread {kind}", x, axis.pixel(point.low), x, axis.pixel(point.high)))
        parts.append(marker(variant, kind, x, axis.pixel(point.y)))
    return parts


def draw_axes(places, axis, x_label, y_label, show_x, show_y):
    parts = []
    for tick in axis.ticks():
        y = axis.pixel(tick)
        parts.append(stroke("grid", LEFT, y, RIGHT, y))
        parts.append(text(LEFT - 8, y + 4.5, show_y(tick), "faint", "end"))
    for value in places.values:
        parts.append(stroke("grid", places.at[value], TOP, places.at[value], BOTTOM))
    for value in places.labelled():
        parts.append(text(places.at[value], BOTTOM + 20, show_x(value), "faint", "middle"))
    parts.append(f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" height="{BOTTOM - TOP}"/>')
    parts.append(text((LEFT + RIGHT) / 2, BOTTOM + 44, x_label, "", "middle"))
    scale = ", logarithmic" if axis.is_log else ""
    parts.append(text(LEFT, TOP - 10, y_label + scale, "faint"))
    return parts


def draw(title, lines, x_label, y_label, show_x, show_y, log_x):
    """An SVG document. `show_x` and `show_y` spell a value of their axis."""
    xs = sorted({point.x for line in lines for point in line.points})
    places = Places(xs, LEFT, RIGHT, log_x and xs[0] > 0)
    axis = Axis([v for line in lines for p in line.points for v in (p.low, p.high)], BOTTOM, TOP)
    sides = list(dict.fromkeys(line.side for line in lines))
    variants = list(dict.fromkeys(line.variant for line in lines))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">',
        f"<title>{html.escape(title)}</title>",
        styles(sides),
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="6"/>',
        text(LEFT, 28, title, "title"),
    ]
    parts += draw_axes(places, axis, x_label, y_label, show_x, show_y)
    legend_y = TOP + 14
    for line in sorted(lines, key=lambda line: -line.points[-1].y):  # in the order they end in
        kind, variant = f"c{sides.index(line.side)}", variants.index(line.variant)
        parts += draw_line(line, kind, variant, places, axis)
        sample = f'<polyline class="line {kind}" stroke-dasharray="{DASHES[variant % 4]}" points="'
        parts.append(f'{sample}{RIGHT + 18},{legend_y - 4} {RIGHT + 54},{legend_y - 4}"/>')
        parts.append(marker(variant, kind, RIGHT + 36, legend_y - 4))
        parts.append(text(RIGHT + 62, legend_y, " ".join(filter(None, [line.side, line.variant]))))
        legend_y += 22
    return "\n".join(parts) + "\n</svg>\n"
