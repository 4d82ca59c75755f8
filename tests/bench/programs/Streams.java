import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams: the first event of a contact's day passes, exactly once, with an in-memory store and its changelog.
 *
 * <p>Arguments: KAFKA SOURCE TARGET GROUP STATE.
 */
public final class Streams {
  private static final String DAYS = "days";
  private static final byte[] SEEN = {1};

  /** Takes events until SIGTERM. */
  public static void main(String[] arguments) {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("application.id", arguments[3]);
    settings.put("state.dir", arguments[4]);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("num.stream.threads", "2");
    settings.put("consumer.auto.offset.reset", "earliest");
    settings.put("producer.compression.type", "lz4");
    settings.put("producer.linger.ms", "5");

    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(DAYS), Serdes.String(), Serdes.ByteArray()));
    builder.stream(arguments[1], Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .process(Firsts::new, DAYS)
        .to(arguments[2], Produced.with(Serdes.String(), Serdes.ByteArray()));

    KafkaStreams streams = new KafkaStreams(builder.build(), settings);
    streams.setStateListener((now, before) -> {
      if (now == KafkaStreams.State.RUNNING) {
        System.out.println("assigned");
      }
    });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
    streams.start();
  }

  /** Lets the first event of a contact's day pass; the record's key is the contact. What is broken is skipped. */
  private static final class Firsts implements Processor<String, byte[], String, byte[]> {
    private final ObjectMapper mapper = new ObjectMapper();
    private ProcessorContext<String, byte[]> context;
    private KeyValueStore<String, byte[]> days;

    @Override
    public void init(ProcessorContext<String, byte[]> context) {
      this.context = context;
      this.days = context.getStateStore(DAYS);
    }

    @Override
    public void process(Record<String, byte[]> record) {
      try {
        JsonNode event = mapper.readTree(record.value());
        String timestamp = event.path(event.hasNonNull("timestamp") ? "timestamp" : "originalTimestamp").asText();
        String day = day(timestamp);
        if (record.key() == null || !event.path("type").asText().equalsIgnoreCase("identify")) {
          return;
        }
        if (days.putIfAbsent(record.key() + "\n" + day, SEEN) == null) {
          String url = event.path("context").path("page").path("url").asText("Contact visited your website");
          byte[] result = mapper.writeValueAsBytes(
              mapper.createObjectNode().put("day", day).put("timestamp", timestamp).put("description", url));
          context.forward(record.withValue(result));
        }
      } catch (IOException | DateTimeException broken) {
        // Skipped, as an event that no result can be made of.
      }
    }

    /** Returns the UTC day of a time. */
    private static String day(String timestamp) {
      return OffsetDateTime.parse(timestamp).withOffsetSameInstant(ZoneOffset.UTC).toLocalDate().toString();
    }
  }
}
