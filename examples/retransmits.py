#!/usr/bin/env python3
"""Which processes see their TCP segments sent again? Prints a table every second.

    sudo examples/retransmits.py [--seconds N] [--awl PATH]

Runs awl with `-f json`, which prints each map as a line of JSON, and reads the map @retransmits: its keys are
the process that the retransmission was charged to (the timer may fire in any) and the kernel stack.

    TIME      COUNT  PROCESS           WHY
    12:03:07      3  swapper/0         tcp_retransmit_timer
    12:03:07      1  curl              tcp_xmit_recovery
"""

import argparse
import collections
import json
import shutil
import subprocess
import sys
import time

SCRIPT = """
kprobe:tcp_retransmit_skb { @retransmits[comm, kstack] = count(); }
interval:s:1 { print(@retransmits); clear(@retransmits); }
"""


def functions(stack):
    """The names of a stack's functions, innermost first, from lines `name+offset`."""
    return [frame.split("+")[0].strip() for frame in stack.splitlines() if frame.strip()]


def reason(stack):
    """The function that wanted the segment sent again: the first caller that is no part of sending it."""
    callers = [name for name in functions(stack) if "retransmit_skb" not in name]
    return callers[0] if callers else "?"


def totals(keys):
    """Counts by (process, reason), the largest first, of a map whose keys are `comm,stack`."""
    counts = collections.Counter()
    for key, count in keys.items():
        comm, _, stack = key.partition(",")
        counts[comm, reason(stack)] += count
    return counts.most_common()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--awl", default=shutil.which("awl") or "awl", help="the program to run")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    options = parser.parse_args()

    awl = subprocess.Popen([options.awl, "-f", "json", "-e", SCRIPT], stdout=subprocess.PIPE, text=True)
    end = time.monotonic() + options.seconds if options.seconds else None
    print(f"{'TIME':8}  {'COUNT':>5}  {'PROCESS':16}  WHY", flush=True)
    try:
        for line in awl.stdout:
            message = json.loads(line)
            if message["type"] == "map":
                for (comm, why), count in totals(message["data"].get("@retransmits", {})):
                    print(f"{time.strftime('%H:%M:%S')}  {count:5}  {comm:16}  {why}", flush=True)
            if end and time.monotonic() > end:
                break
    except KeyboardInterrupt:
        pass
    finally:
        awl.terminate()
    return max(0, awl.wait())


if __name__ == "__main__":
    sys.exit(main())
