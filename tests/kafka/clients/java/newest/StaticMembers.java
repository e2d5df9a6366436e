import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/** A static member that goes away and comes back has its partitions again, and the other member notices nothing. */
public final class StaticMembers extends ClassicGroup {
    @Override
    boolean isStatic() {
        return true;
    }

    @Override
    public void run() throws Exception {
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 4, 3, Map.of());
        }
        try (KafkaConsumer<String, String> stays = member("stays")) {
            Set<TopicPartition> its = new HashSet<>();
            try (KafkaConsumer<String, String> comesBack = member("comes-back")) {
                Check.eventually("two partitions each", () -> {
                    stays.poll(Duration.ofMillis(50));
                    comesBack.poll(Duration.ofMillis(50));
                    return stays.assignment().size() == 2 && comesBack.assignment().size() == 2;
                });
                its.addAll(comesBack.assignment());
            }
            int generation = stays.groupMetadata().generationId();
            try (KafkaConsumer<String, String> back = member("comes-back")) {
                Check.eventually("its partitions are back", () -> {
                    stays.poll(Duration.ofMillis(50));
                    back.poll(Duration.ofMillis(50));
                    return back.assignment().equals(its);
                });
            }
            new Json().put("generations", stays.groupMetadata().generationId() - generation)
                .put("partitions", stays.assignment().size()).print();
        }
    }
}
