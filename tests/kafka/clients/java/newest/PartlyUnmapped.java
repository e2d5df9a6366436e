import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.errors.TimeoutException;

/** Sends one record to every partition of a topic; some have no leader that can be reached. */
public final class PartlyUnmapped implements Main.Scenario {
    @Override
    public void run() throws Exception {
        Properties properties = Topics.with(Env.producer(),
            "max.block.ms", "10000", "delivery.timeout.ms", "4000", "request.timeout.ms", "2000", "linger.ms", "0");
        int delivered = 0;
        int timedOut = 0;
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            for (PartitionInfo partition : producer.partitionsFor(Env.TOPIC)) {
                boolean reachable = partition.leader() != null;
                // One that must wait in vain is enough.
                if (!reachable && timedOut > 0) {
                    continue;
                }
                try {
                    producer.send(new ProducerRecord<>(Env.TOPIC, partition.partition(), "key", "value")).get(60, TimeUnit.SECONDS);
                    Check.that(reachable, "a record was delivered to nobody");
                    delivered++;
                } catch (ExecutionException error) {
                    Check.that(!reachable && error.getCause() instanceof TimeoutException, "another error: " + error);
                    timedOut++;
                }
            }
        }
        new Json().put("delivered", delivered).put("timed_out", timedOut).print();
    }
}
