import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.config.ConfigResource;

/** Two members of a share group take 1,000 records between them; each tenth is released once and so comes twice. */
public class ShareGroup implements Main.Scenario {
    static final int RECORDS = 1000;
    final Set<String> accepted = ConcurrentHashMap.newKeySet();
    private final AtomicInteger released = new AtomicInteger();
    private volatile Throwable error;

    @Override
    public void run() throws Exception {
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 3, 3, Map.of());
            AlterConfigOp earliest = new AlterConfigOp(new ConfigEntry("share.auto.offset.reset", "earliest"), AlterConfigOp.OpType.SET);
            Topics.get(admin.incrementalAlterConfigs(
                Map.of(new ConfigResource(ConfigResource.Type.GROUP, Env.GROUP), List.of(earliest))).all());
            Topics.produce(Env.producer(), Env.TOPIC, 0, RECORDS);
            Thread[] members = {new Thread(this::consume), new Thread(this::consume)};
            for (Thread member : members) {
                member.start();
            }
            disturb(admin);
            for (Thread member : members) {
                member.join();
            }
            if (error != null) {
                throw new IllegalStateException(error);
            }
            Check.broker(Topics.get(admin.describeShareGroups(List.of(Env.GROUP)).all()).get(Env.GROUP).coordinator());
        }
        new Json().put("accepted", accepted.size()).put("released", released.get()).print();
    }

    int records() {
        return RECORDS;
    }

    /** What is done while the members take records. */
    void disturb(Admin admin) throws Exception {
    }

    /** An acknowledgement that the brokers did not take. */
    void refused(Throwable problem) {
        error = problem;
    }

    private void consume() {
        Properties properties = Topics.with(Env.consumer(), "share.acknowledgement.mode", "explicit");
        properties.remove("auto.offset.reset");
        try (KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(properties)) {
            consumer.subscribe(List.of(Env.TOPIC));
            long end = System.nanoTime() + Check.PATIENCE.toNanos();
            while (accepted.size() < records()) {
                Check.that(System.nanoTime() < end, "only " + accepted.size() + " records came");
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
                    boolean first = record.deliveryCount().orElseThrow() == 1;
                    if (first && record.key().endsWith("0")) {
                        released.incrementAndGet();
                        consumer.acknowledge(record, AcknowledgeType.RELEASE);
                    } else {
                        accepted.add(record.key());
                        consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                    }
                }
                consumer.commitSync().values().forEach(failure -> failure.ifPresent(this::refused));
            }
        } catch (Throwable problem) {
            error = problem;
        }
    }
}
