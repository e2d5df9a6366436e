import java.util.Map;
import org.apache.kafka.clients.admin.Admin;

/** Produces with acks 0, 1 and all; with 0 there is no answer that could be waited for. */
public final class Acks implements Main.Scenario {
    @Override
    public void run() throws Exception {
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 3, 3, Map.of());
        }
        Json result = new Json();
        int records = 0;
        for (String acks : new String[] {"0", "1", "all"}) {
            Topics.produce(Topics.with(Env.producer(), "enable.idempotence", "false", "acks", acks), Env.TOPIC, 300);
            records += 300;
            result.put(acks, Topics.read(Env.consumer(), Env.TOPIC, 3, records).size());
        }
        result.print();
    }
}
