import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** A record of 10 MB, there and back. */
public final class BigRecord implements Main.Scenario {
    @Override
    public void run() throws Exception {
        String limit = "12000000";
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 1, 3, Map.of("max.message.bytes", limit));
        }
        StringBuilder text = new StringBuilder();
        while (text.length() < 10_000_000) {
            text.append(text.length()).append(' ');
        }
        try (KafkaProducer<String, String> producer =
            new KafkaProducer<>(Topics.with(Env.producer(), "max.request.size", limit))) {
            producer.send(new ProducerRecord<>(Env.TOPIC, "key", text.toString())).get(60, TimeUnit.SECONDS);
        }
        String found = Topics.read(Env.consumer(), Env.TOPIC, 1, 1).get(0).value();
        Check.that(found.contentEquals(text), "another record came back");
        new Json().put("characters", found.length()).print();
    }
}
