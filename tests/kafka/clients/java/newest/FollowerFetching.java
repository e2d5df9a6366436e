import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartitionInfo;

/** A consumer in the rack of a follower reads from that follower. */
public final class FollowerFetching implements Main.Scenario {
    @Override
    public void run() throws Exception {
        Node follower;
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 1, 3, Map.of());
            TopicPartitionInfo partition = Topics.partitions(admin, Env.TOPIC, 1).get(0);
            follower = partition.isr().stream().filter(node -> node.id() != partition.leader().id()).findFirst().orElseThrow();
        }
        Topics.produce(Env.producer(), Env.TOPIC, 100);
        Properties properties = Topics.with(Env.consumer(), "client.rack", "rack-" + follower.id());
        properties.remove("group.id");
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
            int read = Topics.read(consumer, Env.TOPIC, 1, 100).size();
            // The first fetch goes to the leader, which names the follower: that one must have served one fetch at least.
            Topics.produce(Env.producer(), Env.TOPIC, 100);
            Check.eventually("fetches from the follower", () -> {
                consumer.poll(java.time.Duration.ofMillis(100));
                return preferred(consumer) == follower.id() && fetches(consumer, follower) >= 2;
            });
            Topics.produce(Env.producer(), Env.TOPIC, 100);
            new Json().put("read", Topics.read(consumer, Env.TOPIC, 1, 300).size()).put("first", read)
                .put("preferred", preferred(consumer)).put("follower", follower.id()).print();
        }
    }

    private static int preferred(KafkaConsumer<?, ?> consumer) {
        return metric(consumer, "preferred-read-replica", "topic", Env.TOPIC).intValue();
    }

    private static int fetches(KafkaConsumer<?, ?> consumer, Node node) {
        return metric(consumer, "response-total", "node-id", "node-" + node.id()).intValue();
    }

    private static Number metric(KafkaConsumer<?, ?> consumer, String name, String tag, String value) {
        return consumer.metrics().entrySet().stream()
            .filter(entry -> entry.getKey().name().equals(name) && value.equals(entry.getKey().tags().get(tag)))
            .map(entry -> (Number) entry.getValue().metricValue()).findFirst().orElse(-1);
    }
}
