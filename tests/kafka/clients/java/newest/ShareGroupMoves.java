import org.apache.kafka.clients.admin.Admin;

/** The same while the leaders of all partitions move. */
public final class ShareGroupMoves extends ShareGroup {
    @Override
    void disturb(Admin admin) throws Exception {
        Check.eventually("both members are at work", () -> accepted.size() >= RECORDS / 10);
        Topics.moveLeaders(admin, Env.TOPIC, 3);
        // So that there is something left to be read from the new leaders.
        Topics.produce(Env.producer(), Env.TOPIC, RECORDS, RECORDS);
    }

    @Override
    int records() {
        return 2 * RECORDS;
    }

    /** The old leader is gone with what it knew: its records come again. */
    @Override
    void refused(Throwable problem) {
        System.err.println(problem);
    }
}
