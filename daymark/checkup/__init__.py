"""What `daymark doctor` looks at: settings, Kafka, topics, group, store. Changes nothing."""
