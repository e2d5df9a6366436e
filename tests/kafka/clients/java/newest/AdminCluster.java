import static java.util.Map.of;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeProducersResult;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.errors.SecurityDisabledException;
import org.apache.kafka.common.quota.ClientQuotaFilter;

/** What an administrator asks about the cluster, its groups, producers and transactions. */
public final class AdminCluster implements Main.Scenario {
    private final List<String> done = new ArrayList<>();

    @Override
    public void run() throws Exception {
        try (Admin admin = Admin.create(Env.client())) {
            Topics.create(admin, Env.TOPIC, 1, 3, Map.of());
            Topics.partitions(admin, Env.TOPIC, 1);
            Check.brokers(Topics.get(admin.describeCluster().nodes()));
            Check.broker(Topics.get(admin.describeCluster().controller()));
            done.add("cluster");
            Check.equal(3, Topics.get(admin.describeMetadataQuorum().quorumInfo()).voters().size(), "voters");
            done.add("quorum");
            Check.that(Topics.get(admin.describeFeatures().featureMetadata()).finalizedFeatures().containsKey("metadata.version"), "features");
            done.add("features");
            groups(admin);
            done.add("groups");
            transactions(admin);
            done.add("transactions");
            Topics.get(admin.describeClientQuotas(ClientQuotaFilter.all()).entities());
            done.add("quotas");
            Check.that(Topics.get(admin.describeUserScramCredentials().users()).contains("alice"), "no SCRAM user");
            done.add("scram");
            try {
                Topics.get(admin.describeAcls(AclBindingFilter.ANY).values());
                throw new AssertionError("these brokers have no authorizer");
            } catch (ExecutionException error) {
                Check.that(error.getCause() instanceof SecurityDisabledException, "another error: " + error);
            }
            done.add("acls");
        }
        new Json().put("done", done).print();
    }

    private static void groups(Admin admin) throws Exception {
        TopicPartition partition = new TopicPartition(Env.TOPIC, 0);
        Topics.get(admin.alterConsumerGroupOffsets(Env.GROUP, of(partition, new OffsetAndMetadata(3))).all());
        Check.that(Topics.get(admin.listGroups().all()).stream().anyMatch(group -> group.groupId().equals(Env.GROUP)), "the group is not listed");
        Check.broker(Topics.get(admin.describeConsumerGroups(List.of(Env.GROUP)).all()).get(Env.GROUP).coordinator());
        Check.equal(3L, Topics.get(admin.listConsumerGroupOffsets(Env.GROUP).partitionsToOffsetAndMetadata()).get(partition).offset(), "offset");
        Topics.get(admin.deleteConsumerGroupOffsets(Env.GROUP, Set.of(partition)).all());
        Topics.get(admin.deleteConsumerGroups(List.of(Env.GROUP)).all());
    }

    /** A transaction is open while it is looked at. */
    private static void transactions(Admin admin) throws Exception {
        TopicPartition partition = new TopicPartition(Env.TOPIC, 0);
        String id = Env.TOPIC + "-id";
        Properties properties = Topics.with(Env.producer(), "transactional.id", id);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties)) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(Env.TOPIC, "key", "value")).get(60, TimeUnit.SECONDS);
            DescribeProducersResult.PartitionProducerState producers =
                Topics.get(admin.describeProducers(List.of(partition)).all()).get(partition);
            Check.equal(1, producers.activeProducers().size(), "producers");
            Check.that(Topics.get(admin.listTransactions().all()).stream()
                .anyMatch(listing -> listing.transactionalId().equals(id) && listing.state() == TransactionState.ONGOING), "not listed");
            Check.equal(Set.of(partition), Topics.get(admin.describeTransactions(List.of(id)).all()).get(id).topicPartitions(), "partitions");
            producer.commitTransaction();
        }
    }
}
