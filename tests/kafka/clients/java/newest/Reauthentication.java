import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sends records until connections authenticated again five times between them. */
public final class Reauthentication implements Main.Scenario {
    @Override
    public void run() throws Exception {
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(Env.producer())) {
            Check.eventually("five connections authenticated again", () -> {
                producer.send(new ProducerRecord<>(Env.TOPIC, "value")).get(60, TimeUnit.SECONDS);
                return total(producer, "successful-reauthentication-total") >= 5;
            });
            new Json().put("refused", total(producer, "failed-reauthentication-total")).print();
        }
    }

    private static int total(KafkaProducer<?, ?> producer, String name) {
        return producer.metrics().entrySet().stream()
            .filter(entry -> entry.getKey().name().equals(name) && entry.getKey().group().equals("producer-metrics"))
            .mapToInt(entry -> ((Number) entry.getValue().metricValue()).intValue()).sum();
    }
}
