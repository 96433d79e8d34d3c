package npstream.peer;

import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import npstream.peer.Messages.Account;
import npstream.peer.Messages.Change;
import npstream.peer.Messages.Detractor;
import npstream.peer.Messages.Respondent;
import npstream.peer.Messages.Response;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** The peers' work on Kafka Streams: one process, at least once, changelogged stores in memory or on RocksDB. */
public final class Peer {
    private static final int COMMIT_INTERVAL_MS = 1000;
    /** All of the state fits, so that a changelog gets a record for each changed key and commit, not for each response. */
    private static final long CACHE_BYTES = 128L << 20;
    private static final int POLL_RECORDS = 5000;
    /** Larger than the default of 16 KB, which is meant for latency. */
    private static final int PRODUCER_BATCH_BYTES = 128 << 10;
    private static final int PRODUCER_BUFFER_BYTES = 64 << 20;
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(60);

    private Peer() {}

    public static void main(String[] arguments) throws InterruptedException {
        Map<String, String> told = System.getenv();
        Progress progress = new Progress(Integer.parseInt(told.get("PEER_RESPONSES")));
        KafkaStreams streams = new KafkaStreams(topology(told, progress), properties(told));
        streams.start();
        progress.await();
        streams.close(CLOSE_TIMEOUT); // the last commit: changelogs, events, offsets
        progress.tell("ended");
    }

    private static Properties properties(Map<String, String> told) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, told.get("PEER_GROUP"));
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, told.get("PEER_BOOTSTRAP"));
        properties.put(StreamsConfig.STATE_DIR_CONFIG, told.get("PEER_FOLDER"));
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, COMMIT_INTERVAL_MS);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        properties.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), POLL_RECORDS);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), PRODUCER_BATCH_BYTES);
        properties.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), PRODUCER_BUFFER_BYTES);
        return properties;
    }

    private static Topology topology(Map<String, String> told, Progress progress) {
        boolean onDisk = "rocksdb".equals(told.get("PEER_STORE"));
        String source = "responses";
        String scoring = "scoring";
        Topology topology = new Topology();
        topology.addSource(
            source, Serdes.String().deserializer(), Json.of(Response.class).deserializer(), told.get("PEER_INPUT"));
        topology.addProcessor(scoring, () -> new Scoring(progress), source);
        topology.addStateStore(store(Scoring.RESPONDENTS, onDisk, Json.of(Respondent.class)), scoring);
        topology.addStateStore(store(Scoring.ACCOUNTS, onDisk, Json.of(Account.class)), scoring);
        topology.addSink(Scoring.CHANGES, told.get("PEER_CHANGES"),
            Serdes.String().serializer(), Json.of(Change.class).serializer(), scoring);
        topology.addSink(Scoring.DETRACTORS, told.get("PEER_DETRACTORS"),
            Serdes.String().serializer(), Json.of(Detractor.class).serializer(), scoring);
        return topology;
    }

    private static <T> StoreBuilder<KeyValueStore<String, T>> store(String name, boolean onDisk, Serde<T> values) {
        KeyValueBytesStoreSupplier bytes =
            onDisk ? Stores.persistentKeyValueStore(name) : Stores.inMemoryKeyValueStore(name);
        return Stores.keyValueStoreBuilder(bytes, Serdes.String(), values).withCachingEnabled();
    }
}
