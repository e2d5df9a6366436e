/** The same in the protocol of KIP-848. */
public final class ConsumerGroup extends ClassicGroup {
    @Override
    String protocol() {
        return "consumer";
    }
}
