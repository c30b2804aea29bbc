#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Asks systemd-analyze when calendar events are due.

  on_calendar.py make FILE    writes the vectors that test_calendar compares with
  on_calendar.py check FILE   asks again and compares; ends with 77 where systemd-analyze is absent

The expressions are the examples of systemd.time(7), edge cases, and random ones from a fixed seed,
valid and broken.  `next` are the next five times in seconds since 1970 (systemd-analyze shows no
fractions), null when systemd refuses the expression.  In zones with daylight saving time only hours
are used that no clock change touches: there systemd follows mktime(3), and we follow calendar.hpp.

Not asked, because systemd 252 differs from its manual there and we keep to the manual:
  - A repetition without end is carried over into the next unit: "0/22:05" skips every second 00:05.
    The generator ends such repetitions itself ("0..23/22").
  - In a list after ~ each element tightens the limit of 28 by three: "*-*~27,19" is refused.
"""

import calendar
import json
import os
import random
import re
import shutil
import subprocess
import sys

ITERATIONS = 5
BATCH = 40

MANUAL = """Sat,Thu,Mon..Wed,Sat..Sun|Mon,Sun 12-*-* 2,1:23|Wed *-1|Wed..Wed,Wed *-1|Wed, 17:48
Wed..Sat,Tue 12-10-15 1:2:3|*-*-7 0:0:0|10-15|monday *-12-* 17:00|Mon,Fri *-*-3,1,2 *:30:45
12,14,13,12:20,10,30|12..14:10,20,30|mon,fri *-1/2-1,3 *:30:45|03-05 08:05:40|08:05:40|05:40
Sat,Sun 12-05 08:05:40|Sat,Sun 08:05:40|2003-03-05 05:40|2003-02..04-05|2003-03-05 05:40 UTC
2003-03-05|03-05|hourly|daily|daily UTC|monthly|weekly|weekly Pacific/Auckland|yearly|annually
*:2/3|minutely|quarterly|semiannually|*-02~03|Mon *-05~07/1|Thu,Fri 2012-*-1,5 11:12:13""".replace("\n", "|").split("|")

EDGES = """Mon-Fri|Fri..Mon|Sat..Sun|*:*/15|*/15|Mon.Fri|5..3:00|5..5:00|24:00|23:60|23:59:60|23:59:59
00:00:00/60|*:0/60|*:0/59|0/24:00|0/23:00|*-*-~1|*-*~29|*-*~28|*-*~01..03|*-*~05..07/2|*-*~05..08/2
*-*~07/2|*-02~1,2|1969-01-01|2125-12-31|2200-01-01|70-01-01|69-01-01|100-01-01|2020/3-01-01
2020..2030/4-02-29|*-02-29|*-02-30|Mon *-02-29|Mon *-02~01|Mon,,Tue|Mon, Tue|Mon Tue|Mon  12:00|Mon,
mOnDay|Mond|DAILY|daily utc|Mon daily|12|12:|12-|*|*-*|*-*-* *:*:*|*-*-*  00:00|*:*:0/0.5|*:*:*/2
0..59/7:30|0..23/7:30|1,2/3:30|1..5,9:30|1..5/2,9..11:30|*-*-1..31/31|*-*-31/1|*-*-30/1|*-*-1/0
*:0/0|01/1:00|*,5:00|5,*:00|+5:00|-5:00|5:-3|0005:00|weekly UTC|bi-annually|biannually
semi-annually|Wed|Wed 2026|2026-01|1-2-3|12:00 Europe/Berlin|12:00 EST5EDT|12:00 Foo
12:00 Europe/Nowhere|Europe/Berlin|UTC|12:00 posix/UTC|*-*-*T*:00|*:00..30/10:00|*-*-1~2|*~3|~3
2026-02~03|*-*-* 12:00:00,30.5|1/0.5:00|1.5:00|1.:00|12:00:00.|12:00:.5|12:00:1..3
12:00:1.5..3.5|12:00:1...3|1970..2199-01-01|2026..-01-01|12:0/7..30|@1800000000|@0|@-1|@
*-*-* 00:00:00/7|*:*:0..30/0.25|*-1..12/5-*|*-13-01|*-0-1|*-1-0|*-1-32|2024-02-29 12:00|2100-02-29
2000/400-02-29|*-*-1,8,15,22,29 6:00|Mon *-*-1..7|Sun *-*~07/1 03:00|Fri *-*-13|12:00:00 UTC
Mon..Fri *-*-* 09:00|*:0/15|Mon UTC|Mon..Tue,Thu..Fri 8..18/2:0/20:30|1-1 1:1:1:1|1-1-1-1|1:2 3:4
1-1 1-1|:|-|,|/|..|*:*|*:|:*|*-*-* *|mon,tue-thu,sat..sun 7:30|Tue..Mon|Sun..Sat|Sun,Sat""".replace("\n", "|").split("|")

# Zones in which no clock is changed any more, and zones with daylight saving time.
STEADY = ["UTC", "Asia/Tokyo", "Asia/Kolkata", "Asia/Kathmandu", "America/Phoenix", "Africa/Lagos",
          "Australia/Brisbane", "Pacific/Honolulu", "Etc/GMT+5", "America/Sao_Paulo"]
CHANGING = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Europe/Dublin",
            "Pacific/Auckland", "Europe/London", "America/St_Johns"]
WEEK = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
LONG_WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def number(self, value):
        return ("%02d" if self.random.random() < 0.5 else "%d") % value

    def item(self, least, most):
        r = self.random
        kind = r.random()
        first = r.randint(least, most)
        if kind < 0.45:
            return self.number(first)
        if kind < 0.6:
            last = r.randint(first, most)
            # Seconds from n to n are refused by systemd 252; hours and minutes are not.
            return "%s..%s" % (self.number(first), self.number(last)) if last > first else str(first)
        if kind < 0.8:
            first = r.randint(least, least + (most - least) // 2)
            return "%s/%d" % (self.number(first), r.randint(1, most - first))
        last = r.randint(first, most)
        return "%s..%s/%d" % (self.number(first), self.number(last), r.randint(1, most - least))

    def field(self, least, most, star=0.4, in_list_most=None):
        r = self.random
        if r.random() < star:
            return "*"
        count = 1 if r.random() < 0.6 else r.randint(2, 4)
        if count > 1 and in_list_most:
            most = in_list_most
        items = [self.item(least, most) for _ in range(count)]
        begins = min(int(re.match(r"\d+", item)[0]) for item in items)
        return ",".join(self.ended(item, least, most, begins) for item in items)

    @staticmethod
    def ended(item, least, most, begins):
        """Ends a repetition that would be carried over beyond where the next unit begins."""
        match = re.fullmatch(r"(\d+)/(\d+)", item)
        if not match:
            return item
        first, step = int(match[1]), int(match[2])
        over = first + ((most - first) // step + 1) * step
        is_day = (least, most) == (1, 31)  # months have several lengths
        if step == 1 or (not is_day and over - (most + 1 - least) <= begins):
            return item
        return "%s..%d/%d" % (match[1], most, step)

    def seconds(self):
        r = self.random
        kind = r.random()
        if kind < 0.25:
            return ":%d.%d" % (r.randint(0, 59), r.randint(0, 999))
        if kind < 0.35:
            return ":%d..59/%d.%d" % (r.randint(0, 20), r.randint(1, 20), r.choice([1, 25, 5, 125]))
        return ":" + self.field(0, 59, 0.15)

    def weekdays(self):
        r = self.random
        out = []
        for _ in range(r.randint(1, 3)):
            names = r.choice([WEEK, LONG_WEEK])
            first = r.randint(0, 6)
            text = names[first]
            if r.random() < 0.4:
                text += r.choice(["..", "..", "-"]) + names[r.randint(first, 6)]
            out.append(r.choice([str, str.lower, str.upper])(text))
        return ",".join(out)

    def date(self):
        r = self.random
        text = ""
        if r.random() < 0.7:
            year = "*"
            if r.random() < 0.3:
                year = r.choice(["2026", "2027", "28", "2024..2040", "2020/4", "2025..2060/3",
                                 "2026,2029,2031", "2000/7", "2040"])
            text = year + "-"
        text += self.field(1, 12, 0.5)
        if r.random() < 0.25:
            return text + "~" + self.field(1, 28, 0, in_list_most=19)
        return text + "-" + self.field(1, 31, 0.4)

    def time(self, hours):
        text = self.field(*hours, 0 if hours[0] else 0.35) + ":" + self.field(0, 59, 0.2)
        return text + (self.seconds() if self.random.random() < 0.5 else "")

    def expression(self):
        r = self.random
        zone = ""
        hours = (0, 23)
        if r.random() < 0.3:
            if r.random() < 0.5:
                zone = r.choice(STEADY)
            else:
                zone = r.choice(CHANGING)
                hours = (5, 22)
        words = []
        if r.random() < 0.35:
            words.append(self.weekdays())
        has_date = r.random() < 0.65
        if has_date:
            words.append(self.date())
        # Midnight is changed over in some zones.
        if not has_date or hours[0] or r.random() < 0.8:
            words.append(self.time(hours))
        if zone:
            words.append(zone)
        return " ".join(words)

    def broken(self):
        r = self.random
        text = self.expression()
        for _ in range(r.randint(1, 2)):
            at = r.randrange(len(text))
            kind = r.random()
            if kind < 0.4:
                text = text[:at] + text[at + 1:]
            elif kind < 0.8:
                text = text[:at] + r.choice("0123456789*/.,-~:") + text[at + 1:]
            else:
                text = text[:at] + r.choice("0123456789*/.,-~: M") + text[at:]
            if not text:
                text = ":"
        return text


def is_comparable(text):
    """Leaves out what we do otherwise on purpose."""
    if text != text.strip() or not text or text.startswith("-"):
        return False  # blanks around it are no error
    if re.search(r"\.\d{4}", text):
        return False  # finer than milliseconds
    return True


def expressions():
    generator = Generator(20260321)
    out = [(text, base) for text in MANUAL + EDGES
           for base in ("2026-01-01 00:00:00",)]
    bases = ["2026-01-01 00:00:00", "2024-02-28 23:59:59", "2026-07-14 11:07:33",
             "2027-12-31 12:00:00", "2025-05-31 05:30:00", "2028-02-29 00:00:01"]
    for _ in range(700):
        out.append((generator.expression(), generator.random.choice(bases)))
    for _ in range(250):
        out.append((generator.broken(), generator.random.choice(bases)))
    return sorted({case for case in out if is_comparable(case[0])}, key=lambda case: (case[1], case[0]))


def run(texts, base):
    environment = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "SYSTEMD_COLORS": "0", "PATH": os.environ["PATH"]}
    return subprocess.run(
        ["systemd-analyze", "calendar", "--iterations=%d" % ITERATIONS, "--base-time=" + base, "--"]
        + texts, env=environment, capture_output=True, text=True, check=False)


def seconds_of(text):
    match = re.search(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d) UTC", text)
    return calendar.timegm(tuple(int(part) for part in match.groups()))


def blocks_of(output):
    """Of each expression its next times; one that never elapses has none."""
    blocks = []
    for line in output.splitlines():
        line = line.strip()
        if line.startswith("Normalized form:"):
            blocks.append([])
        elif line.startswith(("Next elapse:", "Iter.")) and not line.endswith("never"):
            blocks[-1].append(seconds_of(line))
    return blocks


def ask(texts, base):
    result = run(texts, base)
    blocks = blocks_of(result.stdout)
    if result.returncode == 0 and len(blocks) == len(texts):
        return blocks
    if len(texts) > 1:
        # One of them is refused: find out which.
        middle = len(texts) // 2
        return ask(texts[:middle], base) + ask(texts[middle:], base)
    return [None]


def ask_all(cases):
    out = []
    for base in sorted({base for _, base in cases}):
        texts = [text for text, at in cases if at == base]
        for start in range(0, len(texts), BATCH):
            part = texts[start:start + BATCH]
            for text, times in zip(part, ask(part, base)):
                out.append({"text": text, "base": seconds_of(base + " UTC"), "next": times})
    return out


def base_text(seconds):
    import time
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("make", "check"):
        print(__doc__)
        return 64
    if shutil.which("systemd-analyze") is None:
        print("skipped: there is no systemd-analyze on this machine")
        return 77
    if sys.argv[1] == "make":
        version = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True,
                                 check=True).stdout.splitlines()[0]
        cases = ask_all(expressions())
        with open(sys.argv[2], "w", encoding="utf-8") as file:
            file.write('{"made_by": %s, "cases": [\n' % json.dumps(version))
            file.write(",\n".join(json.dumps(case) for case in cases))
            file.write("\n]}\n")
        print("%d expressions, %d of them refused" %
              (len(cases), sum(case["next"] is None for case in cases)))
        return 0

    with open(sys.argv[2], encoding="utf-8") as file:
        wanted = json.load(file)["cases"]
    found = ask_all([(case["text"], base_text(case["base"])) for case in wanted])
    differing = 0
    for want, have in zip(sorted(wanted, key=lambda c: (c["base"], c["text"])),
                          sorted(found, key=lambda c: (c["base"], c["text"]))):
        if want != have:
            differing += 1
            print("vector:  %s\nsystemd: %s" % (want, have))
    print("%d expressions asked, %d differ" % (len(found), differing))
    return 1 if differing or len(found) != len(wanted) else 0


if __name__ == "__main__":
    sys.exit(main())
