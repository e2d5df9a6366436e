import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Produces numbered records and consumes them until stdin ends: see clients/README.md. */
public final class Traffic implements Main.Scenario {
    private final Set<Integer> acked = ConcurrentHashMap.newKeySet();
    private final List<String> failed = Collections.synchronizedList(new ArrayList<>());
    /** Where each number stands. */
    private final Map<Integer, String> received = new ConcurrentHashMap<>();
    private final Set<Integer> duplicates = ConcurrentHashMap.newKeySet();
    private volatile int redelivered;
    private volatile boolean producing = true;
    /** When to give up draining; none as long as records are produced. */
    private volatile long end = Long.MAX_VALUE;
    private volatile Throwable consumerError;

    @Override
    public void run() throws Exception {
        Thread consumer = new Thread(this::consume);
        Thread producer = new Thread(this::produce);
        Thread progress = new Thread(this::progress);
        progress.setDaemon(true);
        consumer.start();
        producer.start();
        progress.start();
        waitForEndOfInput();
        producing = false;
        producer.join();
        end = System.nanoTime() + Check.PATIENCE.toNanos();
        consumer.join();
        if (consumerError != null) {
            throw new IllegalStateException(consumerError);
        }
        new Json()
            .put("acked", acked.size())
            .put("received", received.size())
            .put("missing", first(missing()))
            .put("duplicates", first(duplicates))
            .put("failed", first(failed))
            .put("redelivered", redelivered)
            .print();
    }

    private void produce() {
        int perPause = Integer.parseInt(Env.get("BURST", "1"));
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(Env.producer())) {
            for (int n = 0; producing; n++) {
                int number = n;
                String text = String.valueOf(n);
                producer.send(new ProducerRecord<>(Env.TOPIC, text, text), (metadata, error) -> {
                    if (error == null) {
                        acked.add(number);
                    } else {
                        failed.add(number + ": " + error);
                    }
                });
                // As many in a row as make up for a pause that is no shorter than a clock's tick.
                if (n % perPause == perPause - 1) {
                    pause(2);
                }
            }
            producer.flush();
        }
    }

    private void consume() {
        try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(Env.consumer())) {
            consumer.subscribe(Collections.singletonList(Env.TOPIC));
            // While records are produced there is always more to come.
            while (end == Long.MAX_VALUE || (System.nanoTime() < end && !missing().isEmpty())) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    note(record);
                }
            }
        } catch (Throwable error) {
            consumerError = error;
        }
    }

    private void note(ConsumerRecord<String, String> record) {
        String place = record.partition() + "@" + record.offset();
        String before = received.putIfAbsent(Integer.valueOf(record.value()), place);
        if (place.equals(before)) {
            redelivered++;
        } else if (before != null) {
            duplicates.add(Integer.valueOf(record.value()));
        }
    }

    private Collection<Integer> missing() {
        TreeSet<Integer> missing = new TreeSet<>(acked);
        missing.removeAll(received.keySet());
        return missing;
    }

    private void progress() {
        while (true) {
            new Json().put("progress", new Json().put("acked", acked.size()).put("received", received.size())).print();
            pause(500);
        }
    }

    private static void waitForEndOfInput() throws IOException {
        while (System.in.read() >= 0) {
            // Nothing is said on stdin but its end.
        }
    }

    private static Collection<?> first(Collection<?> all) {
        return all.stream().limit(10).collect(Collectors.toList());
    }

    private static void pause(int milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException error) {
            throw new IllegalStateException(error);
        }
    }
}
