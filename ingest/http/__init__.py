"""HTTP/1.1 on asyncio, with bounds and deadlines for every client: knows neither Segment nor Kafka."""
