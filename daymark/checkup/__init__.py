"""What `daymark doctor` checks: settings, Kafka, topics, group, store. Changes nothing."""
