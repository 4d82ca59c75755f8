"""The entry point, installed or as `python -m daymark`. Handles Ctrl-C silently before anything else is imported."""

import signal
import sys

# While modules load, an interrupt ends the process as the kernel does it: Python's own way is a traceback, or a failed
# import of whatever was being loaded. `daymark.cli` puts Python's handler back. Ignored in a background job: left so.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the program and exit with its status."""
    from daymark import cli  # noqa: PLC0415  loaded under the handler above

    sys.exit(cli.main())


if __name__ == "__main__":
    main()
