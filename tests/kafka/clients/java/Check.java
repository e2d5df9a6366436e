import java.time.Duration;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.common.Node;
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
