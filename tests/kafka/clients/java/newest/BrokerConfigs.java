import java.util.List;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.config.ConfigResource;

/** The configuration of a broker, which quotes what it advertises. */
public final class BrokerConfigs implements Main.Scenario {
    @Override
    public void run() throws Exception {
        try (Admin admin = Admin.create(Env.client())) {
            String node = Topics.get(admin.describeCluster().nodes()).iterator().next().idString();
            ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, node);
            new Json().put("advertised", Topics.get(admin.describeConfigs(List.of(broker)).all()).get(broker)
                .get("advertised.listeners").value()).print();
        }
    }
}
