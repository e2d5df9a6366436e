import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartitionInfo;

/** A topic with 1,000 partitions; every one of them is written, read and described. */
public final class ManyPartitions implements Main.Scenario {
    private static final int PARTITIONS = 1000;

    @Override
    public void run() throws Exception {
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, PARTITIONS, 1, Map.of("min.insync.replicas", "1", "segment.index.bytes", "1024"));
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(Env.producer())) {
                for (int n = 0; n < PARTITIONS; n++) {
                    sent.add(producer.send(new ProducerRecord<>(Env.TOPIC, n, "key", "value")));
                }
                for (Future<RecordMetadata> future : sent) {
                    future.get(60, TimeUnit.SECONDS);
                }
            }
            Set<Integer> read = new HashSet<>();
            for (ConsumerRecord<String, String> record : Topics.read(Env.consumer(), Env.TOPIC, PARTITIONS, PARTITIONS)) {
                read.add(record.partition());
            }
            List<TopicPartitionInfo> partitions = Topics.partitions(admin, Env.TOPIC, PARTITIONS);
            partitions.forEach(partition -> Check.broker(partition.leader()));
            Topics.get(admin.deleteTopics(List.of(Env.TOPIC)).all());
            new Json().put("written", sent.size()).put("read", read.size()).put("described", partitions.size())
                .put("leaders", partitions.stream().map(partition -> partition.leader().id()).distinct().count())
                .print();
        }
    }
}
