import static java.util.Map.of;

import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** What an administrator does to topics. */
public final class AdminTopics implements Main.Scenario {
    private final List<String> done = new ArrayList<>();

    @Override
    public void run() throws Exception {
        TopicPartition first = new TopicPartition(Env.TOPIC, 0);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, Env.TOPIC);
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 1, 3, of("retention.ms", "3600000"));
            Check.eventually("the topic is listed", () -> Topics.get(admin.listTopics().names()).contains(Env.TOPIC));
            done("create");
            AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "7200000"), AlterConfigOp.OpType.SET);
            Topics.get(admin.incrementalAlterConfigs(of(resource, List.of(set))).all());
            Check.eventually("the new configuration", () -> Topics.get(admin.describeConfigs(List.of(resource)).all())
                .get(resource).get("retention.ms").value().equals("7200000"));
            done("configs");
            Topics.get(admin.createPartitions(of(Env.TOPIC, NewPartitions.increaseTo(3))).all());
            Topics.partitions(admin, Env.TOPIC, 3).forEach(partition -> {
                Check.broker(partition.leader());
                partition.replicas().forEach(Check::broker);
            });
            done("partitions");
            Topics.produce(Env.producer(), Env.TOPIC, 300);
            long end = latest(admin, first);
            Topics.get(admin.deleteRecords(of(first, RecordsToDelete.beforeOffset(end))).all());
            Check.equal(end, Topics.get(admin.listOffsets(of(first, OffsetSpec.earliest())).all()).get(first).offset(), "earliest");
            done("offsets");
            Topics.moveLeaders(admin, Env.TOPIC, 3);
            done("reassign");
            logDirs(admin);
            done("log dirs");
            Topics.get(admin.deleteTopics(List.of(Env.TOPIC)).all());
            Check.eventually("the topic is gone", () -> !Topics.get(admin.listTopics().names()).contains(Env.TOPIC));
            done("delete");
        }
        new Json().put("done", done).print();
    }

    private static void logDirs(Admin admin) throws Exception {
        List<Integer> nodes = Topics.get(admin.describeCluster().nodes()).stream().map(Node::id).toList();
        Check.equal(3, nodes.size(), "nodes");
        var all = Topics.get(admin.describeLogDirs(nodes).allDescriptions());
        for (int node : nodes) {
            Check.that(all.get(node).values().stream().anyMatch(dir -> dir.replicaInfos().keySet().stream()
                .anyMatch(replica -> replica.topic().equals(Env.TOPIC))), "no replica on " + node);
        }
    }

    private static long latest(Admin admin, TopicPartition partition) throws Exception {
        return Topics.get(admin.listOffsets(of(partition, OffsetSpec.latest())).all()).get(partition).offset();
    }

    private void done(String what) {
        done.add(what);
    }
}
