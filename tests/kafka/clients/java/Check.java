import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;

/** What scenarios check, and how long they wait. */
final class Check {
    static final Duration PATIENCE = Duration.ofSeconds(60);

    private Check() {
    }

    static void equal(Object expected, Object found, String what) {
        if (!expected.equals(found)) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }

    static void that(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    /** These are the addresses of EXPECT_BROKERS, no more and no fewer. */
    static List<String> brokers(Collection<Node> nodes) {
        List<String> found = nodes.stream().map(node -> node.host() + ":" + node.port()).sorted().collect(Collectors.toList());
        List<String> expected = Arrays.stream(System.getenv("EXPECT_BROKERS").split(",")).sorted().collect(Collectors.toList());
        equal(expected, found, "brokers");
        return found;
    }

    /** A node that is named anywhere has an address of EXPECT_BROKERS. */
    static void broker(Node node) {
        TreeSet<String> expected = new TreeSet<>(Arrays.asList(System.getenv("EXPECT_BROKERS").split(",")));
        that(node != null && expected.contains(node.host() + ":" + node.port()), "not one of " + expected + ": " + node);
    }

    interface Condition {
        boolean holds() throws Exception;
    }

    /** Waits for a condition. */
    static void eventually(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!holds(condition)) {
            that(System.nanoTime() < end, "waited in vain for: " + what);
            Thread.sleep(20);
        }
    }

    /**
     * Waits until the leader of each partition knows that it is. A broker that hears of a new topic while a producer sends may refuse the
     * first batch and take the next, for of a producer that it does not know it takes any; the first is then out of order, and Kafka's
     * older producers send it again for ever.
     */
    static void leaders(Admin admin, String topic, int partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> all = new HashMap<>();
        for (int n = 0; n < partitions; n++) {
            all.put(new TopicPartition(topic, n), OffsetSpec.earliest());
        }
        eventually("leaders of " + topic, () -> admin.listOffsets(all).all().get(60, TimeUnit.SECONDS).size() == partitions);
    }

    /** A broker that has not heard of something new yet is no failure. */
    private static boolean holds(Condition condition) throws Exception {
        try {
            return condition.holds();
        } catch (ExecutionException error) {
            if (error.getCause() instanceof RetriableException) {
                return false;
            }
            throw error;
        }
    }
}
