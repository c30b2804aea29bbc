# SPDX-License-Identifier: Apache-2.0
"""What is measured must reach, and the table that says whether it does."""


class Goal:
    """`text` as the table shows it; `is_met` takes the value and its ratio to the limit."""

    def __init__(self, text, is_met):
        self.text, self.is_met = text, is_met


def at_least(bound, unit):
    return Goal(f">= {bound:,} {unit}", lambda value, _: value >= bound)


def at_most(bound, unit):
    return Goal(f"<= {bound:,} {unit}", lambda value, _: value <= bound)


def below(bound, unit):
    return Goal(f"< {bound:,} {unit}", lambda value, _: value < bound)


def ratio_at_least(bound):
    return Goal(f">= {bound:.2f} of it", lambda _, ratio: ratio is not None and ratio >= bound)


def ratio_at_most(bound):
    return Goal(f"<= {bound:.2f} x it", lambda _, ratio: ratio is not None and ratio <= bound)


def shown(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else \
        f"{value:.2f}" if value >= 0.1 else f"{value:.4f}"


class Table:
    """Rows of what was measured beside its limit and its goal."""

    HEAD = ("what", "measured", "limit in the same run", "ratio", "goal", "")

    def __init__(self):
        self.rows = []
        self.missed = []

    def add(self, what, value, unit, goal=None, limit=None, limit_name=""):
        ratio = value / limit if limit else None
        verdict = ""
        if goal is not None:
            verdict = "met" if goal.is_met(value, ratio) else "MISSED"
            if verdict == "MISSED":
                self.missed.append(what)
        self.rows.append((what, f"{shown(value)} {unit}", f"{shown(limit)} {limit_name}" if limit else limit_name,
                          f"{ratio:.2f}" if ratio is not None else "", goal.text if goal else "", verdict))

    def lines(self):
        rows = [self.HEAD] + self.rows
        widths = [max(len(row[i]) for row in rows) for i in range(len(self.HEAD))]
        lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return lines

    def summary(self):
        goals = sum(1 for row in self.rows if row[4])
        if not self.missed:
            return f"all {goals} goals are met"
        return f"{len(self.missed)} of {goals} goals are missed: " + "; ".join(self.missed)
