# SPDX-License-Identifier: MIT
"""Tables of results, for a terminal and for a document.

Results are {"machine": {…}, "rows": […]}. A row has a group, what it is, and up to three kinds of
figures: ours, its limit, its peers; a row of a scaling has its name and x, too. Figures have a
name, a mean, and quantiles (QUANTILES). They are in microseconds, unless the row has another unit.
"""

import json
import math

# The same as in bench.cc.
QUANTILES = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999]

BEGIN, END = "<!-- written by tools/bench -->", "<!-- end of what tools/bench has written -->"

# The rows that a document shows: (group, what), and a name that needs no context.
MAIN_ROWS = [
    ("small calls, two cores", "remote->Inc()", "`remote->Inc()`, each process on a core"),
    ("the listener has gone to sleep", "remote->Inc()", "… the listener has gone to sleep"),
    ("small calls, one core", "remote->Inc()", "… both on one core"),
    ("many small calls: time for each, beside calls that wait for one another",
     "a Batch of 100, four under way", "… each of many in a `Batch` of 100, four under way"),
    ("an argument of so many bytes, beside one memcpy of it", "64 MiB", "an argument of 64 MiB"),
    ("start a process, get its result", "Process, Join(), result()",
     "start a `Process`, get its result"),
    ("a manager, through shared memory", "counter->Add(1), in the server",
     "a manager's object on this machine"),
    ("a manager, through shared memory", "*dict[\"a\"]", "`*dict[\"a\"]` of a manager"),
    ("a manager, over a unix socket", "counter->Add(1), in the server",
     "a manager's object, by a socket"),
    ("a manager, over a unix socket, all on one core", "counter->Add(1), in the server",
     "… all on one core"),
    ("a manager, over TCP, loopback", "counter->Add(1), in the server", "… by TCP, encrypted, on two cores"),
    ("a manager, over TCP, loopback, by certificates", "counter->Add(1), in the server",
     "… by TCP, encrypted by certificates"),
    ("a manager, over TCP, loopback, plaintext", "counter->Add(1), in the server",
     "… by TCP, in plain text, on two cores"),
    ("compiling one file", "describes 50 members, uses 20",
     "compiling a file that describes 50 members, uses 20"),
    ("compiling one file", "describes 50 members, uses 20: memory", "… its memory"),
]


def quantile(figures, q):
    return figures["quantiles"][QUANTILES.index(q)]


def p50(figures):
    return quantile(figures, 0.5)


def number(value):
    """Three digits, without an exponent."""
    if value >= 100:
        return "{:,.0f}".format(value)
    return "%.*f" % (2 - math.floor(math.log10(value)), value) if value > 0 else "0"


def ratio(value):
    return ("%.2fx" if value < 10 else "%.0fx") % value


def unit(row):
    return row.get("unit", "us")


def per_second(row):
    return number(1e6 / row["ours"]["mean"]) if "ours" in row and unit(row) == "us" else ""


def peers(row):
    """The times of peers, and their ratios to ours."""
    return ", ".join(
        "%s %s (%s)" % (peer["name"].split(":")[0], number(p50(peer)),
                        ratio(p50(peer) / p50(row["ours"]))) for peer in sorted(row.get("peers", []), key=p50))


def groups(rows):
    found = {}
    for row in rows:
        found.setdefault(row["group"], []).append(row)
    return found


def scalings(results):
    """[(x, row)] by the name of what grows."""
    found = {}
    for row in results["rows"]:
        if "scaling" in row:
            found.setdefault(row["scaling"], []).append((row["x"], row))
    return found


def verdict(points):
    """How the second of each pair grows with the first."""
    low, high = (f(y for _, y in points) for f in (min, max))
    if high <= 1.5 * low:
        return "flat"
    if abs(_line([(math.log(x), math.log(y)) for x, y in points], weigh=False)[1]) < 0.1:
        return "flat (between %s and %s)" % (number(low), number(high))
    fixed, each = _line(points)
    if each > 0 and all(abs(fixed + each * x - y) <= 0.35 * y for x, y in points):
        return "linear (%s and %s more for each)" % (number(max(fixed, 0)), number(each))
    # In the upper half, where it has begun to grow.
    upper = [(math.log(x), math.log(y)) for x, y in points[len(points) // 2:]]
    slope = _line(upper, weigh=False)[1]
    kind = ("linear" if 0.8 <= slope <= 1.25 else
            "less than linear" if slope < 0.8 else "more than linear")
    return "%s (by the end as x to the power of %.2f)" % (kind, slope)


def _line(points, weigh=True):
    """y at x = 0, and by how much it grows: the least squares, of relative errors if weighed."""
    points = [(x, y, 1 / y**2 if weigh else 1) for x, y in points]
    total = sum(w for _, _, w in points)
    x_mean = sum(w * x for x, _, w in points) / total
    y_mean = sum(w * y for _, y, w in points) / total
    variance = sum(w * (x - x_mean)**2 for x, _, w in points)
    slope = sum(w * (x - x_mean) * (y - y_mean) for x, y, w in points) / variance
    return y_mean - slope * x_mean, slope


def scaling_verdict(points):
    return verdict([(x, p50(row["ours"])) for x, row in points])


def table(results):
    """The whole, for a terminal."""
    lines = [describe(results["machine"])]
    line = "%-46s %10s %10s %12s  %-30s %8s  %s"
    lines.append(line % ("what (in us)", "p50", "p99", "per second", "limit", "ratio",
                         "peers (times ours)"))
    for group, rows in groups(results["rows"]).items():
        lines += ["", group]
        for row in rows:
            lines.append((line % ("  " + row["what"], *_cells(row), peers(row))).rstrip())
        if "scaling" in rows[0] and len(rows) > 2:
            lines.append("  => " + scaling_verdict([(row["x"], row) for row in rows]))
    return "\n".join(lines)


def _cells(row):
    ours, limit = row.get("ours"), row.get("limit")
    suffix = "" if unit(row) == "us" else " " + unit(row)
    return (number(p50(ours)) + suffix if ours else "",
            number(quantile(ours, 0.99)) if ours and unit(row) == "us" else "",
            per_second(row),
            "%s %s" % (limit["name"] if ours else "", number(p50(limit))) if limit else "",
            ratio(p50(ours) / p50(limit)) if ours and limit else "")


def describe(machine):
    return "%s%s, %d cores, %d GiB, Linux %s" % (
        machine["cpu"], ", virtual" if machine.get("virtual") else "", machine["cores"],
        machine["memory_gib"], machine["kernel"])


def markdown(results):
    """The main rows, for a document."""
    lines = ["Times in microseconds. On %s." % describe(results["machine"]), "",
             "| what | p50 | p99 | per second | the limit | ratio | peers (times ours) |",
             "|---|---|---|---|---|---|---|"]
    rows = {(row["group"], row["what"]): row for row in results["rows"]}
    for group, what, name in MAIN_ROWS:
        if (group, what) in rows:
            row = rows[group, what]
            lines.append("| %s | %s | %s |" % (name, " | ".join(_cells(row)), peers(row)))
    lines += ["", "| what grows | a call, from | to | how it grows |", "|---|---|---|---|"]
    for name, points in scalings(results).items():
        ends = ["%s: %s" % (row["what"], number(p50(row["ours"])))
                for _, row in (points[0], points[-1])]
        lines.append("| %s | %s | %s |" % (name, " | ".join(ends), scaling_verdict(points)))
    return "\n".join(lines)


def replace_between_marks(text, new):
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError("the document has no lines %s and %s" % (BEGIN, END))
    return before + BEGIN + "\n" + new + "\n" + END + after


def dump(results):
    """JSON with a row a line, so that a diff can be read."""
    return '{"machine": %s,\n "rows": [\n%s\n]}\n' % (
        json.dumps(results["machine"]), ",\n".join(json.dumps(row) for row in results["rows"]))
