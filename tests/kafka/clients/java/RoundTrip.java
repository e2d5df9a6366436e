import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/** The whole life of a topic. */
public final class RoundTrip implements Main.Scenario {
    @Override
    public void run() throws Exception {
        int records = Integer.parseInt(Env.get("RECORDS", "1000"));
        Json result = new Json();
        try (Admin admin = Admin.create(Env.client())) {
            admin.createTopics(Arrays.asList(new NewTopic(Env.TOPIC, 3, (short) 3))).all().get(60, TimeUnit.SECONDS);
            Check.leaders(admin, Env.TOPIC, 3);
            result.put("created", true).put("produced", produce(records));
            consume(records, result);
            result.put("brokers", Check.brokers(admin.describeCluster().nodes().get(60, TimeUnit.SECONDS)));
            Check.broker(admin.describeCluster().controller().get(60, TimeUnit.SECONDS));
            admin.deleteTopics(Arrays.asList(Env.TOPIC)).all().get(60, TimeUnit.SECONDS);
            result.put("deleted", true);
        }
        result.print();
    }

    static int produce(int records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(Env.producer())) {
            for (int n = 0; n < records; n++) {
                sent.add(producer.send(new ProducerRecord<>(Env.TOPIC, "key-" + n, "value-" + n)));
            }
            for (Future<RecordMetadata> future : sent) {
                Check.that(future.get(60, TimeUnit.SECONDS).hasOffset(), "a record without an offset");
            }
        }
        return sent.size();
    }

    static void consume(int records, Json result) {
        Set<String> distinct = new HashSet<>();
        Set<String> consumed = new HashSet<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(Env.consumer())) {
            consumer.subscribe(Arrays.asList(Env.TOPIC));
            long end = System.nanoTime() + Check.PATIENCE.toNanos();
            while (consumed.size() < records) {
                Check.that(System.nanoTime() < end, "only " + consumed.size() + " records came");
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    Check.equal(record.key().replace("key", "value"), record.value(), "value");
                    distinct.add(record.key());
                    consumed.add(record.partition() + " " + record.offset());
                }
            }
            consumer.commitSync();
        }
        result.put("consumed", consumed.size()).put("distinct", distinct.size());
    }
}
