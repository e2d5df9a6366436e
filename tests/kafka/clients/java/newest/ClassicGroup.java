import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;

/** Two members share a topic's partitions; when one leaves, the other has them all and goes on where it left. */
public class ClassicGroup implements Main.Scenario {
    String protocol() {
        return "classic";
    }

    @Override
    public void run() throws Exception {
        Json result = new Json();
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 4, 3, Map.of());
            Topics.produce(Env.producer(), Env.TOPIC, 500);
            int[] read = {0};
            KafkaConsumer<String, String> first = member("first");
            try (KafkaConsumer<String, String> second = member("second")) {
                Check.eventually("two partitions each, and all records", () -> {
                    read[0] += first.poll(Duration.ofMillis(50)).count() + second.poll(Duration.ofMillis(50)).count();
                    return first.assignment().size() == 2 && second.assignment().size() == 2 && read[0] >= 500;
                });
                first.commitSync();
                second.commitSync();
                var group = Topics.get(admin.describeConsumerGroups(List.of(Env.GROUP)).all()).get(Env.GROUP);
                Check.broker(group.coordinator());
                result.put("members", group.members().size()).put("type", group.type().toString());
                first.close();
                Topics.produce(Env.producer(), Env.TOPIC, 500);
                int[] more = {0};
                Check.eventually("all partitions, and the new records", () -> {
                    more[0] += second.poll(Duration.ofMillis(50)).count();
                    return second.assignment().size() == 4 && more[0] >= 500;
                });
                result.put("before", read[0]).put("after", more[0]);
            } finally {
                first.close();
            }
        }
        result.print();
    }

    KafkaConsumer<String, String> member(String name) {
        Properties properties = Topics.with(Env.consumer(), "group.protocol", protocol(), "client.id", name);
        if (isStatic()) {
            properties.put("group.instance.id", name);
        }
        KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties);
        consumer.subscribe(List.of(Env.TOPIC));
        return consumer;
    }

    boolean isStatic() {
        return false;
    }
}
