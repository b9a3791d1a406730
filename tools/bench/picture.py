# SPDX-License-Identifier: MIT
"""A picture of results: how long a small call takes, and how costs grow. SVG, written by hand."""

import math
from xml.sax.saxutils import escape

import report

WIDTH = 960
MARGIN = 24
PANEL_WIDTH, PANEL_HEIGHT = (WIDTH - 3 * MARGIN) // 2, 250

# The picture brings its background, so it can be read on any page; where the reader has a dark
# theme it is dark, too. The colours of lines keep apart for the colour-blind (Okabe and Ito).
# Without CSS variables, which not all viewers know.
COLOURS = """
text { fill: %(text)s; } .small { fill: %(soft)s; }
.background { fill: %(background)s; } .median { stroke: %(background)s; }
.grid { stroke: %(grid)s; }
.ours line, .ours polyline { stroke: %(ours)s; } .ours circle { fill: %(ours)s; }
.limit line, .limit polyline { stroke: %(limit)s; } .limit circle { fill: %(limit)s; }
.peer line { stroke: %(peer)s; }
.ours .median, .limit .median, .peer .median { stroke: %(background)s; }
"""
LIGHT = {"background": "#ffffff", "text": "#1f2328", "soft": "#59636e", "grid": "#d9dee3",
         "ours": "#0072b2", "limit": "#5c6670", "peer": "#c25700"}
DARK = {"background": "#15191f", "text": "#e6edf3", "soft": "#9aa4af", "grid": "#333a43",
        "ours": "#56b4e9", "limit": "#a9b3bd", "peer": "#f0a04b"}
STYLE = """
text { font: 13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.title { font-size: 15px; font-weight: 600; } .small { font-size: 12px; }
.end { text-anchor: end; } .middle { text-anchor: middle; }
.line { stroke-width: 2.5; fill: none; stroke-linejoin: round; }
.thin { stroke-width: 2; } .thick { stroke-width: 10; } .median { stroke-width: 2.5; }
""" + COLOURS % LIGHT + "@media (prefers-color-scheme: dark) {" + COLOURS % DARK + "}\n"


def text(x, y, string, css=""):
    return '<text x="%.1f" y="%.1f" class="%s">%s</text>' % (x, y, css, escape(string))


def line(x1, y1, x2, y2, css):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>' % (x1, y1, x2, y2, css)


class Axis:
    """A logarithmic one, from `begin` to `end` on the picture, over `values`."""

    def __init__(self, values, begin, end, base=10):
        self.base, self.begin, self.end = base, begin, end
        low, high = min(values), max(values)
        self.low = math.floor(math.log(low, base) + 1e-9)
        self.high = max(math.ceil(math.log(high, base) - 1e-9), self.low + 1)

    def at(self, value):
        share = (math.log(value, self.base) - self.low) / (self.high - self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self, at_most=8):
        step = max(1, math.ceil((self.high - self.low) / at_most))
        return [self.base**i for i in range(self.low, self.high + 1, step)]


def time(microseconds):
    for name, size in (("s", 1e6), ("ms", 1e3), ("µs", 1)):
        if microseconds >= size:
            return "%g %s" % (round(microseconds / size, 6), name)
    return "%g ns" % round(microseconds * 1e3, 6)


def size(count):
    for name, unit in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= unit:
            return "%g %s" % (count / unit, name)
    return "%g B" % count


def short(count):
    for name, unit in (("M", 1e6), ("k", 1e3)):
        if count >= unit:
            return "%g %s" % (count / unit, name)
    return "%g" % count


def distributions(results):
    """(css class, label, figures) of small calls, the quickest way first."""
    rows = {(row["group"], row["what"]): row for row in results["rows"]}
    found = []

    def add(group, what, ours, limit):
        row = rows.get((group, what))
        if row:
            if "limit" in row:
                found.append(("limit", limit, row["limit"]))
            found.append(("ours", ours, row["ours"]))
            for peer in row.get("peers", []):
                found.append(("peer", peer["name"].split(":")[0], peer))

    add("small calls, two cores", "remote->Inc()", "remote->Inc()", "limit: spinning")
    add("a manager, through shared memory", "counter->Add(1), in the server",
        "a manager's object", "a plain proxy")
    add("small calls, one core", "remote->Inc()", "… both on one core", "limit: futex, one core")
    add("the listener has gone to sleep", "remote->Inc()", "… the listener asleep",
        "limit: futex after 1 ms")
    found = [(css, label, figures) for css, label, figures in found if label != "a plain proxy"]
    return sorted(found, key=lambda entry: report.p50(entry[2]))


def distribution_panel(entries, top):
    """Thin: from p1 to p99. Thick: from p25 to p75. A gap at the median."""
    label_width, step = 210, 26
    bottom = top + 46 + step * len(entries)
    values = [report.quantile(figures, q) for _, _, figures in entries for q in (0.01, 0.99)]
    axis = Axis(values, MARGIN + label_width, WIDTH - MARGIN - 90)
    out = [text(MARGIN, top + 16, "A small call: how long it takes", "title"),
           text(WIDTH - MARGIN, top + 16, "thin: p1 to p99; thick: p25 to p75; gap and figure: p50",
                "small end")]
    for tick in axis.ticks():
        out.append(line(axis.at(tick), top + 32, axis.at(tick), bottom - 8, "grid"))
        out.append(text(axis.at(tick), bottom + 8, time(tick), "small middle"))
    for i, (css, label, figures) in enumerate(entries):
        y = top + 50 + step * i
        at = {q: axis.at(report.quantile(figures, q)) for q in (0.01, 0.25, 0.5, 0.75, 0.99)}
        out.append('<g class="%s">' % css)
        out.append(text(MARGIN + label_width - 12, y + 4, label, "end"))
        out.append(line(at[0.01], y, max(at[0.99], at[0.01] + 1), y, "thin"))
        out.append(line(min(at[0.25], at[0.5] - 3), y, max(at[0.75], at[0.5] + 3), y, "thick"))
        out.append(line(at[0.5], y - 6, at[0.5], y + 6, "median"))
        out.append(text(at[0.99] + 8, y + 4, time(float("%.3g" % report.p50(figures))), "small"))
        out.append("</g>")
    return out, bottom + 24


# What grows: title, the base of its axis, how its values are written.
PANELS = {
    "payload": ("By the bytes of an argument", 2, size),
    "clients": ("By processes that call at once: time for each call", 2, short),
    "objects": ("By objects in a manager", 10, short),
    "idle clients": ("By idle clients of a manager", 10, short),
    "members": ("By described members", 10, short),
    "chain": ("By the length of a chain", 2, short),
}


def scaling_panel(name, points, left, top):
    title, base, write = PANELS[name]
    right, bottom = left + PANEL_WIDTH, top + PANEL_HEIGHT
    curves = [("ours", [(x, report.p50(row["ours"])) for x, row in points])]
    if all("limit" in row for _, row in points):
        curves.insert(0, ("limit", [(x, report.p50(row["limit"])) for x, row in points]))
    horizontal = Axis([x for x, _ in points], left + 58, right - 14, base)
    vertical = Axis([y for _, curve in curves for _, y in curve], bottom - 30, top + 58)
    how = report.scaling_verdict(points).split(" (")[0]
    out = [text(left, top + 16, title, "title"),
           text(left, top + 36, how + ("; the other line: " + points[0][1]["limit"]["name"]
                                       if len(curves) > 1 else ""), "small")]
    for tick in vertical.ticks():
        out.append(line(left + 58, vertical.at(tick), right - 14, vertical.at(tick), "grid"))
        out.append(text(left + 52, vertical.at(tick) + 4, time(tick), "small end"))
    for tick in horizontal.ticks(5 if write is size else 7):
        out.append(line(horizontal.at(tick), top + 58, horizontal.at(tick), bottom - 30, "grid"))
        out.append(text(horizontal.at(tick), bottom - 12, write(tick), "small middle"))
    for css, curve in curves:
        places = [(horizontal.at(x), vertical.at(y)) for x, y in curve]
        out.append('<g class="%s"><polyline class="line" points="%s"/>%s</g>' % (
            css, " ".join("%.1f,%.1f" % place for place in places),
            "".join('<circle cx="%.1f" cy="%.1f" r="3.5"/>' % place
                    for place in places)))
    return out


def draw(results):
    """The SVG, as a string."""
    body, top = [], MARGIN
    entries = distributions(results)
    if entries:
        panel, top = distribution_panel(entries, top)
        body += panel
        top += 16
    scalings = report.scalings(results)
    drawn = [name for name in PANELS if name in scalings]
    for i, name in enumerate(drawn):
        left = MARGIN + i % 2 * (PANEL_WIDTH + MARGIN)
        body += scaling_panel(name, scalings[name], left, top + i // 2 * (PANEL_HEIGHT + 16))
    top += (len(drawn) + 1) // 2 * (PANEL_HEIGHT + 16)
    body.append(text(MARGIN, top + 8, report.describe(results["machine"]), "small"))
    for x, css, label in ((-232, "ours", "remoteobj"), (-122, "limit", "limit"), (-52, "peer", "peer")):
        at = WIDTH - MARGIN + x
        body.append('<g class="%s">%s%s</g>' % (
            css, line(at, top + 4, at + 18, top + 4, "line"), text(at + 24, top + 8, label, "small")))
    height = top + MARGIN
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
            'role="img" aria-label="How fast remoteobj is">\n<style>%s</style>\n'
            '<rect class="background" width="%d" height="%d" rx="8"/>\n%s\n</svg>\n' %
            (WIDTH, height, WIDTH, height, STYLE, WIDTH, height, "\n".join(body)))
