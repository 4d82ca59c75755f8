"""Runs Apache Kafka's own command-line tools from its jars, under their usual names."""

import subprocess
from pathlib import Path

from daymark.local.kit import Kit

_LOGGING = Path(__file__).with_name("log4j2-tool.properties")
_OPTIONS = ("-Xmx256m", f"-Dlog4j2.configurationFile={_LOGGING}")
_MAIN_CLASSES = {
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
}


def command(kit: Kit, name: str, *arguments: str | Path) -> list[str]:
    """Return the command line that runs a tool.

    Raises:
        KeyError: No such tool.
    """
    return kit.command(_MAIN_CLASSES[name], *arguments, options=_OPTIONS)


def run(kit: Kit, name: str, *arguments: str | Path, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a tool and return its output, whatever its exit status.

    Args:
        kit: Java and the jars.
        name: The tool's usual name without `.sh`, such as `kafka-topics`.
        arguments: As on its command line; the bootstrap servers are not added.
        timeout_s: It is killed after so many seconds.

    Raises:
        KeyError: No such tool.
        subprocess.TimeoutExpired: It took too long.
    """
    line = command(kit, name, *arguments)
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=timeout_s)  # noqa: S603
    done.args = [name, *arguments]  # what a person reads in a failure, without the class path
    return done
