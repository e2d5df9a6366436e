import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionInfo;
import org.apache.kafka.common.errors.ElectionNotNeededException;

/** What scenarios have in common: topics, records, and waiting for results. */
final class Topics {
    private Topics() {
    }

    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(60, TimeUnit.SECONDS);
    }

    static void create(Admin admin, String topic, int partitions, int replicas, Map<String, String> configs) throws Exception {
        get(admin.createTopics(List.of(new NewTopic(topic, partitions, (short) replicas).configs(configs))).all());
    }

    /** What the brokers say about a topic, once it has so many partitions and each of them a leader. */
    static List<TopicPartitionInfo> partitions(Admin admin, String topic, int partitions) throws Exception {
        List<TopicPartitionInfo> found = new ArrayList<>();
        Check.eventually(partitions + " partitions", () -> {
            found.clear();
            found.addAll(get(admin.describeTopics(List.of(topic)).allTopicNames()).get(topic).partitions());
            return found.size() == partitions && found.stream().allMatch(partition -> partition.leader() != null);
        });
        return found;
    }

    /** Makes another replica the leader of every partition. */
    static void moveLeaders(Admin admin, String topic, int partitions) throws Exception {
        Map<TopicPartition, Optional<NewPartitionReassignment>> moves = new HashMap<>();
        Map<Integer, Integer> leaders = new HashMap<>();
        for (TopicPartitionInfo partition : partitions(admin, topic, partitions)) {
            List<Integer> replicas = new ArrayList<>(partition.replicas().stream().map(Node::id).toList());
            Collections.rotate(replicas, -1 - replicas.indexOf(partition.leader().id()));
            leaders.put(partition.partition(), replicas.get(0));
            moves.put(new TopicPartition(topic, partition.partition()), Optional.of(new NewPartitionReassignment(replicas)));
        }
        get(admin.alterPartitionReassignments(moves).all());
        Check.eventually("the reassignment is over", () -> get(admin.listPartitionReassignments(moves.keySet()).reassignments()).isEmpty());
        for (Optional<Throwable> problem : get(admin.electLeaders(ElectionType.PREFERRED, moves.keySet()).partitions()).values()) {
            Check.that(problem.map(ElectionNotNeededException.class::isInstance).orElse(true), "election: " + problem);
        }
        Check.eventually("the new leaders", () -> partitions(admin, topic, partitions).stream()
            .allMatch(partition -> partition.leader().id() == leaders.get(partition.partition())));
    }

    static Properties with(Properties properties, String... pairs) {
        for (int n = 0; n < pairs.length; n += 2) {
            properties.put(pairs[n], pairs[n + 1]);
        }
        return properties;
    }

    static void produce(Properties properties, String topic, int records) throws Exception {
        produce(properties, topic, 0, records);
    }

    /** Produces numbered records and waits for each to be acknowledged. */
    static void produce(Properties properties, String topic, int first, int records) throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int n = first; n < first + records; n++) {
                sent.add(producer.send(new ProducerRecord<>(topic, "key-" + n, "value-" + n)));
            }
            for (Future<RecordMetadata> future : sent) {
                future.get(60, TimeUnit.SECONDS);
            }
        }
    }

    /** Reads whole partitions, without a group, until so many records came. */
    static List<ConsumerRecord<String, String>> read(Properties properties, String topic, int partitions, int records) {
        properties.remove("group.id");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            return read(consumer, topic, partitions, records);
        }
    }

    static List<ConsumerRecord<String, String>> read(KafkaConsumer<String, String> consumer, String topic, int partitions, int records) {
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < partitions; partition++) {
            all.add(new TopicPartition(topic, partition));
        }
        consumer.assign(all);
        consumer.seekToBeginning(all);
        List<ConsumerRecord<String, String>> found = new ArrayList<>();
        long end = System.nanoTime() + Check.PATIENCE.toNanos();
        while (found.size() < records) {
            Check.that(System.nanoTime() < end, "only " + found.size() + " of " + records + " records came");
            consumer.poll(Duration.ofMillis(200)).forEach(found::add);
        }
        return Collections.unmodifiableList(found);
    }
}
