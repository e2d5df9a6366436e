import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** One transaction that is committed with offsets of a group, one that is aborted, one more that is committed. */
public final class Transactions implements Main.Scenario {
    @Override
    public void run() throws Exception {
        TopicPartition input = new TopicPartition(Env.TOPIC + "-input", 0);
        try (Admin admin = Admin.create(Env.client())) {
            admin.createTopics(Arrays.asList(new NewTopic(Env.TOPIC, 3, (short) 3), new NewTopic(input.topic(), 1, (short) 3)))
                .all().get(60, TimeUnit.SECONDS);
            Check.leaders(admin, Env.TOPIC, 3);
            Properties properties = Env.producer();
            properties.put("transactional.id", Env.TOPIC + "-id");
            Properties manual = Env.consumer();
            manual.put("enable.auto.commit", "false");
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties);
                KafkaConsumer<String, String> group = new KafkaConsumer<>(manual)) {
                producer.initTransactions();
                group.subscribe(Arrays.asList(input.topic()));
                Check.eventually("the group has its partition", () -> {
                    group.poll(Duration.ofMillis(100));
                    return !group.assignment().isEmpty();
                });
                send(producer, "committed");
                producer.sendOffsetsToTransaction(Map.of(input, new OffsetAndMetadata(7)), group.groupMetadata());
                producer.commitTransaction();
                send(producer, "aborted");
                producer.sendOffsetsToTransaction(Map.of(input, new OffsetAndMetadata(99)), group.groupMetadata());
                producer.flush();
                producer.abortTransaction();
                send(producer, "committed");
                producer.commitTransaction();
            }
            long offset = admin.listConsumerGroupOffsets(Env.GROUP).partitionsToOffsetAndMetadata().get(60, TimeUnit.SECONDS)
                .get(input).offset();
            new Json().put("committed", read("read_committed", 200)).put("uncommitted", read("read_uncommitted", 300))
                .put("offset", offset).print();
        }
    }

    private static void send(KafkaProducer<String, String> producer, String value) {
        producer.beginTransaction();
        for (int n = 0; n < 100; n++) {
            producer.send(new ProducerRecord<>(Env.TOPIC, "key-" + n, value));
        }
    }

    /** How many records there are; those with read_committed must be from committed transactions. */
    private static int read(String isolation, int expected) {
        Properties properties = Env.consumer();
        properties.put("isolation.level", isolation);
        properties.remove("group.id");
        List<String> values = new ArrayList<>();
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            List<TopicPartition> all = new ArrayList<>();
            for (int partition = 0; partition < 3; partition++) {
                all.add(new TopicPartition(Env.TOPIC, partition));
            }
            consumer.assign(all);
            consumer.seekToBeginning(all);
            Map<TopicPartition, Long> ends = consumer.endOffsets(all);
            long end = System.nanoTime() + Check.PATIENCE.toNanos();
            while (all.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                Check.that(System.nanoTime() < end, "only " + values.size() + " of " + expected);
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    values.add(record.value());
                }
            }
        }
        Check.that(isolation.equals("read_uncommitted") || !values.contains("aborted"), "an aborted record was read");
        return values.size();
    }
}
