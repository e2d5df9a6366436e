import java.util.Map;
import org.apache.kafka.clients.admin.Admin;

/** Every codec that Kafka knows. */
public final class Compressions implements Main.Scenario {
    @Override
    public void run() throws Exception {
        Json result = new Json();
        try (Admin admin = Admin.create(Env.client())) {
            for (String codec : new String[] {"none", "gzip", "snappy", "lz4", "zstd"}) {
                String topic = Env.TOPIC + "-" + codec;
                Topics.create(admin, topic, 1, 3, Map.of());
                Topics.produce(Topics.with(Env.producer(), "compression.type", codec, "linger.ms", "20"), topic, 200);
                result.put(codec, Topics.read(Env.consumer(), topic, 1, 200).stream()
                    .filter(record -> record.key().replace("key", "value").equals(record.value())).count());
            }
        }
        result.print();
    }
}
