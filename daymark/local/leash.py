"""Becomes a program that dies with its parent: `python -I -S leash.py PARENT_PID PROGRAM ARGUMENT…`.

A separate small program because the kernel's switch must be thrown inside the child, and Python code between fork and
exec is unsafe in a parent that has threads. Elsewhere than on Linux it does nothing: pid files find what is left.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h

if sys.platform == "linux":
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):  # died before the switch was thrown
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 (no shell is the point)
